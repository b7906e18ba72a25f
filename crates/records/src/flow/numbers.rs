//! What the kernel counted of one flow: exact integers, nothing derived.

use std::net::IpAddr;

/// A flow, or one segment of it: forward is from the initiator to the responder.
///
/// Times are nanoseconds of the clock that stamped the packets: the kernel's monotonic one, or the capture's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowNumbers {
    /// The initiator.
    pub src_ip: IpAddr,
    /// The responder.
    pub dst_ip: IpAddr,
    /// Ports or what stands for them.
    pub ports: Ports,
    /// Outer VLAN id; none without a tag.
    pub vlan: Option<u16>,
    /// IP protocol number after extension headers.
    pub protocol: u8,
    /// Index of the interface.
    pub ifindex: u32,
    /// First packet of the segment.
    pub start_ns: u64,
    /// Last packet of the segment.
    pub last_ns: u64,
    /// Cuts by the active timeout before this segment.
    pub segment: u32,
    /// Packets whose time was before the one before: their gap counts as 0.
    pub late_packets: u32,
    /// Whether a handshake said who began, rather than the order of packets.
    pub initiator_known: bool,
    /// Hooks that contributed: 1 XDP, 2 TC ingress, 4 TC egress.
    pub hooks: u8,
    /// Why the record was written: IPFIX flowEndReason, 0 while the flow goes on.
    pub end_reason: u8,
    /// Forward and backward.
    pub sides: [Side; 2],
    /// From level `stats` on.
    pub stats: Option<Stats>,
    /// From level `full` on.
    pub full: Option<Full>,
}

/// What tells the flows of one protocol between two addresses apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ports {
    /// Neither: a protocol without ports, or fragments after the first.
    #[default]
    None,
    /// Of the initiator and of the responder.
    Ports(u16, u16),
    /// Type and code of the initiator's ICMP or ICMPv6 message.
    Icmp(u8, u8),
}

/// One direction, at every level. Without packets all else in it means nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// First packet of this direction.
    pub first_ns: u64,
    /// Last packet of this direction.
    pub last_ns: u64,
    /// As on the wire: segments of a super-packet count each.
    pub packets: u64,
    /// Bytes of the frames.
    pub frame_bytes: u64,
    /// Bytes from the IP header on, padding of the frame not among them.
    pub ip_bytes: u64,
    /// Bytes after the transport header.
    pub payload_bytes: u64,
    /// Bytes of transport headers.
    pub transport_header_bytes: u64,
    /// Packets with payload.
    pub data_packets: u64,
    /// Packets with FIN, SYN, RST, PSH, ACK, URG, ECE, CWR.
    pub flags: [u32; 8],
    /// All TCP flags together, 12 bits.
    pub tcp_flags: u16,
    /// Window of the first TCP packet, unscaled; none where no TCP header was seen.
    pub init_window: Option<u16>,
    /// Whether a SYN was seen, be it in an earlier segment.
    pub syn: bool,
    /// TTL or hop limit of the first packet.
    pub first_ttl: u8,
    /// The smallest.
    pub min_ttl: u8,
    /// The largest.
    pub max_ttl: u8,
    /// Traffic class of the first packet.
    pub first_tos: u8,
    /// All traffic classes together, by or.
    pub tos: u8,
    /// Packets that were fragments.
    pub fragments: u32,
}

/// What is said of numbers whose count and sum are known elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// Sum of their squares.
    pub squares: u64,
    /// The smallest.
    pub min: u32,
    /// The largest.
    pub max: u32,
}

/// And where count and sum are not known elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub sum_us: u64,
    /// The rest.
    pub us: Spread,
}

/// What level `stats` adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Forward and backward.
    pub sides: [SideStats; 2],
    /// Of both together.
    pub shared: Shared,
}

/// One direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SideStats {
    /// Of bytes from the IP header on.
    pub ip_length: Spread,
    /// Of bytes after the transport header.
    pub payload_length: Spread,
    /// Of gaps to the packet before of this direction.
    pub gap_us: Spread,
    /// Payload of retransmitted packets.
    pub retransmitted_bytes: u64,
    /// Packets with payload, all of it seen before.
    pub retransmitted_packets: u32,
    /// Packets with a window of 0.
    pub zero_windows: u32,
    /// The smallest window, unscaled.
    pub min_window: u16,
    /// The largest window, unscaled.
    pub max_window: u16,
    /// Maximum segment size in the SYN; none where it has none.
    pub syn_mss: Option<u16>,
    /// Window scale in the SYN; none where it has none.
    pub syn_scale: Option<u8>,
    /// The shortest transport header; `u8::MAX` where none was seen.
    pub min_transport_header: u8,
    /// Packets of all bulks.
    pub bulk_packets: u64,
    /// Payload of all bulks.
    pub bulk_bytes: u64,
    /// Time of all bulks.
    pub bulk_us: u64,
    /// Bulks: four and more packets with payload, no gap over a second, none from the other side between.
    pub bulks: u32,
}

/// Both directions together. A moment is none where it was not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shared {
    /// Of gaps to the packet before of either direction.
    pub gap_us: Spread,
    /// Periods of activity that ended within the segment.
    pub active: Spans,
    /// Gaps between periods of activity.
    pub idle: Spans,
    /// Beginning of the period of activity that the segment ended in, in microseconds of the packets' clock.
    pub active_since_us: u64,
    /// The SYN.
    pub syn_ns: Option<u64>,
    /// The SYN+ACK.
    pub syn_ack_ns: Option<u64>,
    /// The ACK that ends the handshake.
    pub ack_ns: Option<u64>,
    /// First payload forward.
    pub first_data_fwd_ns: Option<u64>,
    /// First payload backward.
    pub first_data_bwd_ns: Option<u64>,
    /// Gaps over a second.
    pub subflow_gaps: u32,
    /// What happened in order: Zeek's letters, upper case forward; zero where there are no more.
    pub history: [u8; 16],
}

/// What level `full` adds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Full {
    /// Forward and backward.
    pub sides: [SideFull; 2],
    /// The first packets of either direction, in order.
    pub firsts: Vec<First>,
}

/// One direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SideFull {
    /// Packets by payload: bin k has less than 16 << k bytes, the last the rest.
    pub payload_bins: [u32; 8],
    /// Gaps: bin k is [4^k, 4^(k+1)) microseconds, the first from 0, the last to the end.
    pub gap_bins: [u32; 16],
}

/// One of the first packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct First {
    /// When.
    pub at_ns: u64,
    /// Bytes from the IP header on.
    pub ip_length: u32,
    /// Bytes after the transport header.
    pub payload_length: u32,
    /// TCP flags, 12 bits.
    pub tcp_flags: u16,
    /// From the responder.
    pub backward: bool,
}

impl Default for FlowNumbers {
    fn default() -> Self {
        let nowhere = IpAddr::from([0, 0, 0, 0]);
        Self {
            src_ip: nowhere,
            dst_ip: nowhere,
            ports: Ports::None,
            vlan: None,
            protocol: 0,
            ifindex: 0,
            start_ns: 0,
            last_ns: 0,
            segment: 0,
            late_packets: 0,
            initiator_known: false,
            hooks: 0,
            end_reason: 0,
            sides: Default::default(),
            stats: None,
            full: None,
        }
    }
}
