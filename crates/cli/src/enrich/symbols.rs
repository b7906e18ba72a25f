//! Locations by name, also in modules that are loaded during the run.

use plumb_records::enrich::{Kallsyms, Locations};
use std::collections::HashSet;
use std::fs::File;
use std::io::Seek;

/// Readings of the symbols because of unknown addresses: each takes some 50 ms.
const READINGS: usize = 64;

/// Symbols whose file stays open. The kernel decides who may see addresses when it is opened (kallsyms_open in
/// kernel/kallsyms.c), so it can be read again after all capabilities were dropped.
pub struct Symbols {
    locations: Locations,
    file: Option<File>,
    /// Addresses that stayed unknown although the symbols were read again for them.
    unknown: HashSet<u64>,
}

impl Symbols {
    /// `file` is what `symbols` were read from.
    pub fn new(symbols: Kallsyms, file: Option<File>) -> Self {
        Self { locations: Locations::new(symbols), file, unknown: HashSet::new() }
    }

    /// `symbol+0xoffset`, as [`Locations::text`]; an address of no known symbol may belong to a module that was loaded
    /// since the symbols were read.
    pub fn text(&mut self, address: u64) -> Option<&str> {
        if self.locations.text(address).is_none() && self.may_be_new(address) {
            self.read_again();
            if self.locations.text(address).is_none() {
                self.unknown.insert(address);
            }
        }
        self.locations.text(address)
    }

    fn may_be_new(&self, address: u64) -> bool {
        self.file.is_some()
            && !self.locations.symbols().hidden()
            && self.unknown.len() < READINGS
            && !self.unknown.contains(&address)
    }

    fn read_again(&mut self) {
        let Some(file) = &mut self.file else { return };
        if let Ok(symbols) = file.rewind().and_then(|()| Kallsyms::read(&*file)) {
            self.locations = Locations::new(symbols);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Symbols;
    use plumb_records::enrich::Kallsyms;
    use std::io::Write;

    #[test]
    fn a_module_that_comes_later_is_found() {
        let mut file = tempfile::tempfile().unwrap();
        let before = b"ffffffff81000000 T kfree_skb\nffffffff81001000 T next\n";
        file.write_all(before).unwrap();
        let symbols = Kallsyms::read(before.as_slice()).unwrap();
        let mut symbols = Symbols::new(symbols, Some(file.try_clone().unwrap()));
        assert_eq!(symbols.text(0xffff_ffff_8100_0010), Some("kfree_skb+0x10"));
        assert_eq!(symbols.text(0xffff_ffff_c000_0010), None);
        file.write_all(
            b"ffffffffc0200000 t nft_do_chain\t[nf_tables]\nffffffffc0201000 t end\t[nf_tables]\n",
        )
        .unwrap();
        assert_eq!(symbols.text(0xffff_ffff_c020_0020), Some("nft_do_chain+0x20 [nf_tables]"));
        assert_eq!(symbols.text(0xffff_ffff_c000_0010), None, "still nobody's");
    }
}
