//! Kernel addresses to function names, from the text of /proc/kallsyms.

use std::fmt;
use std::io::{self, Read};

/// Size of the read buffer, and longer than any line: the kernel's names end at 512 bytes (KSYM_NAME_LEN).
const CHUNK: usize = 64 << 10;

/// The variables that are kept: they lead to the preempt counter, which tells in what context a packet was freed.
/// Kernels without CONFIG_KALLSYMS_ALL print none of them.
const VARIABLES: [&[u8]; 3] = [b"__preempt_count", b"pcpu_hot", b"__per_cpu_offset"];

/// Functions by address. Only code is kept: nm's types `t`, `T`, `w` and `W`, which the kernel prints as they are.
/// (Data is never a location, and `i`, nm's indirect functions, do not occur in a kernel.)
#[derive(Clone, Debug, Default)]
pub struct Kallsyms {
    /// Sorted by address; symbols of one address in the order in which the kernel printed them.
    entries: Vec<Entry>,
    /// Every name, one after the other.
    names: String,
    /// Names of modules; an entry's `module` is an index into it plus one.
    modules: Vec<String>,
    /// Code symbols whose address was printed as zero.
    zeros: usize,
    /// Addresses of [`VARIABLES`]; of a per-CPU variable its offset in a CPU's area.
    variables: [Option<u64>; VARIABLES.len()],
}

/// Sixteen bytes a symbol, because a kernel has 120,000 of them and more.
#[derive(Clone, Copy, Debug)]
struct Entry {
    address: u64,
    name: u32,
    length: u16,
    /// Zero for the kernel itself.
    module: u16,
}

/// Where an address lies. Displayed as the kernel does: `symbol+0xoffset`, with ` [module]` appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// The function, with the suffixes that the compiler gave it.
    pub name: &'a str,
    /// Its module; `None` in the kernel itself.
    pub module: Option<&'a str>,
    /// Bytes from its start.
    pub offset: u64,
}

impl fmt::Display for Symbol<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:#x}", self.name, self.offset)?;
        match self.module {
            Some(module) => write!(f, " [{module}]"),
            None => Ok(()),
        }
    }
}

impl Kallsyms {
    /// How far past its start a function may reach. The largest of the supported kernels has 21 KB; what lies further
    /// behind the last symbol below it belongs to none (a module that was loaded later, for example).
    pub const MAX_OFFSET: u64 = 128 << 10;

    /// Reads the whole of /proc/kallsyms from `source`, 64 KiB at a time. Lines of another form are passed over.
    ///
    /// # Errors
    /// What `source` returns, and `InvalidData` for a line longer than 64 KiB, which no kernel prints.
    pub fn read(mut source: impl Read) -> io::Result<Self> {
        let mut symbols = Self::default();
        let mut buffer = vec![0; CHUNK];
        let mut filled = 0;
        loop {
            let free = buffer.get_mut(filled..).filter(|free| !free.is_empty());
            let free = free.ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "a line of kallsyms is longer than 64 KiB")
            })?;
            match source.read(free) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            let consumed = symbols.take_lines(buffer.get(..filled).unwrap_or_default());
            buffer.copy_within(consumed..filled, 0);
            filled -= consumed;
        }
        symbols.take_line(buffer.get(..filled).unwrap_or_default());
        symbols.close();
        Ok(symbols)
    }

    /// Takes every line that is complete; how many bytes that were.
    fn take_lines(&mut self, text: &[u8]) -> usize {
        let mut rest = text;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, behind) = rest.split_at(end);
            self.take_line(line);
            rest = behind.get(1..).unwrap_or_default();
        }
        text.len() - rest.len()
    }

    /// One line: `address type name`, and for a module's symbols a tab and `[module]`.
    fn take_line(&mut self, line: &[u8]) {
        let (address, name) = match hexadecimal(line) {
            Some((address, [b't' | b'T' | b'w' | b'W', b' ', name @ ..])) => (address, name),
            Some((address, [_, b' ', name @ ..])) => return self.take_variable(address, name),
            _ => return,
        };
        let Ok(name) = std::str::from_utf8(name) else { return };
        let (name, module) = match name.split_once('\t') {
            None => (name, None),
            Some((name, module)) => match module.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                Some(module) => (name, Some(module)),
                None => return,
            },
        };
        if address == 0 {
            self.zeros += 1;
        } else if !name.is_empty() {
            // A table that outgrows 4 GiB of names or 65,535 modules is no kernel's; the rest of it is left out.
            let _ = self.push(address, name, module);
        }
    }

    fn take_variable(&mut self, address: u64, name: &[u8]) {
        let known = VARIABLES.iter().position(|variable| *variable == name);
        if let Some(place) = known.and_then(|index| self.variables.get_mut(index)) {
            *place = Some(address).filter(|address| *address != 0);
        }
    }

    /// The address of the variable `name`, or the offset of a per-CPU one; `None` where the kernel does not show it.
    /// Only `__preempt_count`, `pcpu_hot` and `__per_cpu_offset` are kept.
    pub fn variable(&self, name: &str) -> Option<u64> {
        let index = VARIABLES.iter().position(|variable| *variable == name.as_bytes())?;
        self.variables.get(index).copied().flatten()
    }

    fn push(&mut self, address: u64, name: &str, module: Option<&str>) -> Option<()> {
        let module = match module {
            Some(module) => self.module_index(module)?,
            None => 0,
        };
        let length = u16::try_from(name.len()).ok()?;
        let start = u32::try_from(self.names.len()).ok()?;
        self.names.push_str(name);
        self.entries.push(Entry { address, name: start, length, module });
        Some(())
    }

    /// The kernel prints one module after the other, so that it is the last one nearly always.
    fn module_index(&mut self, name: &str) -> Option<u16> {
        let known = self.modules.iter().rposition(|module| module == name);
        let index = known.unwrap_or(self.modules.len());
        let number = u16::try_from(index + 1).ok()?;
        if known.is_none() {
            self.modules.push(name.to_owned());
        }
        Some(number)
    }

    /// The sort is stable: among aliases the first printed stays first.
    fn close(&mut self) {
        if !self.entries.is_sorted_by_key(|entry| entry.address) {
            self.entries.sort_by_key(|entry| entry.address);
        }
        self.entries.shrink_to_fit();
        self.names.shrink_to_fit();
    }

    /// Whether the kernel hid its addresses: it printed every one as zero (`kernel.kptr_restrict`, or no CAP_SYSLOG).
    pub fn hidden(&self) -> bool {
        self.zeros > 0 && self.entries.is_empty()
    }

    /// Symbols kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing to look up in.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        let modules: usize = self.modules.iter().map(String::capacity).sum();
        self.entries.capacity() * size_of::<Entry>()
            + self.names.capacity()
            + self.modules.capacity() * size_of::<String>()
            + modules
    }

    /// The nearest symbol not above `address`, unless that is further away than [`Self::MAX_OFFSET`].
    ///
    /// Of several symbols with one address it is the one printed first, as in the kernel: get_symbol_pos() goes back
    /// to the first alias, find_kallsyms_symbol() replaces a module's best match only by a higher address.
    pub fn lookup(&self, address: u64) -> Option<Symbol<'_>> {
        let above = self.entries.partition_point(|entry| entry.address <= address);
        let nearest = self.entries.get(above.checked_sub(1)?)?;
        let offset = address - nearest.address;
        if offset > Self::MAX_OFFSET {
            return None;
        }
        let first = self.entries.partition_point(|entry| entry.address < nearest.address);
        let entry = self.entries.get(first)?;
        let module = usize::from(entry.module).checked_sub(1).and_then(|index| self.modules.get(index));
        Some(Symbol { name: self.name(entry), module: module.map(String::as_str), offset })
    }

    fn name(&self, entry: &Entry) -> &str {
        let start = entry.name as usize;
        self.names.get(start..start + usize::from(entry.length)).unwrap_or_default()
    }

    /// The addresses of every function whose [`base_name`] is that of `name`, aliases included, in ascending order,
    /// as (start, end). A function ends where the next symbol begins.
    pub fn ranges(&self, name: &str) -> Vec<(u64, u64)> {
        let wanted = base_name(name);
        let named = self.entries.iter().enumerate().filter(|(_, entry)| {
            let name = self.name(entry);
            name.starts_with(wanted) && base_name(name) == wanted
        });
        let ranges = named.map(|(index, entry)| {
            let start = entry.address;
            let behind = self.entries.iter().skip(index).find(|next| next.address > start);
            let furthest = start.saturating_add(Self::MAX_OFFSET);
            (start, behind.map_or(furthest, |next| next.address.min(furthest)))
        });
        let mut ranges: Vec<(u64, u64)> = ranges.collect();
        ranges.dedup();
        ranges
    }
}

/// Up to sixteen hexadecimal digits and the space behind them; the number and the rest.
fn hexadecimal(line: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (index, byte) in line.iter().enumerate().take(17) {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b' ' if index > 0 => return line.get(index + 1..).map(|rest| (number, rest)),
            _ => return None,
        };
        number = number << 4 | u64::from(digit);
    }
    None
}

/// A function's name without what the compiler appended when it cloned or split it: `.constprop.N`, `.isra.N`,
/// `.part.N`, `.cold` and `.cold.N`, and clang's `.llvm.N`, in any number and order.
pub fn base_name(name: &str) -> &str {
    let mut name = name;
    while let Some((front, last)) = name.rsplit_once('.') {
        let numbered = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
        let (front, suffix) =
            if numbered { front.rsplit_once('.').unwrap_or((front, "")) } else { (front, last) };
        let known = suffix == "cold" || numbered && ["constprop", "isra", "part", "llvm"].contains(&suffix);
        if !known || front.is_empty() {
            break;
        }
        name = front;
    }
    name
}

/// The function in a location's text: `tcp_v4_rcv` of `tcp_v4_rcv.isra.0+0x12 [module]`.
pub fn function(location: &str) -> &str {
    base_name(location.split_once('+').map_or(location, |(name, _)| name))
}

#[cfg(test)]
mod tests;
