//! When packets came: gaps, activity, bulks.

use crate::flow::derive::{active, idle, shared, subflows};
use crate::flow::field::{Field, fields, scopes};
use crate::flow::moments::{Moments, ratio};

pub(super) const GAPS: &[Field] = &scopes! { all Stats |scope|
    "iat_min_us" Microseconds "the shortest gap to the packet before; null of fewer than two packets"
        => scope.gaps_us().and_then(Moments::min);
    "iat_max_us" Microseconds "the longest gap"
        => scope.gaps_us().and_then(Moments::max);
    "iat_mean_us" Real "mean gap"
        => scope.gaps_us().and_then(Moments::mean);
    "iat_std_us" Real "sample deviation of gaps; null of fewer than three packets"
        => scope.gaps_us().and_then(Moments::deviation);
};

pub(super) const TOTALS: &[Field] = &scopes! { Basic |scope|
    "iat_total_us" Microseconds "sum of gaps: from the direction's first packet to its last; null without packets"
        => scope.span_us();
};

pub(super) const ACTIVITY: &[Field] = &fields! { Stats |flow|
    "active_count" Count "periods of activity, which gaps of over five seconds part; the last among them"
        => active(flow.numbers).map(Moments::count);
    "active_min_us" Microseconds "the shortest"
        => active(flow.numbers).and_then(Moments::min);
    "active_max_us" Microseconds "the longest"
        => active(flow.numbers).and_then(Moments::max);
    "active_mean_us" Real "their mean"
        => active(flow.numbers).and_then(Moments::mean);
    "active_std_us" Real "their sample deviation; null of fewer than two"
        => active(flow.numbers).and_then(Moments::deviation);
    "idle_count" Count "gaps between periods of activity"
        => idle(flow.numbers).map(Moments::count);
    "idle_min_us" Microseconds "the shortest; null where there is none"
        => idle(flow.numbers).and_then(Moments::min);
    "idle_max_us" Microseconds "the longest"
        => idle(flow.numbers).and_then(Moments::max);
    "idle_mean_us" Real "their mean"
        => idle(flow.numbers).and_then(Moments::mean);
    "idle_std_us" Real "their sample deviation; null of fewer than two"
        => idle(flow.numbers).and_then(Moments::deviation);
    "subflow_count" Count "runs of packets, which gaps of over a second part"
        => subflows(flow.numbers);
};

pub(super) const SUBFLOWS: &[Field] = &scopes! { Stats |scope|
    "subflow_packets_mean" Real "packets by subflow_count"
        => subflows(scope.flow()).and_then(|runs| ratio(scope.sum(|side| side.packets), runs));
    "subflow_bytes_mean" Real "payload_bytes by subflow_count"
        => subflows(scope.flow()).and_then(|runs| ratio(scope.sum(|side| side.payload_bytes), runs));
};

pub(super) const BULKS: &[Field] = &scopes! { Stats |scope|
    "bulk_count" Count "bulks: four packets with payload or more, no gap of over a second, none with payload from the other side between"
        => scope.stats_sum(|stats| stats.bulks.into());
    "bulk_packets" Count "packets of all bulks"
        => scope.stats_sum(|stats| stats.bulk_packets);
    "bulk_bytes" Bytes "payload of all bulks"
        => scope.stats_sum(|stats| stats.bulk_bytes);
    "bulk_duration_us" Microseconds "time of all bulks"
        => scope.stats_sum(|stats| stats.bulk_us);
};

pub(super) const HISTORY: &[Field] = &fields! { Stats |flow|
    "history" Text "what happened, in order of first appearance, as in Zeek and upper case forward: S SYN, H SYN+ACK, A ACK alone, D payload, F FIN, R RST; null where no TCP header was seen"
        => shared(flow.numbers).and_then(|shared| history(&shared.history));
};

/// The letters up to the first that is none.
fn history(letters: &[u8]) -> Option<&str> {
    let length = letters.iter().take_while(|letter| letter.is_ascii_graphic()).count();
    std::str::from_utf8(&letters[..length]).ok().filter(|text| !text.is_empty())
}
