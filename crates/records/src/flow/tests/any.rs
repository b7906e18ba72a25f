//! Numbers of every size, whether a kernel could count them or not.

use crate::flow::*;
use proptest::prelude::*;

prop_compose! {
    fn spreads()(squares: u64, min: u32, max: u32) -> Spread {
        Spread { squares, min, max }
    }
}

prop_compose! {
    fn spans()(count: u64, sum_us: u64, us in spreads()) -> Spans {
        Spans { count, sum_us, us }
    }
}

prop_compose! {
    fn sides()(
        numbers: [u64; 8], flags: [u32; 8], bits: (u16, Option<u16>, bool), ttl: [u8; 5], fragments: u32,
    ) -> Side {
        let [first_ns, last_ns, packets, frame_bytes, ip_bytes, payload_bytes, transport_header_bytes, data_packets] =
            numbers;
        let (tcp_flags, init_window, syn) = bits;
        let [first_ttl, min_ttl, max_ttl, first_tos, tos] = ttl;
        Side {
            first_ns, last_ns, packets, frame_bytes, ip_bytes, payload_bytes, transport_header_bytes, data_packets,
            flags, tcp_flags, init_window, syn, first_ttl, min_ttl, max_ttl, first_tos, tos, fragments,
        }
    }
}

prop_compose! {
    fn side_stats()(
        lengths in [spreads(), spreads(), spreads()], long: [u64; 4], short: [u32; 3], windows: [u16; 2],
        syn: (Option<u16>, Option<u8>), min_transport_header: u8,
    ) -> SideStats {
        let [ip_length, payload_length, gap_us] = lengths;
        let [retransmitted_bytes, bulk_packets, bulk_bytes, bulk_us] = long;
        let [retransmitted_packets, zero_windows, bulks] = short;
        SideStats {
            ip_length, payload_length, gap_us, retransmitted_bytes, retransmitted_packets, zero_windows,
            min_window: windows[0], max_window: windows[1], syn_mss: syn.0, syn_scale: syn.1, min_transport_header,
            bulk_packets, bulk_bytes, bulk_us, bulks,
        }
    }
}

prop_compose! {
    fn any_shared()(
        gap_us in spreads(), active in spans(), idle in spans(), active_since_us: u64, at: [Option<u64>; 5],
        subflow_gaps: u32, history: [u8; 16],
    ) -> Shared {
        let [syn_ns, syn_ack_ns, ack_ns, first_data_fwd_ns, first_data_bwd_ns] = at;
        Shared {
            gap_us, active, idle, active_since_us, syn_ns, syn_ack_ns, ack_ns, first_data_fwd_ns, first_data_bwd_ns,
            subflow_gaps, history,
        }
    }
}

prop_compose! {
    fn any_full()(bins: [[u32; 8]; 2], gaps: [[u32; 16]; 2], firsts: Vec<(u64, u32, u32, u16, bool)>) -> Full {
        let side = |index: usize| SideFull { payload_bins: bins[index], gap_bins: gaps[index] };
        let first = |(at_ns, ip_length, payload_length, tcp_flags, backward)| {
            First { at_ns, ip_length, payload_length, tcp_flags, backward }
        };
        Full { sides: [side(0), side(1)], firsts: firsts.into_iter().map(first).collect() }
    }
}

prop_compose! {
    pub(super) fn any_flow()(
        sides in [sides(), sides()], stats in [side_stats(), side_stats()], shared in any_shared(), full in any_full(),
        times: [u64; 2], ports: (u8, u16, u16), protocol: u8, small: [u8; 2], version_6: bool, levels: [bool; 2],
    ) -> FlowNumbers {
        let address = |last: u8| match version_6 {
            true => std::net::Ipv6Addr::from(u128::from(last)).into(),
            false => std::net::Ipv4Addr::from(u32::from(last)).into(),
        };
        FlowNumbers {
            src_ip: address(small[0]), dst_ip: address(small[1]),
            ports: match ports.0 % 3 {
                0 => Ports::None,
                1 => Ports::Ports(ports.1, ports.2),
                _ => Ports::Icmp(ports.1 as u8, ports.2 as u8),
            },
            protocol, start_ns: times[0], last_ns: times[1], end_reason: small[0], hooks: small[1], sides,
            stats: levels[0].then_some(Stats { sides: stats, shared }),
            full: levels[1].then_some(full),
            ..FlowNumbers::default()
        }
    }
}
