//! Histograms, and the first packets one by one.

use crate::flow::field::{Field, Flow, fields, scopes};
use crate::flow::numbers::First;

pub(super) const HISTOGRAMS: &[Field] = &scopes! { Full |scope|
    "len_hist" Integers "packets by payload in bytes: below 16, 32, 64, 128, 256, 512, 1024, and the rest"
        => scope.full().map(|full| full.payload_bins.map(i64::from).to_vec());
    "iat_hist" Integers "gaps in microseconds: below 4, 16, 64 ... 4^15, and the rest"
        => scope.full().map(|full| full.gap_bins.map(i64::from).to_vec());
};

pub(super) const SPLT: &[Field] = &fields! { Full |flow|
    "splt_rel_us" Integers "of the first packets, in order: microseconds since the flow's first"
        => splt(flow, |first| since_start(flow, first));
    "splt_ip_len" Integers "of the same packets: bytes from the IP header on"
        => splt(flow, |first| first.ip_length.into());
    "splt_payload_len" Integers "of the same packets: bytes after the transport header"
        => splt(flow, |first| first.payload_length.into());
    "splt_dir" Integers "of the same packets: 1 forward, -1 backward"
        => splt(flow, |first| if first.backward { -1 } else { 1 });
    "splt_flags" Integers "of the same packets: TCP flags, 12 bits, 0 of other protocols"
        => splt(flow, |first| first.tcp_flags.into());
};

fn splt(flow: &Flow<'_>, number: impl Fn(&First) -> i64) -> Option<Vec<i64>> {
    let full = flow.numbers.full.as_ref()?;
    Some(full.firsts.iter().map(number).collect())
}

fn since_start(flow: &Flow<'_>, first: &First) -> i64 {
    let since = (first.at_ns / 1000).saturating_sub(flow.numbers.start_ns / 1000);
    since.cast_signed()
}
