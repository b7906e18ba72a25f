//! Features of flows, computed in user space: what programs did before the kernel could.
//!
//! The numbers are those of `plumb flows` (`plumb_records::flow`): volumes, flags, lengths, gaps between packets, windows,
//! hop limits and activity, per direction. Bulks, retransmissions, handshakes and histories are left out, so that this is
//! less work than the kernel does.

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use plumb_records::flow::{Shared, Side, SideStats, Spans, Spread};
use rustc_hash::FxHashMap;

/// The port that the bench's packets go to: discard (RFC 863). Others are no part of it.
pub const PORT: u16 = 9;
/// A longer gap ends a period of activity.
const ACTIVE_GAP_US: u64 = 5_000_000;
/// A longer gap begins a subflow.
const SUBFLOW_GAP_US: u64 = 1_000_000;

/// Both directions of a conversation have one key: the endpoint that compares lower first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Address and port of either end; IPv4 as its 32 bits.
    pub ends: [(u128, u16); 2],
    /// Protocol number.
    pub protocol: u8,
    /// 4 or 6.
    pub version: u8,
}

/// A flow.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// The initiator is the key's second end.
    pub reversed: bool,
    /// Forward and backward.
    pub sides: [Side; 2],
    /// Their lengths, gaps and windows.
    pub stats: [SideStats; 2],
    /// Of both together.
    pub shared: Shared,
    last_us: u64,
    side_last_us: [u64; 2],
}

/// Sums over packets, which are the same however they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packets.
    pub packets: u64,
    /// Bytes of frames.
    pub frame_bytes: u64,
    /// Bytes from the IP header on.
    pub ip_bytes: u64,
    /// Bytes after the transport header.
    pub payload_bytes: u64,
    /// Sum of the squares of bytes from the IP header on.
    pub ip_squares: u64,
}

/// The table of flows.
#[derive(Debug, Default)]
pub struct Features {
    flows: FxHashMap<Key, Entry>,
}

/// What a packet's headers say.
struct Headers {
    key: Key,
    /// It comes from the key's second end.
    reversed: bool,
    frame: u64,
    ip: u64,
    payload: u64,
    transport_header: u64,
    ttl: u8,
    tos: u8,
    fragment: bool,
    tcp: Option<(u16, u16)>,
}

impl Features {
    /// Adds a frame, which came at this time.
    pub fn frame(&mut self, frame: &[u8], time_ns: u64) {
        if let Some(headers) = headers(frame) {
            self.add(&headers, time_ns);
        }
    }

    fn add(&mut self, packet: &Headers, now_ns: u64) {
        let entry = self.flows.entry(packet.key).or_insert_with(|| Entry::begin(packet, now_ns));
        let backward = usize::from(entry.reversed != packet.reversed);
        entry.gaps(backward, now_ns / 1000);
        let (side, stats) = (&mut entry.sides[backward], &mut entry.stats[backward]);
        if side.packets == 0 {
            side.first_ns = now_ns;
            (side.first_ttl, side.min_ttl, side.max_ttl) = (packet.ttl, packet.ttl, packet.ttl);
            side.first_tos = packet.tos;
        }
        side.last_ns = side.last_ns.max(now_ns);
        side.packets += 1;
        side.frame_bytes += packet.frame;
        side.ip_bytes += packet.ip;
        side.payload_bytes += packet.payload;
        side.transport_header_bytes += packet.transport_header;
        side.data_packets += u64::from(packet.payload > 0);
        side.min_ttl = side.min_ttl.min(packet.ttl);
        side.max_ttl = side.max_ttl.max(packet.ttl);
        side.tos |= packet.tos;
        side.fragments += u32::from(packet.fragment);
        add(&mut stats.ip_length, packet.ip);
        add(&mut stats.payload_length, packet.payload);
        if let Some((flags, window)) = packet.tcp {
            tcp(side, stats, flags, window);
        }
    }

    /// Sums over the bench's packets.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for (side, stats) in self.offered().flat_map(|entry| entry.sides.iter().zip(&entry.stats)) {
            totals.packets += side.packets;
            totals.frame_bytes += side.frame_bytes;
            totals.ip_bytes += side.ip_bytes;
            totals.payload_bytes += side.payload_bytes;
            totals.ip_squares += stats.ip_length.squares;
        }
        totals
    }

    /// Flows of the bench's packets.
    pub fn flows(&self) -> u64 {
        self.offered().count() as u64
    }

    /// Flows with their keys, in no order.
    pub fn entries(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.flows.iter()
    }

    fn offered(&self) -> impl Iterator<Item = &Entry> {
        self.flows
            .iter()
            .filter(|(key, _)| key.ends.iter().any(|(_, port)| *port == PORT))
            .map(|(_, entry)| entry)
    }
}

impl Entry {
    fn begin(packet: &Headers, now_ns: u64) -> Self {
        let none = Spread { squares: 0, min: u32::MAX, max: 0 };
        let stats = SideStats {
            ip_length: none,
            payload_length: none,
            gap_us: none,
            min_window: u16::MAX,
            min_transport_header: u8::MAX,
            ..SideStats::default()
        };
        let spans = Spans { us: none, ..Spans::default() };
        let shared = Shared {
            gap_us: none,
            active: spans,
            idle: spans,
            active_since_us: now_ns / 1000,
            ..Shared::default()
        };
        Self { reversed: packet.reversed, stats: [stats; 2], shared, ..Self::default() }
    }

    /// Gaps to the packets before: in this direction, and in either.
    fn gaps(&mut self, backward: usize, now_us: u64) {
        if self.sides[backward].packets > 0 {
            add(&mut self.stats[backward].gap_us, now_us.saturating_sub(self.side_last_us[backward]));
        }
        if self.sides.iter().any(|side| side.packets > 0) {
            let gap = now_us.saturating_sub(self.last_us);
            add(&mut self.shared.gap_us, gap);
            self.shared.subflow_gaps += u32::from(gap > SUBFLOW_GAP_US);
            if gap > ACTIVE_GAP_US {
                span(&mut self.shared.active, self.last_us - self.shared.active_since_us);
                span(&mut self.shared.idle, gap);
                self.shared.active_since_us = now_us;
            }
        }
        self.side_last_us[backward] = self.side_last_us[backward].max(now_us);
        self.last_us = self.last_us.max(now_us);
    }
}

fn add(spread: &mut Spread, value: u64) {
    spread.squares = spread.squares.wrapping_add(value.wrapping_mul(value));
    let value = u32::try_from(value).unwrap_or(u32::MAX);
    spread.min = spread.min.min(value);
    spread.max = spread.max.max(value);
}

fn span(spans: &mut Spans, us: u64) {
    spans.count += 1;
    spans.sum_us += us;
    add(&mut spans.us, us);
}

fn tcp(side: &mut Side, stats: &mut SideStats, flags: u16, window: u16) {
    for (bit, count) in side.flags.iter_mut().enumerate() {
        *count += u32::from(flags >> bit & 1);
    }
    side.tcp_flags |= flags;
    side.syn |= flags & 2 != 0;
    side.init_window.get_or_insert(window);
    stats.min_window = stats.min_window.min(window);
    stats.max_window = stats.max_window.max(window);
    stats.zero_windows += u32::from(window == 0);
}

/// What an IP header says.
struct Network {
    addresses: [u128; 2],
    protocol: u8,
    version: u8,
    ttl: u8,
    tos: u8,
    length: u64,
    header: u64,
    fragment: bool,
}

fn network(net: &NetSlice<'_>) -> Option<Network> {
    match net {
        NetSlice::Ipv4(ip) => {
            let header = ip.header();
            Some(Network {
                addresses: [header.source_addr(), header.destination_addr()].map(|ip| ip.to_bits().into()),
                protocol: ip.payload().ip_number.0,
                version: 4,
                ttl: header.ttl(),
                tos: header.dcp().value() << 2 | header.ecn().value(),
                length: header.total_len().into(),
                header: u64::from(header.ihl()) * 4,
                fragment: header.is_fragmenting_payload(),
            })
        }
        NetSlice::Ipv6(ip) => {
            let header = ip.header();
            Some(Network {
                addresses: [header.source_addr(), header.destination_addr()].map(|ip| ip.to_bits()),
                protocol: ip.payload().ip_number.0,
                version: 6,
                ttl: header.hop_limit(),
                tos: header.traffic_class(),
                length: u64::from(header.payload_length()) + 40,
                header: 40 + ip.extensions().slice().len() as u64,
                fragment: ip.is_payload_fragmented(),
            })
        }
        NetSlice::Arp(_) => None,
    }
}

fn headers(frame: &[u8]) -> Option<Headers> {
    let sliced = SlicedPacket::from_ethernet(frame).ok()?;
    let ip = network(sliced.net.as_ref()?)?;
    let (ports, transport_header, tcp) = match sliced.transport.as_ref() {
        Some(TransportSlice::Udp(udp)) => ([udp.source_port(), udp.destination_port()], 8, None),
        Some(TransportSlice::Tcp(tcp)) => {
            // The 12 bits from FIN up (RFC 9293).
            let flags = u16::from(tcp.slice()[13]) | u16::from(tcp.slice()[12] & 0xf) << 8;
            let length = u64::from(tcp.data_offset()) * 4;
            ([tcp.source_port(), tcp.destination_port()], length, Some((flags, tcp.window_size())))
        }
        _ => ([0, 0], 0, None),
    };
    let (from, to) = ((ip.addresses[0], ports[0]), (ip.addresses[1], ports[1]));
    let reversed = from > to;
    Some(Headers {
        key: Key {
            ends: if reversed { [to, from] } else { [from, to] },
            protocol: ip.protocol,
            version: ip.version,
        },
        reversed,
        frame: frame.len() as u64,
        ip: ip.length,
        payload: ip.length.saturating_sub(ip.header + transport_header),
        transport_header,
        ttl: ip.ttl,
        tos: ip.tos,
        fragment: ip.fragment,
        tcp,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;

    /// A segment of TCP; `back` turns it round.
    fn segment(back: bool, flags: &str, payload: &[u8]) -> Vec<u8> {
        let mut ends = [([10, 0, 0, 1], 40_000), ([10, 0, 0, 2], PORT)];
        if back {
            ends.reverse();
        }
        let [(from, from_port), (to, to_port)] = ends;
        let builder = PacketBuilder::ethernet2([1; 6], [2; 6]).ipv4(from, to, 64);
        let mut tcp = builder.tcp(from_port, to_port, 1, 512);
        for flag in flags.chars() {
            tcp = match flag {
                'S' => tcp.syn(),
                'A' => tcp.ack(1),
                'P' => tcp.psh(),
                _ => tcp.fin(),
            };
        }
        let mut frame = Vec::new();
        tcp.write(&mut frame, payload).unwrap();
        frame
    }

    #[test]
    fn a_conversation_has_two_sides() {
        let mut features = Features::default();
        let talk: [(u64, bool, &str, &[u8]); 5] = [
            (1_000, false, "S", b""),
            (3_000, true, "SA", b""),
            (4_000, false, "A", b""),
            (9_000, false, "PA", b"0123456789"),
            (7_000, true, "FA", b""),
        ];
        for (time_us, back, flags, payload) in talk {
            features.frame(&segment(back, flags, payload), time_us * 1000);
        }
        let (key, entry) = features.entries().next().unwrap();
        assert_eq!((features.flows(), key.protocol, key.version), (1, 6, 4));
        let [fwd, bwd] = &entry.sides;
        assert_eq!((fwd.packets, fwd.ip_bytes, fwd.payload_bytes, fwd.data_packets), (3, 130, 10, 1));
        assert_eq!((fwd.flags, bwd.flags), ([0, 1, 0, 1, 2, 0, 0, 0], [1, 1, 0, 0, 2, 0, 0, 0]));
        assert_eq!((fwd.init_window, fwd.first_ttl, bwd.packets), (Some(512), 64, 2));
        let gaps = entry.stats[0].gap_us;
        assert_eq!((gaps.min, gaps.max, gaps.squares), (3_000, 5_000, 34_000_000));
        // The last one's time is before that of the one before: its gap is 0 for both together.
        assert_eq!((entry.shared.gap_us.min, entry.shared.gap_us.max), (0, 5_000));
        assert_eq!(entry.stats[0].ip_length, Spread { squares: 2 * 40 * 40 + 50 * 50, min: 40, max: 50 });
        let totals = features.totals();
        assert_eq!((totals.packets, totals.ip_bytes, totals.payload_bytes), (5, 210, 10));
        assert_eq!(totals.frame_bytes, 210 + 5 * 14);
    }

    #[test]
    fn other_frames_are_no_part_of_it() {
        let mut features = Features::default();
        for length in 0..segment(false, "S", b"").len() {
            features.frame(&segment(false, "S", b"")[..length], 1);
        }
        assert_eq!(features.totals(), Totals::default());
    }
}
