//! BTF made by hand for tests: what compilers at hand do not write, and kernels that are not at hand.

/// Types and strings under construction.
#[derive(Default)]
pub(crate) struct Build {
    types: Vec<u8>,
    strings: Vec<u8>,
    /// Where the own strings start: the length of the base's.
    start: u32,
}

impl Build {
    pub(crate) fn new() -> Self {
        Self { strings: vec![0], ..Self::default() }
    }

    /// A continuation of `base`.
    pub(crate) fn split(base: &[u8]) -> Self {
        let length = base[20..24].try_into().map(u32::from_ne_bytes).unwrap();
        Self { start: length, ..Self::default() }
    }

    pub(crate) fn name(&mut self, name: &str) -> u32 {
        let at = self.start + self.strings.len() as u32;
        self.strings.extend(name.bytes().chain([0]));
        at
    }

    pub(crate) fn words(&mut self, words: &[u32]) {
        self.types.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
    }

    pub(crate) fn enumeration(mut self, name: &str, members: &[(u32, &str)]) -> Self {
        let name = self.name(name);
        self.words(&[name, 6 << 24 | members.len() as u32, 4]);
        for (value, member) in members {
            let member = self.name(member);
            self.words(&[member, *value]);
        }
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        let mut bytes = 0xeb9f_u16.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        bytes.extend([24, 0, types, types, strings].iter().flat_map(|word| word.to_ne_bytes()));
        bytes.extend(self.types.iter().chain(&self.strings));
        bytes
    }
}
