//! A reader of BPF type format that looks for enums and for members of structs. It is total: whatever the bytes, the answer is a value or a
//! [`BtfError`], in memory proportional to the input.
//!
//! The format is described in the kernel's Documentation/bpf/btf.rst and include/uapi/linux/btf.h.

const MAGIC: u16 = 0xeb9f;
/// Bytes that every header has; later ones may be longer and say so.
const HEADER: usize = 24;
/// Bytes before a type's own: name_off, info, size_or_type.
const COMMON: usize = 12;

mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const PTR: u32 = 2;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const FWD: u32 = 7;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const VOLATILE: u32 = 9;
    pub(super) const CONST: u32 = 10;
    pub(super) const RESTRICT: u32 = 11;
    pub(super) const FUNC: u32 = 12;
    pub(super) const FUNC_PROTO: u32 = 13;
    pub(super) const VAR: u32 = 14;
    pub(super) const DATASEC: u32 = 15;
    pub(super) const FLOAT: u32 = 16;
    pub(super) const DECL_TAG: u32 = 17;
    pub(super) const TYPE_TAG: u32 = 18;
    pub(super) const ENUM64: u32 = 19;
}

/// Why bytes are no readable BTF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BtfError {
    /// Not BTF, or too short for a header.
    #[error("no BTF: the header is short or its magic is wrong")]
    Header,
    /// A section that the bytes do not hold.
    #[error("damaged BTF: its {0} section lies outside the data")]
    Section(&'static str),
    /// A type whose bytes end early.
    #[error("damaged BTF: the type at byte {0} is cut short")]
    Truncated(u32),
    /// A kind whose size this reader does not know, so that nothing behind it can be read.
    #[error("BTF with types of unknown kind {0}: the kernel is newer than this program")]
    Kind(u32),
    /// A name outside the string section, without an end, or not UTF-8.
    #[error("damaged BTF: no name at offset {0}")]
    Name(u32),
}

/// BTF in memory, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// The base's strings: a split BTF's name offsets go on from their end.
    base: Option<&'a [u8]>,
    /// Written on a machine of the other byte order.
    swapped: bool,
}

/// An enum's names and values. Signed and unsigned, 32 and 64 bits wide, all fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enum<'a> {
    /// Its name; empty where it has none.
    pub name: &'a str,
    /// In order of declaration.
    pub members: Vec<(i128, &'a str)>,
}

/// A type's common part and the bytes of its kind.
#[derive(Clone, Copy)]
struct Type<'a> {
    name: u32,
    info: u32,
    tail: &'a [u8],
}

impl Type<'_> {
    const fn kind(&self) -> u32 {
        self.info >> 24 & 0x1f
    }

    /// kind_flag: of an enum, that it is signed.
    const fn signed(&self) -> bool {
        self.info >> 31 == 1
    }
}

/// Bytes behind the common part, by kind and vlen.
fn tail_length(info: u32) -> Result<usize, BtfError> {
    let count = (info & 0xffff) as usize;
    Ok(match info >> 24 & 0x1f {
        kind::INT | kind::VAR | kind::DECL_TAG => 4,
        kind::ARRAY => 12,
        kind::ENUM | kind::FUNC_PROTO => count * 8,
        kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => count * 12,
        kind::PTR | kind::FWD | kind::TYPEDEF | kind::VOLATILE | kind::CONST => 0,
        kind::RESTRICT | kind::FUNC | kind::FLOAT | kind::TYPE_TAG => 0,
        unknown => return Err(BtfError::Kind(unknown)),
    })
}

impl<'a> Btf<'a> {
    /// Reads the header of `bytes`, such as /sys/kernel/btf/vmlinux holds.
    ///
    /// # Errors
    /// [`BtfError::Header`] or [`BtfError::Section`]; types and names are checked where they are read.
    pub fn new(bytes: &'a [u8]) -> Result<Self, BtfError> {
        let magic = bytes.first_chunk().map(|magic| u16::from_ne_bytes(*magic)).ok_or(BtfError::Header)?;
        let swapped = match magic {
            MAGIC => false,
            other if other.swap_bytes() == MAGIC => true,
            _ => return Err(BtfError::Header),
        };
        let header = bytes.get(..HEADER).ok_or(BtfError::Header)?;
        let field = |at| number(header, at, swapped).map(|value| value as usize).ok_or(BtfError::Header);
        let length = field(4)?;
        let body = bytes.get(length..).filter(|_| length >= HEADER).ok_or(BtfError::Header)?;
        let section = |at, name| {
            let (start, length) = (field(at)?, field(at + 4)?);
            let range = start..start.checked_add(length).ok_or(BtfError::Section(name))?;
            body.get(range).ok_or(BtfError::Section(name))
        };
        Ok(Self { types: section(8, "type")?, strings: section(16, "string")?, base: None, swapped })
    }

    /// Reads the header of a module's BTF, such as /sys/kernel/btf/openvswitch: it is a continuation of `base`.
    ///
    /// # Errors
    /// As [`Btf::new`].
    pub fn split(bytes: &'a [u8], base: &Self) -> Result<Self, BtfError> {
        Ok(Self { base: Some(base.strings), ..Self::new(bytes)? })
    }

    /// Every enum whose name `wanted` accepts.
    ///
    /// # Errors
    /// Where a type or a name is damaged.
    pub fn enums(&self, mut wanted: impl FnMut(&str) -> bool) -> Result<Vec<Enum<'a>>, BtfError> {
        let mut found = Vec::new();
        for item in self.types() {
            let item = item?;
            if !matches!(item.kind(), kind::ENUM | kind::ENUM64) {
                continue;
            }
            let name = self.name(item.name)?;
            if wanted(name) {
                found.push(Enum { name, members: self.members(&item)? });
            }
        }
        Ok(found)
    }

    /// Whether the struct has a member of that name; false where this BTF has no such struct.
    ///
    /// # Errors
    /// Where a type or a name is damaged.
    pub fn has_member(&self, structure: &str, member: &str) -> Result<bool, BtfError> {
        for item in self.types() {
            let item = item?;
            if item.kind() != kind::STRUCT || self.name(item.name)? != structure {
                continue;
            }
            // struct btf_member: name_off, type, offset.
            let mut names = item.tail.chunks_exact(12).filter_map(|bytes| number(bytes, 0, self.swapped));
            return names.try_fold(false, |found, name| Ok(found || self.name(name)? == member));
        }
        Ok(false)
    }

    fn members(&self, item: &Type<'a>) -> Result<Vec<(i128, &'a str)>, BtfError> {
        let wide = item.kind() == kind::ENUM64;
        let member = |bytes: &[u8]| {
            let word = |at| number(bytes, at, self.swapped).unwrap_or_default();
            let low = word(4);
            let value = match (wide, item.signed()) {
                (false, false) => low.into(),
                (false, true) => low.cast_signed().into(),
                (true, false) => (u64::from(word(8)) << 32 | u64::from(low)).into(),
                (true, true) => (u64::from(word(8)) << 32 | u64::from(low)).cast_signed().into(),
            };
            Ok((value, self.name(word(0))?))
        };
        item.tail.chunks_exact(if wide { 12 } else { 8 }).map(member).collect()
    }

    /// Every type in order; ends after the first error, since what follows has no known start.
    fn types(&self) -> impl Iterator<Item = Result<Type<'a>, BtfError>> + use<'a> {
        let Self { types, swapped, .. } = *self;
        let mut at = 0;
        std::iter::from_fn(move || {
            if at >= types.len() {
                return None;
            }
            let item = type_at(types, at as u32, swapped);
            at = match &item {
                Ok(item) => at + COMMON + item.tail.len(),
                Err(_) => types.len(),
            };
            Some(item)
        })
    }

    fn name(&self, offset: u32) -> Result<&'a str, BtfError> {
        let mut at = offset as usize;
        let strings = match self.base {
            Some(base) if at < base.len() => base,
            Some(base) => {
                at -= base.len();
                self.strings
            }
            None => self.strings,
        };
        let text = strings
            .get(at..)
            .and_then(|rest| rest.split_at_checked(rest.iter().position(|byte| *byte == 0)?));
        text.and_then(|(text, _)| std::str::from_utf8(text).ok()).ok_or(BtfError::Name(offset))
    }
}

fn type_at(types: &[u8], at: u32, swapped: bool) -> Result<Type<'_>, BtfError> {
    let rest = types.get(at as usize..).unwrap_or_default();
    let field = |offset| number(rest, offset, swapped).ok_or(BtfError::Truncated(at));
    let (name, info) = (field(0)?, field(4)?);
    let tail = rest.get(COMMON..COMMON + tail_length(info)?).ok_or(BtfError::Truncated(at))?;
    Ok(Type { name, info, tail })
}

fn number(bytes: &[u8], at: usize, swapped: bool) -> Option<u32> {
    let value = u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?);
    Some(if swapped { value.swap_bytes() } else { value })
}

#[cfg(test)]
pub(crate) mod build;
#[cfg(test)]
mod tests;
