//! What is CICFlowMeter's alone.

use crate::flow::derive::subflows;
use crate::flow::field::Flow;
use crate::flow::moments::ratio;
use crate::flow::numbers::{FlowNumbers, Ports, Side, SideStats};
use crate::flow::scope::Scope;

pub(super) fn both<'a>(flow: &Flow<'a>) -> Scope<'a> {
    Scope::both(flow.numbers)
}

pub(super) fn fwd<'a>(flow: &Flow<'a>) -> Scope<'a> {
    Scope::forward(flow.numbers)
}

pub(super) fn bwd<'a>(flow: &Flow<'a>) -> Scope<'a> {
    Scope::backward(flow.numbers)
}

/// Ports, 0 where there are none.
pub(super) fn ports(flow: &FlowNumbers) -> (u16, u16) {
    match flow.ports {
        Ports::Ports(src, dst) => (src, dst),
        Ports::None | Ports::Icmp(..) => (0, 0),
    }
}

/// The text that names a flow.
pub(super) fn flow_id(flow: &FlowNumbers) -> String {
    let (src_port, dst_port) = ports(flow);
    format!("{}-{}-{src_port}-{dst_port}-{}", flow.src_ip, flow.dst_ip, flow.protocol)
}

/// A number of one direction's bulks by their count, 0 without bulks.
pub(super) fn per_bulk(scope: Scope<'_>, number: fn(&SideStats) -> u64) -> Option<f64> {
    let bulks = scope.stats_sum(|stats| stats.bulks.into())?;
    Some(ratio(scope.stats_sum(number)?, bulks).unwrap_or_default())
}

/// Bytes per second within one direction's bulks, 0 without bulks or where these took no time.
pub(super) fn bulk_rate(scope: Scope<'_>) -> Option<f64> {
    let microseconds = scope.stats_sum(|stats| stats.bulk_us)?;
    let bytes = ratio(scope.stats_sum(|stats| stats.bulk_bytes)?, microseconds);
    Some(bytes.unwrap_or_default() * 1e6)
}

/// A number of one direction by the flow's runs of packets.
pub(super) fn per_subflow(scope: Scope<'_>, number: fn(&Side) -> u64) -> Option<f64> {
    ratio(scope.sum(number), subflows(scope.flow())?)
}
