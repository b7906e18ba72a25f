//! Names of interfaces of which a packet has the index only: those it came in by.
//!
//! Other namespaces can be looked into only while we have the privileges to enter them, so their interfaces are listed
//! at the start; what appears later is learned from packets that carry name and index.

use crate::plan::netns::Netns;
use std::collections::HashMap;

/// Interfaces that are remembered.
const MOST: usize = 16_384;

/// A namespace and an index in it.
type Place = (u64, u32);

/// Names by namespace and index.
#[derive(Default)]
pub struct Interfaces {
    names: HashMap<Place, Box<str>>,
    /// The place that was learned last: packets come in trains.
    last: Option<Place>,
}

impl Interfaces {
    /// Lists those of our own namespace and, where we may enter them, of the named ones.
    pub fn list() -> Self {
        let mut interfaces = Self::default();
        let named = Netns::named();
        for netns in Netns::own().ok().into_iter().chain(named) {
            // A namespace that cannot be entered only costs names.
            for interface in netns.interfaces().unwrap_or_default() {
                interfaces.learn((netns.inode, interface.index), &interface.name);
            }
        }
        interfaces
    }

    /// The name on the packet, else the one known for its index.
    pub fn name<'a>(
        &'a mut self,
        netns: Option<u64>,
        index: Option<u32>,
        on_packet: Option<&'a str>,
    ) -> Option<&'a str> {
        let place = netns.zip(index);
        match (on_packet, place) {
            (Some(name), Some(place)) => {
                if self.last != Some(place) {
                    self.learn(place, name);
                    self.last = Some(place);
                }
                Some(name)
            }
            (Some(name), None) => Some(name),
            (None, place) => self.names.get(&place?).map(|name| &**name),
        }
    }

    /// The name known for an index.
    pub fn known(&self, netns: u64, index: u32) -> Option<&str> {
        self.names.get(&(netns, index)).map(|name| &**name)
    }

    fn learn(&mut self, place: Place, name: &str) {
        if self.names.get(&place).is_some_and(|known| **known == *name) {
            return;
        }
        if self.names.len() >= MOST {
            self.names.clear();
        }
        self.names.insert(place, name.into());
    }
}

#[cfg(test)]
mod tests {
    use super::{Interfaces, MOST};

    #[test]
    fn an_index_gets_the_name_that_was_seen_with_it() {
        let mut interfaces = Interfaces::default();
        assert_eq!(interfaces.name(Some(1), Some(2), None), None);
        assert_eq!(interfaces.name(Some(1), Some(2), Some("eth0")), Some("eth0"));
        assert_eq!(interfaces.name(Some(1), Some(2), None), Some("eth0"));
        assert_eq!(interfaces.name(Some(3), Some(2), None), None, "another namespace");
        assert_eq!(interfaces.name(Some(1), Some(3), Some("eth1")), Some("eth1"));
        assert_eq!(interfaces.name(Some(1), Some(2), Some("wan0")), Some("wan0"));
        assert_eq!(interfaces.name(Some(1), Some(2), None), Some("wan0"), "it was renamed");
        assert_eq!(interfaces.name(None, None, None), None);
    }

    #[test]
    fn our_own_are_known_from_the_start() {
        let own = crate::plan::netns::Netns::own().unwrap().inode;
        assert_eq!(Interfaces::list().name(Some(own), Some(1), None), Some("lo"));
    }

    #[test]
    fn memory_is_bounded() {
        let mut interfaces = Interfaces::default();
        for index in 0..2 * MOST as u32 {
            interfaces.name(Some(1), Some(index), Some("x"));
            assert!(interfaces.names.len() <= MOST);
        }
    }
}
