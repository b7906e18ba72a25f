//! Names of interfaces of which a packet has the index only: those it came in by.
//!
//! Other namespaces can be looked into only while we have the privileges to enter them, so their interfaces are listed
//! at the start; what appears later is learned from packets that carry name and index.

use crate::plan::netns::Surveyed;
use std::collections::HashMap;

/// Interfaces that are remembered.
const MOST: usize = 16_384;

/// The cookie of a namespace and an index in it.
type Place = (u64, u32);

/// Names by namespace and index.
#[derive(Default)]
pub struct Interfaces {
    names: HashMap<Place, Box<str>>,
    /// The place that was learned last: packets come in trains.
    last: Option<Place>,
}

impl Interfaces {
    /// Those of namespaces that could be entered.
    pub fn of(namespaces: &[Surveyed]) -> Self {
        let mut interfaces = Self::default();
        for netns in namespaces {
            for interface in &netns.interfaces {
                interfaces.learn((netns.cookie.unwrap_or(0), interface.index), &interface.name);
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
    use crate::plan::netns::Netns;

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
        let own = Netns::own().unwrap().cookie();
        assert_eq!(Interfaces::of(&Netns::survey()).name(own, Some(1), None), Some("lo"));
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
