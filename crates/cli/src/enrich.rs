//! From the kernel's numbers to names, cached so that a stream of events allocates nothing.

pub mod interfaces;
pub mod netns;
pub mod packet;
pub mod reasons;
pub mod symbols;

use crate::clock::Moment;
use interfaces::Interfaces;
use netns::{NetnsId, NetnsNames};
use nix::net::if_::if_indextoname;
use packet::Families;
use plumb_kernel::probes::drops::{Event, Group};
use plumb_kernel::support;
use plumb_records::column::Time;
use plumb_records::drop::{Drop, DropGroup};
use reasons::ReasonNames;
use std::collections::{BTreeSet, HashSet};
use symbols::Symbols;

/// Everything that names something.
pub struct Names {
    /// Addresses of code.
    pub locations: Symbols,
    /// Drop reasons.
    pub reasons: ReasonNames,
    /// Network namespaces.
    pub netns: NetnsNames,
    /// Interfaces that a packet came in by.
    pub interfaces: Interfaces,
    /// Protocol families.
    pub families: Families,
    /// Realtime less monotonic, in nanoseconds.
    pub clock_offset: i64,
    /// Where packets of their own records were: cookie of the namespace and interface, 0 for none.
    pub places: Places,
}

impl Names {
    /// The record of one dropped packet, without its stack.
    pub fn drop<'a>(&'a mut self, event: &'a Event<'a>) -> Drop<'a> {
        let Self { locations, reasons, netns, interfaces, families, clock_offset, places } = self;
        places.add((event.netns_cookie().unwrap_or(0), event.ifindex().unwrap_or(0)));
        let at = Moment(event.monotonic_ns());
        let reason = reasons.name(event.reason());
        let (flow, inner, socket) = (event.flow(), event.inner(), event.socket());
        let (tunnel, inner) = inner.map_or((None, None), |(tunnel, inner)| (Some(tunnel), Some(inner)));
        Drop {
            time: at.time(*clock_offset),
            reason: Some(reason.name),
            reason_id: event.reason(),
            subsystem: reason.subsystem,
            location: locations.text(event.location()),
            interface: interfaces.name(event.netns_cookie(), event.ifindex(), event.interface()),
            ifindex: event.ifindex(),
            netns: event.netns(),
            netns_cookie: event.netns_cookie(),
            netns_name: netns.name(id(event.netns(), event.netns_cookie()), at, at),
            src_ip: flow.src,
            dst_ip: flow.dst,
            src_port: flow.src_port,
            dst_port: flow.dst_port,
            protocol: flow.protocol,
            family: families.name(event.ethertype(), event.socket_family()),
            length_bytes: event.length(),
            vlan: event.vlan(),
            tcp_flags: event.tcp_flags().map(packet::tcp_flags),
            tunnel,
            inner_src_ip: inner.and_then(|flow| flow.src),
            inner_dst_ip: inner.and_then(|flow| flow.dst),
            inner_src_port: inner.and_then(|flow| flow.src_port),
            inner_dst_port: inner.and_then(|flow| flow.dst_port),
            inner_protocol: inner.and_then(|flow| flow.protocol),
            rx_queue: event.rx_queue(),
            cpu: event.cpu(),
            pid: Some(event.pid()),
            comm: Some(event.comm()),
            in_softirq: event.in_softirq(),
            uid: socket.map(|(uid, _)| uid),
            cgroup: socket.map(|(_, cgroup)| cgroup),
            stack: None,
        }
    }

    /// The record of a group, without its times and its stack. Columns that --by did not ask for are not shown, so
    /// what they hold does not matter.
    pub fn group<'a>(&'a mut self, group: &'a Group, now: Moment) -> DropGroup<'a> {
        let Self { locations, reasons, netns, interfaces, families, .. } = self;
        let reason = reasons.name(group.reason());
        let (flow, socket) = (group.flow(), group.socket());
        DropGroup {
            reason: Some(reason.name),
            reason_id: Some(group.reason()),
            subsystem: reason.subsystem,
            location: locations.text(group.location()),
            interface: interfaces.name(group.netns_cookie(), group.ifindex(), group.interface()),
            ifindex: group.ifindex(),
            netns: group.netns(),
            netns_cookie: group.netns_cookie(),
            netns_name: netns.name(id(group.netns(), group.netns_cookie()), Moment(group.first_ns()), now),
            packets: group.packets,
            bytes: group.bytes,
            src_ip: flow.src,
            dst_ip: flow.dst,
            src_port: flow.src_port,
            dst_port: flow.dst_port,
            protocol: flow.protocol,
            pid: Some(group.pid()),
            comm: Some(group.comm()),
            in_softirq: group.in_softirq(),
            uid: socket.map(|(uid, _)| uid),
            cgroup: socket.map(|(_, cgroup)| cgroup),
            cpu: group.cpu(),
            family: families.name(group.ethertype(), group.socket_family()),
            ..DropGroup::default()
        }
    }

    /// A stack as texts, innermost first, from `location` on: what is within is the free itself, and ourselves. An
    /// address without a symbol stays a number.
    pub fn stack(&mut self, location: u64, addresses: &[u64]) -> Vec<String> {
        let start = addresses.iter().position(|address| *address == location).unwrap_or(0);
        let text = |address: &u64| {
            self.locations.text(*address).map_or_else(|| format!("{address:#x}"), str::to_owned)
        };
        addresses.iter().skip(start).map(text).collect()
    }

    /// Namespaces, by their cookies, and interfaces among `places` that are gone meanwhile, as far as we can see from where we are.
    pub fn gone<'a>(&self, places: impl Iterator<Item = (u64, u32, Option<&'a str>)>) -> BTreeSet<String> {
        let own = support::netns_cookie().unwrap_or(0);
        let gone = places.filter_map(|(netns, index, name)| {
            if netns != own {
                return self.netns.removed(netns).map(|name| format!("namespace {name}"));
            }
            // nix (0.31) takes libc's null for an empty name.
            let there = index == 0 || if_indextoname(index).is_ok_and(|name| !name.is_empty());
            let name = name.or_else(|| self.interfaces.known(netns, index));
            (!there).then(|| format!("interface {}", name.map_or_else(|| index.to_string(), str::to_owned)))
        });
        gone.collect()
    }

    /// Where packets of their own records were, for [`Names::gone`].
    pub fn places(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        self.places.seen.iter().copied()
    }

    /// When a moment was, in the world's time.
    pub fn time(&self, moment: Moment) -> Time {
        moment.time(self.clock_offset)
    }
}

fn id(inode: Option<u64>, cookie: Option<u64>) -> Option<NetnsId> {
    let (inode, cookie) = inode.zip(cookie)?;
    Some(NetnsId { inode, cookie })
}

/// Places that are remembered.
const PLACES: usize = 16_384;

/// Places that were met: a bounded set.
#[derive(Default)]
pub struct Places {
    seen: HashSet<(u64, u32)>,
    /// Packets come in trains.
    last: (u64, u32),
}

impl Places {
    fn add(&mut self, place: (u64, u32)) {
        if self.last != place && (self.seen.len() < PLACES || self.seen.contains(&place)) {
            self.seen.insert(place);
            self.last = place;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumb_kernel::wire::drop_event;
    use plumb_records::drop::DropRow;
    use plumb_records::enrich::{Kallsyms, Reasons};
    use plumb_sinks::Encode as _;
    use plumb_sinks::json::Json;
    use stats_alloc::{INSTRUMENTED_SYSTEM, Region};

    fn names() -> Names {
        let symbols = b"ffffffff81000000 T kfree_skb\nffffffff81001000 T next\n";
        Names {
            locations: Symbols::new(Kallsyms::read(symbols.as_slice()).unwrap(), None),
            reasons: reasons::ReasonNames::new(Reasons::default()),
            netns: NetnsNames::of(&[]),
            interfaces: Interfaces::default(),
            families: Families::default(),
            clock_offset: 0,
            places: Places::default(),
        }
    }

    /// The bytes of an event as the ring hands them over; the fields that matter here are at the start.
    fn bytes() -> Vec<u8> {
        let mut bytes = vec![0; size_of::<drop_event>()];
        bytes[8..16].copy_from_slice(&0xffff_ffff_8100_0010_u64.to_ne_bytes());
        bytes
    }

    /// Other tests allocate meanwhile, so of many tries the quietest one counts.
    #[test]
    fn an_event_becomes_a_line_without_allocating() {
        let (mut names, bytes, mut line) = (names(), bytes(), Vec::with_capacity(4096));
        let mut encoder = Json::default();
        let mut write = |line: &mut Vec<u8>| {
            line.clear();
            let event = Event::decode(&bytes, 0).unwrap();
            encoder.encode(&DropRow { drop: names.drop(&event), captured: event.captured() }, line);
        };
        write(&mut line);
        assert!(String::from_utf8_lossy(&line).contains("\"location\":\"kfree_skb+0x10\""));
        let quietest = (0..200).map(|_| {
            let region = Region::new(&INSTRUMENTED_SYSTEM);
            (0..20).for_each(|_| write(&mut line));
            region.change().allocations
        });
        assert_eq!(quietest.min(), Some(0));
    }
}
