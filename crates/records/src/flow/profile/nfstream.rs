//! NFStream's columns with `accounting_mode=1` (lengths from the IP header on) and `statistical_analysis=True`, times in
//! milliseconds: whole ones for moments, minima and maxima, with fractions for means and deviations. What comes from deep
//! inspection, hardware addresses and tunnels is left out.

use super::{real, whole};
use crate::flow::field::{Field, Flow, fields, scopes, table};
use crate::flow::ids;
use crate::flow::moments::Moments;
use crate::flow::numbers::{First, Ports};

const IDENTITY: &[Field] = &fields! { Basic |flow|
    "id" Id "flow_id"
        => ids::flow_id(flow.numbers, flow.epoch(flow.numbers.start_ns));
    "expiration_id" Id "1 by the active timeout, else 0"
        => u8::from(flow.numbers.end_reason == 2);
    "src_ip" Address "src_ip"
        => flow.numbers.src_ip;
    "src_port" Id "src_port, 0 where there is none"
        => match flow.numbers.ports { Ports::Ports(src, _) => src, _ => 0 };
    "dst_ip" Address "dst_ip"
        => flow.numbers.dst_ip;
    "dst_port" Id "dst_port, 0 where there is none"
        => match flow.numbers.ports { Ports::Ports(_, dst) => dst, _ => 0 };
    "protocol" Id "protocol"
        => flow.numbers.protocol;
    "ip_version" Id "ip_version"
        => if flow.numbers.src_ip.is_ipv4() { 4u8 } else { 6 };
    "vlan_id" Id "vlan, 0 without a tag"
        => flow.numbers.vlan.unwrap_or_default();
};

/// Whole milliseconds since the Unix epoch.
fn ms(flow: &Flow<'_>, at_ns: u64) -> u64 {
    flow.epoch(at_ns) / 1_000_000
}

/// First and last packet of one direction, or of all; 0 without packets.
fn ends(flow: &Flow<'_>, direction: Option<usize>) -> (u64, u64) {
    match direction.map(|direction| &flow.numbers.sides[direction]) {
        None => (ms(flow, flow.numbers.start_ns), ms(flow, flow.numbers.last_ns)),
        Some(side) if side.packets > 0 => (ms(flow, side.first_ns), ms(flow, side.last_ns)),
        Some(_) => (0, 0),
    }
}

macro_rules! times {
    ($first:literal, $last:literal, $duration:literal, $direction:expr) => {
        &fields! { Basic |flow|
            $first Count "milliseconds since the Unix epoch of the first packet, 0 without packets"
                => ends(flow, $direction).0;
            $last Count "milliseconds since the Unix epoch of the last packet, 0 without packets"
                => ends(flow, $direction).1;
            $duration Count "milliseconds between both"
                => { let (first, last) = ends(flow, $direction); last.saturating_sub(first) };
        }
    };
}

macro_rules! volume {
    ($prefix:literal, $which:ident) => {
        &scopes! { $prefix $which Basic |scope|
            "packets" Count "packets" => scope.sum(|side| side.packets);
            "bytes" Bytes "ip_bytes" => scope.sum(|side| side.ip_bytes);
        }
    };
}

macro_rules! sizes {
    ($prefix:literal, $which:ident) => {
        &scopes! { $prefix $which Stats |scope|
            "min_ps" Bytes "ip_len_min, 0 without packets" => whole(scope.ip_lengths(), Moments::min);
            "mean_ps" Real "ip_len_mean, 0 without packets" => real(scope.ip_lengths(), Moments::mean);
            "stddev_ps" Real "ip_len_std, 0 of fewer than two packets" => real(scope.ip_lengths(), Moments::deviation);
            "max_ps" Bytes "ip_len_max, 0 without packets" => whole(scope.ip_lengths(), Moments::max);
        }
    };
}

macro_rules! gaps {
    ($prefix:literal, $which:ident) => {
        &scopes! { $prefix $which Stats |scope|
            "min_piat_ms" Count "iat_min_us in whole milliseconds, 0 without gaps"
                => whole(scope.gaps_us(), Moments::min).map(|us| us / 1000);
            "mean_piat_ms" Real "iat_mean_us in milliseconds, 0 without gaps"
                => real(scope.gaps_us(), Moments::mean).map(|us| us / 1000.0);
            "stddev_piat_ms" Real "iat_std_us in milliseconds, 0 of fewer than two gaps"
                => real(scope.gaps_us(), Moments::deviation).map(|us| us / 1000.0);
            "max_piat_ms" Count "iat_max_us in whole milliseconds, 0 without gaps"
                => whole(scope.gaps_us(), Moments::max).map(|us| us / 1000);
        }
    };
}

macro_rules! flags {
    ($prefix:literal, $which:ident) => {
        &scopes! { $prefix $which Stats |scope|
            "syn_packets" Count "syn_count, 0 without TCP" => scope.sum(|side| side.flags[1].into());
            "cwr_packets" Count "cwr_count, 0 without TCP" => scope.sum(|side| side.flags[7].into());
            "ece_packets" Count "ece_count, 0 without TCP" => scope.sum(|side| side.flags[6].into());
            "urg_packets" Count "urg_count, 0 without TCP" => scope.sum(|side| side.flags[5].into());
            "ack_packets" Count "ack_count, 0 without TCP" => scope.sum(|side| side.flags[4].into());
            "psh_packets" Count "psh_count, 0 without TCP" => scope.sum(|side| side.flags[3].into());
            "rst_packets" Count "rst_count, 0 without TCP" => scope.sum(|side| side.flags[2].into());
            "fin_packets" Count "fin_count, 0 without TCP" => scope.sum(|side| side.flags[0].into());
        }
    };
}

const SPLT: &[Field] = &fields! { Full |flow|
    "splt_direction" Integers "splt_dir as 0 and 1, filled up with -1"
        => splt(flow, |_, first| first.backward.into());
    "splt_ps" Integers "splt_ip_len, filled up with -1"
        => splt(flow, |_, first| first.ip_length.into());
    "splt_piat_ms" Integers "milliseconds since the packet before, of either direction, 0 for the first; filled up with -1"
        => splt(flow, |before, first| ms(flow, first.at_ns).saturating_sub(ms(flow, before.at_ns)).cast_signed());
};

/// A number of each of the first packets, given it and the one before (the first is its own), and -1 up to their most.
fn splt(flow: &Flow<'_>, number: impl Fn(&First, &First) -> i64) -> Option<Vec<i64>> {
    let firsts = &flow.numbers.full.as_ref()?.firsts;
    let before = firsts.iter().take(1).chain(firsts);
    let mut list: Vec<i64> = before.zip(firsts).map(|(before, first)| number(before, first)).collect();
    list.resize(list.len().max(flow.firsts), -1);
    Some(list)
}

table! {
    /// NFStream's names and units.
    NFSTREAM, "flow_nfstream", Full,
    &[
        IDENTITY,
        times!("bidirectional_first_seen_ms", "bidirectional_last_seen_ms", "bidirectional_duration_ms", None),
        volume!("bidirectional_", both),
        times!("src2dst_first_seen_ms", "src2dst_last_seen_ms", "src2dst_duration_ms", Some(0)),
        volume!("src2dst_", forward),
        times!("dst2src_first_seen_ms", "dst2src_last_seen_ms", "dst2src_duration_ms", Some(1)),
        volume!("dst2src_", backward),
        sizes!("bidirectional_", both),
        sizes!("src2dst_", forward),
        sizes!("dst2src_", backward),
        gaps!("bidirectional_", both),
        gaps!("src2dst_", forward),
        gaps!("dst2src_", backward),
        flags!("bidirectional_", both),
        flags!("src2dst_", forward),
        flags!("dst2src_", backward),
        SPLT,
    ]
}
