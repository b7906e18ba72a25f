//! Locations as text, formatted once: a stream of drops names few addresses, each very often.

use super::Kallsyms;
use rustc_hash::FxHashMap;

/// Symbols with a bounded cache of their texts. A hit costs one hash lookup and no allocation.
#[derive(Debug, Default)]
pub struct Locations {
    symbols: Kallsyms,
    texts: FxHashMap<u64, Option<Box<str>>>,
}

impl Locations {
    /// Texts kept. A kernel has a few thousand calls that free packets; beyond that (damaged addresses) the cache
    /// starts anew.
    pub const CAPACITY: usize = 16_384;

    /// An empty cache over `symbols`.
    pub fn new(symbols: Kallsyms) -> Self {
        Self { symbols, texts: FxHashMap::default() }
    }

    /// The symbols.
    pub const fn symbols(&self) -> &Kallsyms {
        &self.symbols
    }

    /// Whether `address` was asked for before, and is kept.
    pub fn knows(&self, address: u64) -> bool {
        self.texts.contains_key(&address)
    }

    /// `symbol+0xoffset` with ` [module]` where it is in one; `None` where no symbol is near or all are hidden.
    pub fn text(&mut self, address: u64) -> Option<&str> {
        if self.texts.len() >= Self::CAPACITY && !self.texts.contains_key(&address) {
            self.texts.clear();
        }
        let Self { symbols, texts } = self;
        let format = || symbols.lookup(address).map(|symbol| symbol.to_string().into_boxed_str());
        texts.entry(address).or_insert_with(format).as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::{Kallsyms, Locations};

    #[test]
    fn texts_are_kept_and_bounded() {
        let text = "ffffffff81000000 T kfree_skb\nffffffffc0000000 t veth_xmit\t[veth]\n";
        let mut locations = Locations::new(Kallsyms::read(text.as_bytes()).unwrap());
        assert_eq!(locations.text(0xffff_ffff_8100_0010), Some("kfree_skb+0x10"));
        assert_eq!(locations.text(0xffff_ffff_c000_0000), Some("veth_xmit+0x0 [veth]"));
        assert_eq!(locations.text(1), None);
        let one = locations.text(0xffff_ffff_8100_0010).map(str::as_ptr);
        assert_eq!(locations.text(0xffff_ffff_8100_0010).map(str::as_ptr), one, "formatted again");
        for address in 0..3 * Locations::CAPACITY as u64 {
            locations.text(address);
            assert!(locations.texts.len() <= Locations::CAPACITY);
        }
        assert_eq!(locations.text(0xffff_ffff_8100_0010), Some("kfree_skb+0x10"));
    }
}
