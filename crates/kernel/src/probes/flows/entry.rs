//! An entry of the table, or one that a packet ended, as the kernel wrote it, and the numbers that it holds.

use super::End;
use crate::wire::{
    flows_const, flows_entry, flows_first, flows_key, flows_shared, flows_shown, flows_side,
    flows_side_stats, flows_spans, flows_spread,
};
use bytemuck::Zeroable;
use plumb_records::flow::{
    First, FlowNumbers, Full, Ports, Shared, Side, SideFull, SideStats, Spans, Spread, Stats,
};
use std::mem::offset_of;
use std::net::IpAddr;

/// A flow's entry: as much of it as the level has.
#[derive(Debug)]
pub struct Entry<'a> {
    words: &'a [u64],
}

impl<'a> Entry<'a> {
    /// Looks at whole words; what is not there is zero.
    pub(super) fn of(words: &'a [u64]) -> Self {
        Self { words }
    }

    /// All that has a fixed size.
    pub(super) fn fixed(&self) -> flows_entry {
        let mut entry = flows_entry::zeroed();
        let bytes: &[u8] = bytemuck::cast_slice(self.words);
        let length = bytes.len().min(size_of::<flows_entry>());
        bytemuck::bytes_of_mut(&mut entry)[..length].copy_from_slice(&bytes[..length]);
        entry
    }

    /// Whether it reaches beyond what has this offset.
    fn has(&self, offset: usize) -> bool {
        self.words.len() * 8 > offset
    }

    /// The first packets.
    fn firsts(&self, kept: u16) -> impl Iterator<Item = First> + '_ {
        const WORDS: usize = size_of::<flows_first>() / 8;
        let all = self.words.get(size_of::<flows_entry>() / 8..).unwrap_or_default();
        let first = |words| crate::wire::read::<flows_first>(bytemuck::cast_slice(words)).ok();
        all.chunks_exact(WORDS).take(usize::from(kept)).filter_map(first).map(|first| First {
            at_ns: first.at_ns,
            ip_length: first.ip_length,
            payload_length: first.payload_length,
            tcp_flags: first.tcp_flags,
            backward: first.backward != 0,
        })
    }

    /// The numbers of the flow, which ended for this reason.
    pub fn numbers(&self, end: End) -> FlowNumbers {
        let entry = self.fixed();
        let (src_ip, dst_ip, ports) = ends(&entry);
        let stats = self.has(offset_of!(flows_entry, stats)).then(|| Stats {
            sides: [side_stats(&entry.stats[0]), side_stats(&entry.stats[1])],
            shared: shared(&entry.shared),
        });
        let full = self.has(offset_of!(flows_entry, full)).then(|| Full {
            sides: entry
                .full
                .map(|side| SideFull { payload_bins: side.payload_bins, gap_bins: side.gap_bins }),
            firsts: self.firsts(entry.firsts).collect(),
        });
        FlowNumbers {
            src_ip,
            dst_ip,
            ports,
            vlan: Some(entry.key.vlan).filter(|vlan| u32::from(*vlan) != flows_const::FLOWS_NO_VLAN.0),
            protocol: entry.key.protocol,
            ifindex: entry.key.ifindex,
            start_ns: entry.start_ns,
            last_ns: entry.last_ns,
            segment: entry.segment,
            late_packets: entry.late,
            initiator_known: entry.initiator_known != 0,
            hooks: entry.hooks,
            end_reason: end as u8,
            sides: [side(&entry.sides[0]), side(&entry.sides[1])],
            stats,
            full,
        }
    }
}

/// The initiator, the responder, and what tells their flows apart.
fn ends(entry: &flows_entry) -> (IpAddr, IpAddr, Ports) {
    const ICMP: u32 = 2;
    let flows_key { low, high, low_port, high_port, version, has_ports, .. } = entry.key;
    let address = |bytes: [u8; 16]| match version {
        4 => IpAddr::from([bytes[0], bytes[1], bytes[2], bytes[3]]),
        _ => IpAddr::from(bytes),
    };
    let mut ends = [(address(low), low_port), (address(high), high_port)];
    if entry.initiator_high != 0 {
        ends.reverse();
    }
    let [(src, src_port), (dst, dst_port)] = ends;
    let ports = match has_ports {
        0 => Ports::None,
        ICMP => Ports::Icmp(entry.icmp_type, entry.icmp_code),
        _ => Ports::Ports(src_port, dst_port),
    };
    (src, dst, ports)
}

fn side(side: &flows_side) -> Side {
    let shown = |bit: flows_shown| u32::from(side.shown) & bit.0 != 0;
    Side {
        first_ns: side.first_ns,
        last_ns: side.last_ns,
        packets: side.packets,
        frame_bytes: side.frame_bytes,
        ip_bytes: side.ip_bytes,
        payload_bytes: side.payload_bytes,
        transport_header_bytes: side.transport_header_bytes,
        data_packets: side.data_packets,
        flags: side.flags,
        tcp_flags: side.tcp_flags,
        init_window: shown(flows_shown::FLOWS_SHOWN_WINDOW).then_some(side.init_window),
        syn: shown(flows_shown::FLOWS_SHOWN_SYN),
        first_ttl: side.first_ttl,
        min_ttl: side.min_ttl,
        max_ttl: side.max_ttl,
        first_tos: side.first_tos,
        tos: side.tos,
        fragments: side.fragments,
    }
}

fn spread(spread: &flows_spread) -> Spread {
    Spread { squares: spread.squares, min: spread.min, max: spread.max }
}

fn side_stats(side: &flows_side_stats) -> SideStats {
    SideStats {
        ip_length: spread(&side.ip_length),
        payload_length: spread(&side.payload_length),
        gap_us: spread(&side.gap_us),
        retransmitted_bytes: side.retransmitted_bytes,
        retransmitted_packets: side.retransmitted_packets,
        zero_windows: side.zero_windows,
        min_window: side.min_window,
        max_window: side.max_window,
        syn_mss: Some(side.syn_mss).filter(|mss| *mss != 0),
        syn_scale: Some(side.syn_scale).filter(|scale| *scale != u8::MAX),
        min_transport_header: side.min_transport_header,
        bulk_packets: side.bulk_packets,
        bulk_bytes: side.bulk_bytes,
        bulk_us: side.bulk_us,
        bulks: side.bulks,
    }
}

fn shared(shared: &flows_shared) -> Shared {
    let spans =
        |spans: &flows_spans| Spans { count: spans.count, sum_us: spans.sum_us, us: spread(&spans.us) };
    let seen = |moment: u64| Some(moment).filter(|moment| *moment != 0);
    Shared {
        gap_us: spread(&shared.gap_us),
        active: spans(&shared.active),
        idle: spans(&shared.idle),
        active_since_us: shared.active_since_us,
        syn_ns: seen(shared.syn_ns),
        syn_ack_ns: seen(shared.syn_ack_ns),
        ack_ns: seen(shared.ack_ns),
        first_data_fwd_ns: seen(shared.first_data_fwd_ns),
        first_data_bwd_ns: seen(shared.first_data_bwd_ns),
        subflow_gaps: shared.subflows,
        history: shared.history,
    }
}
