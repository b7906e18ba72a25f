//! One dropped packet, decoded from the ring: total on any bytes.

use crate::flow::Flow;
use crate::probes::name::Name;
use crate::wire::{self, WrongSize, drop_event, drops_context, drops_known, tunnel_kind};
use plumb_records::column::Link;

/// A dropped packet: numbers, addresses and bytes; `None` is unknown or not applicable.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    raw: drop_event,
    comm: Name,
    interface: Name,
    stack: &'a [u8],
    captured: &'a [u8],
}

/// Whether the running process is a bystander; `None` where the kernel does not let us know.
pub(super) fn in_softirq(context: u8) -> Option<bool> {
    match drops_context(u32::from(context)) {
        drops_context::DROPS_CONTEXT_INTERRUPT => Some(true),
        drops_context::DROPS_CONTEXT_PROCESS => Some(false),
        _ => None,
    }
}

impl<'a> Event<'a> {
    /// Reads a record of the ring: the fixed part, room for the stack where one was asked for, then captured bytes.
    pub fn decode(bytes: &'a [u8], stack_room: usize) -> Result<Self, WrongSize> {
        let size = size_of::<drop_event>();
        let short = WrongSize { want: size + stack_room, got: bytes.len() };
        let (fixed, tail) = bytes.split_at_checked(size).ok_or(short)?;
        let raw: drop_event = wire::read(fixed)?;
        let (stack, packet) = tail.split_at_checked(stack_room).ok_or(short)?;
        let stack = stack.get(..usize::from(raw.stack_size)).ok_or(short)?;
        let captured = packet.get(..usize::from(raw.captured)).ok_or(short)?;
        let (comm, interface) = (Name::of(&raw.comm), Name::of(&raw.interface));
        Ok(Self { raw, comm, interface, stack, captured })
    }

    fn knows(&self, what: drops_known) -> bool {
        self.raw.known & what.0 != 0
    }

    /// CLOCK_MONOTONIC, in nanoseconds.
    pub fn monotonic_ns(&self) -> u64 {
        self.raw.time_ns
    }

    /// The kernel's number of the reason.
    pub fn reason(&self) -> u32 {
        self.raw.reason
    }

    /// Address of the instruction after the free.
    pub fn location(&self) -> u64 {
        self.raw.location
    }

    /// Index of the device in its namespace.
    pub fn ifindex(&self) -> Option<u32> {
        self.knows(drops_known::DROPS_HAS_IFINDEX).then_some(self.raw.ifindex)
    }

    /// Name of the device; `None` where the packet had only the index of the one it came in by.
    pub fn interface(&self) -> Option<&str> {
        Some(self.interface.text()).filter(|name| !name.is_empty())
    }

    /// Inode of the network namespace.
    pub fn netns(&self) -> Option<u64> {
        self.knows(drops_known::DROPS_HAS_NETNS).then_some(u64::from(self.raw.netns))
    }

    /// Cookie of the network namespace.
    pub fn netns_cookie(&self) -> Option<u64> {
        self.knows(drops_known::DROPS_HAS_NETNS).then_some(self.raw.netns_cookie)
    }

    /// The outermost flow.
    pub fn flow(&self) -> Flow {
        Flow::of(&self.raw.flow)
    }

    /// Kind of tunnel and the flow inside it.
    pub fn inner(&self) -> Option<(&'static str, Flow)> {
        let kind = match tunnel_kind(u32::from(self.raw.tunnel)) {
            tunnel_kind::TUNNEL_VXLAN => "vxlan",
            tunnel_kind::TUNNEL_GENEVE => "geneve",
            tunnel_kind::TUNNEL_GRE => "gre",
            tunnel_kind::TUNNEL_IPIP => "ipip",
            _ => return None,
        };
        Some((kind, Flow::of(&self.raw.inner)))
    }

    /// Ethertype, or 0 where the packet never was a frame.
    pub fn ethertype(&self) -> u16 {
        self.raw.ethertype
    }

    /// Address family of the packet's socket, or 0.
    pub fn socket_family(&self) -> u8 {
        self.raw.socket_family
    }

    /// Length as freed.
    pub fn length(&self) -> u32 {
        self.raw.length
    }

    /// VLAN id.
    pub fn vlan(&self) -> Option<u16> {
        self.knows(drops_known::DROPS_HAS_VLAN).then_some(self.raw.vlan)
    }

    /// The flags byte of the TCP header.
    pub fn tcp_flags(&self) -> Option<u8> {
        self.knows(drops_known::DROPS_HAS_TCP_FLAGS).then_some(self.raw.tcp_flags)
    }

    /// Receive queue that the driver recorded.
    pub fn rx_queue(&self) -> Option<u16> {
        self.raw.rx_queue.checked_sub(1)
    }

    /// CPU.
    pub fn cpu(&self) -> u32 {
        self.raw.cpu
    }

    /// The running process.
    pub fn pid(&self) -> u32 {
        self.raw.pid
    }

    /// Its name.
    pub fn comm(&self) -> &str {
        self.comm.text()
    }

    /// Whether the running process is a bystander.
    pub fn in_softirq(&self) -> Option<bool> {
        in_softirq(self.raw.context)
    }

    /// Owner and cgroup id of the packet's socket.
    pub fn socket(&self) -> Option<(u32, u64)> {
        self.knows(drops_known::DROPS_HAS_SOCKET).then_some((self.raw.uid, self.raw.cgroup))
    }

    /// Return addresses of the kernel stack, innermost first.
    pub fn stack(&self) -> impl Iterator<Item = u64> + '_ {
        self.stack
            .as_chunks::<8>()
            .0
            .iter()
            .map(|word| u64::from_ne_bytes(*word))
            .take_while(|address| *address != 0)
    }

    /// Captured bytes: what they begin with, the bytes, and the packet's length from there.
    pub fn captured(&self) -> Option<(Link, &'a [u8], u32)> {
        let link = if self.knows(drops_known::DROPS_CAPTURED_ETHERNET) { Link::Ethernet } else { Link::Ip };
        (!self.captured.is_empty()).then_some((link, self.captured, self.raw.original))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::name::{NAME, NAME_TEXT};
    use proptest::prelude::*;

    proptest! {
        /// Any bytes give an event, all of whose fields can be asked for, or a typed error.
        #[test]
        fn decoding_is_total(
            bytes in proptest::collection::vec(any::<u8>(), 0..900),
            stack_room in prop_oneof![Just(0_usize), Just(256)],
        ) {
            let Ok(event) = Event::decode(&bytes, stack_room) else { return Ok(()) };
            prop_assert!(bytes.len() >= size_of::<drop_event>() + stack_room);
            prop_assert!(event.stack().count() <= stack_room / 8);
            prop_assert!(event.comm().len() <= NAME_TEXT && event.interface().is_none_or(|name| name.len() <= NAME_TEXT));
            prop_assert!(event.captured().is_none_or(|(_, packet, _)| packet.len() <= bytes.len()));
            let flow = event.flow();
            prop_assert_eq!(flow.src.is_some(), flow.protocol.is_some());
            let _ = (event.inner(), event.socket(), event.vlan(), event.tcp_flags(), event.rx_queue(), event.in_softirq());
        }
    }

    #[test]
    fn names_of_any_bytes() {
        let raw = drop_event { comm: [0xff; NAME], interface: [0xfe; NAME], ..drop_event::default() };
        let event = Event::decode(bytemuck::bytes_of(&raw), 0).expect("whole");
        assert_eq!(event.comm(), "\u{fffd}".repeat(NAME));
        assert_eq!(event.interface(), Some("\u{fffd}".repeat(NAME).as_str()));
    }

    #[test]
    fn a_tail_is_cut_where_the_header_says() {
        let raw = drop_event { captured: 3, stack_size: 8, ..drop_event::default() };
        let mut bytes = bytemuck::bytes_of(&raw).to_vec();
        bytes.extend(7_u64.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend([1, 2, 3, 0, 0, 0, 0, 0]);
        let event = Event::decode(&bytes, 16).expect("whole");
        assert_eq!(event.stack().collect::<Vec<_>>(), [7]);
        assert_eq!(event.captured().map(|(_, packet, _)| packet), Some(&[1, 2, 3][..]));
        assert!(
            Event::decode(&bytes[..bytes.len() - 6], 16).is_err(),
            "three bytes are said and two are there"
        );
    }
}
