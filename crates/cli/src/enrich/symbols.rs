//! Locations by name, also in modules that are loaded during the run.

use plumb_records::enrich::{Kallsyms, Locations};
use std::fs::File;
use std::io::{self, Seek};
use std::path::PathBuf;

/// Readings of the symbols because modules came or went: each takes some 50 ms.
const READINGS: usize = 64;

/// Symbols whose file stays open. The kernel decides who may see addresses when it is opened (kallsyms_open in
/// kernel/kallsyms.c), so it can be read again after all capabilities were dropped.
pub struct Symbols {
    locations: Locations,
    source: Option<Source>,
    readings: usize,
    unnamed: usize,
}

/// What symbols are read from.
pub struct Source {
    file: File,
    list: PathBuf,
    /// The modules that were there when the symbols were read.
    modules: Vec<String>,
}

impl Source {
    /// Symbols come from `file`, the names of modules from `list` (/proc/modules); reads both.
    pub fn read(file: File, list: PathBuf) -> io::Result<(Kallsyms, Self)> {
        let mut source = Self { file, list, modules: Vec::new() };
        let symbols = source.again()?;
        Ok((symbols, source))
    }

    /// The modules are listed first: one that comes meanwhile makes the next comparison differ.
    fn again(&mut self) -> io::Result<Kallsyms> {
        self.modules = self.listed();
        self.file.rewind()?;
        Kallsyms::read(&self.file)
    }

    /// Names only: their addresses are hidden from us by then. Empty where the kernel has no modules.
    fn listed(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.list).unwrap_or_default();
        text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    }
}

impl Symbols {
    /// `source` is what `symbols` were read from, where they can be read again.
    pub fn new(symbols: Kallsyms, source: Option<Source>) -> Self {
        Self { locations: Locations::new(symbols), source, readings: 0, unnamed: 0 }
    }

    /// `symbol+0xoffset`, as [`Locations::text`]. An address that is met for the first time may be in a module that was
    /// loaded since the symbols were read, and would get the name of its neighbour. Zero stands for all without a name.
    pub fn text(&mut self, address: u64) -> Option<&str> {
        if address == 0 {
            return None;
        }
        if !self.locations.knows(address) {
            self.read_again_where_modules_changed();
            self.unnamed += usize::from(self.locations.text(address).is_none());
        }
        self.locations.text(address)
    }

    /// Addresses without a symbol among those that were asked for; none where all symbols are hidden, which is another
    /// matter.
    pub fn unnamed(&self) -> usize {
        let symbols = self.locations.symbols();
        if symbols.hidden() || symbols.is_empty() { 0 } else { self.unnamed }
    }

    fn read_again_where_modules_changed(&mut self) {
        let Some(source) = &mut self.source else { return };
        if self.readings < READINGS && source.listed() != source.modules {
            self.readings += 1;
            if let Ok(symbols) = source.again() {
                self.locations = Locations::new(symbols);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Source, Symbols};
    use std::fs::{File, write};

    #[test]
    fn a_module_that_comes_later_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (kallsyms, modules) = (folder.path().join("kallsyms"), folder.path().join("modules"));
        let before =
            "ffffffff81000000 T kfree_skb\nffffffff81001000 T next\nffffffffc01f0000 t last\t[veth]\n";
        write(&kallsyms, before).unwrap();
        write(&modules, "veth 4096 0 - Live 0x0\n").unwrap();
        let (symbols, source) = Source::read(File::open(&kallsyms).unwrap(), modules.clone()).unwrap();
        let mut symbols = Symbols::new(symbols, Some(source));
        assert_eq!(symbols.text(0xffff_ffff_8100_0010), Some("kfree_skb+0x10"));
        let after = "ffffffffc0200000 t nft_do_chain\t[nf_tables]\nffffffffc0201000 t end\t[nf_tables]\n";
        write(&kallsyms, format!("{before}{after}")).unwrap();
        write(&modules, "nf_tables 8192 0 - Live 0x0\nveth 4096 0 - Live 0x0\n").unwrap();
        assert_eq!(symbols.text(0xffff_ffff_c020_0020), Some("nft_do_chain+0x20 [nf_tables]"));
        assert_eq!(symbols.readings, 1);
        assert_eq!(symbols.text(0xffff_ffff_c01f_0020), Some("last+0x20 [veth]"));
        assert_eq!(symbols.readings, 1, "nothing changed since");
        assert_eq!(symbols.unnamed(), 0);
        for address in [1, 2, 1] {
            assert_eq!(symbols.text(address), None);
        }
        assert_eq!(symbols.text(0), None);
        assert_eq!(symbols.unnamed(), 2, "each once");
    }
}
