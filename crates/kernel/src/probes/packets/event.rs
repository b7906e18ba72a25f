//! One packet, decoded from the ring: total on any bytes.

use crate::flow::Flow;
use crate::hook::Direction;
use crate::wire::{self, WrongSize, packet_event, packets_hook, packets_known};

/// A packet at a hook; `None` is unknown or not applicable.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    raw: packet_event,
}

/// Which part of a datagram a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// The one that has the transport header.
    First,
    /// Another one.
    Later,
}

/// What is of TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// 12 bits, from FIN up.
    pub flags: u16,
    /// Unscaled.
    pub window: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number.
    pub ack: u32,
}

const ICMP: u8 = 1;
const TCP: u8 = 6;
const ICMPV6: u8 = 58;

impl Event {
    /// Reads a record of the ring.
    pub fn decode(bytes: &[u8]) -> Result<Self, WrongSize> {
        Ok(Self { raw: wire::read(bytes)? })
    }

    fn knows(&self, what: packets_known) -> bool {
        u32::from(self.raw.known) & what.0 != 0
    }

    /// CLOCK_MONOTONIC, or the capture's own time, in nanoseconds.
    pub fn monotonic_ns(&self) -> u64 {
        self.raw.time_ns
    }

    fn is_at(&self, hook: packets_hook) -> bool {
        u32::from(self.raw.hook) == hook.0
    }

    /// It was read from a capture: where it was is not known.
    fn is_captured(&self) -> bool {
        self.is_at(packets_hook::PACKETS_CAPTURE)
    }

    /// Index of the interface in its namespace; `None` in a capture.
    pub fn ifindex(&self) -> Option<u32> {
        (!self.is_captured()).then_some(self.raw.ifindex)
    }

    /// Which way it goes; `None` in a capture.
    pub fn direction(&self) -> Option<Direction> {
        let way =
            if self.is_at(packets_hook::PACKETS_EGRESS) { Direction::Egress } else { Direction::Ingress };
        (!self.is_captured()).then_some(way)
    }

    /// Addresses, ports and protocol.
    pub fn flow(&self) -> Flow {
        Flow::of(&self.raw.flow)
    }

    /// 4 or 6.
    pub fn ip_version(&self) -> u8 {
        self.raw.flow.version
    }

    /// IP protocol after extension headers.
    pub fn protocol(&self) -> u8 {
        self.raw.flow.protocol
    }

    /// Outer VLAN id.
    pub fn vlan(&self) -> Option<u16> {
        self.knows(packets_known::PACKETS_HAS_VLAN).then_some(self.raw.vlan)
    }

    /// Length of the frame; of a super-packet that of the whole.
    pub fn frame_length(&self) -> u32 {
        self.raw.frame_length
    }

    /// Length from the IP header on.
    pub fn ip_length(&self) -> u32 {
        self.raw.ip_length
    }

    /// Length behind the headers.
    pub fn payload(&self) -> u32 {
        self.raw.payload
    }

    /// Length of the IP header with options or extension headers.
    pub fn network_header(&self) -> u16 {
        self.raw.network_header
    }

    /// Length of the transport header.
    pub fn transport_header(&self) -> Option<u8> {
        self.knows(packets_known::PACKETS_HAS_TRANSPORT).then_some(self.raw.transport_header)
    }

    /// What is of TCP.
    pub fn tcp(&self) -> Option<Tcp> {
        let known = self.protocol() == TCP && self.transport_header().is_some();
        let packet_event { tcp_flags: flags, window, sequence, ack, .. } = self.raw;
        known.then_some(Tcp { flags, window, sequence, ack })
    }

    /// Type and code of ICMP or ICMPv6.
    pub fn icmp(&self) -> Option<(u8, u8)> {
        let known = matches!(self.protocol(), ICMP | ICMPV6) && self.transport_header().is_some();
        known.then_some((self.raw.icmp_type, self.raw.icmp_code))
    }

    /// Identifier of an ICMP or ICMPv6 echo.
    pub fn icmp_id(&self) -> Option<u16> {
        let (kind, _) = self.icmp()?;
        let echo = if self.protocol() == ICMP { matches!(kind, 0 | 8) } else { matches!(kind, 128 | 129) };
        echo.then_some(self.raw.icmp_id)
    }

    /// Identification of the IPv4 header or of the IPv6 fragment header.
    pub fn ip_id(&self) -> Option<u32> {
        self.knows(packets_known::PACKETS_HAS_ID).then_some(self.raw.ip_id)
    }

    /// TTL or hop limit.
    pub fn ttl(&self) -> u8 {
        self.raw.ttl
    }

    /// The byte of DSCP and ECN.
    pub fn tos(&self) -> u8 {
        self.raw.tos
    }

    /// Which fragment it is; `None` of a whole packet.
    pub fn fragment(&self) -> Option<Fragment> {
        if self.knows(packets_known::PACKETS_LATER_FRAGMENT) {
            Some(Fragment::Later)
        } else {
            self.knows(packets_known::PACKETS_FIRST_FRAGMENT).then_some(Fragment::First)
        }
    }

    /// Whether a header is not whole.
    pub fn truncated(&self) -> bool {
        self.knows(packets_known::PACKETS_TRUNCATED)
    }

    /// Packets that it is on the wire.
    pub fn segments(&self) -> u32 {
        self.raw.segments
    }

    /// Receive queue; `None` at TC and in a capture.
    pub fn rx_queue(&self) -> Option<u32> {
        self.is_at(packets_hook::PACKETS_XDP).then_some(self.raw.rx_queue)
    }

    /// CPU of the hook; `None` in a capture.
    pub fn cpu(&self) -> Option<u32> {
        (!self.is_captured()).then_some(self.raw.cpu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(protocol: u8, known: u32, fill: impl FnOnce(&mut packet_event)) -> Event {
        let mut raw = packet_event { known: known as u8, ..packet_event::default() };
        (raw.flow.protocol, raw.flow.version) = (protocol, 4);
        fill(&mut raw);
        Event { raw }
    }

    #[test]
    fn what_a_packet_has_not_is_unknown() {
        let whole = packets_known::PACKETS_HAS_TRANSPORT.0;
        let syn = event(TCP, whole, |raw| raw.tcp_flags = 2);
        assert_eq!((syn.tcp().map(|tcp| tcp.flags), syn.icmp(), syn.vlan()), (Some(2), None, None));
        assert_eq!(event(TCP, 0, |_| {}).tcp(), None);
        let echo = event(ICMP, whole, |raw| (raw.icmp_type, raw.icmp_id) = (8, 7));
        assert_eq!((echo.icmp(), echo.icmp_id()), (Some((8, 0)), Some(7)));
        assert_eq!(event(ICMP, whole, |raw| raw.icmp_type = 3).icmp_id(), None);
        assert_eq!(event(17, whole, |raw| raw.hook = 1).rx_queue(), Some(0));
        let captured = event(17, whole, |raw| raw.hook = 4);
        assert_eq!((captured.direction(), captured.ifindex(), captured.rx_queue()), (None, None, None));
    }

    proptest! {
        #[test]
        fn decoding_is_total(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Event::decode(&bytes).is_ok(), bytes.len() == size_of::<packet_event>());
        }
    }
}
