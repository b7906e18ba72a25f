//! What whole flows come to, for native columns and profiles alike.

use super::moments::{Moments, ratio};
use super::numbers::{FlowNumbers, Shared};
use super::scope::Scope;

/// IPFIX flowEndReason of the active timeout.
const ACTIVE_TIMEOUT: u8 = 2;

/// From the first packet to the last.
pub(super) fn duration_us(flow: &FlowNumbers) -> u64 {
    Scope::both(flow).span_us().unwrap_or_default()
}

/// Whether no further segment follows.
pub(super) fn is_final(flow: &FlowNumbers) -> bool {
    flow.end_reason != 0 && flow.end_reason != ACTIVE_TIMEOUT
}

/// A count per second of the flow; none where the flow has no duration.
pub(super) fn per_second(flow: &FlowNumbers, count: u64) -> Option<f64> {
    let microseconds = duration_us(flow);
    (microseconds > 0).then(|| count as f64 * 1e6 / microseconds as f64)
}

/// Packets back for each packet forward.
pub(super) fn down_up_ratio(flow: &FlowNumbers) -> Option<f64> {
    let [fwd, bwd] = &flow.sides;
    ratio(bwd.packets, fwd.packets)
}

/// Whether TCP headers were seen, so that their absence in one direction is a zero.
pub(super) fn is_tcp(flow: &FlowNumbers) -> bool {
    flow.sides.iter().any(|side| side.init_window.is_some())
}

/// What level `stats` tells of both directions together.
pub(super) fn shared(flow: &FlowNumbers) -> Option<&Shared> {
    flow.stats.as_ref().map(|stats| &stats.shared)
}

/// Periods of activity, the one that the segment ended in among them.
pub(super) fn active(flow: &FlowNumbers) -> Option<Moments> {
    let shared = shared(flow)?;
    let last = (flow.last_ns / 1000).saturating_sub(shared.active_since_us);
    let ended = Moments::new(shared.active.count, shared.active.sum_us, shared.active.us);
    Some(ended.merge(Moments::one(last)))
}

/// Gaps between periods of activity.
pub(super) fn idle(flow: &FlowNumbers) -> Option<Moments> {
    let idle = &shared(flow)?.idle;
    Some(Moments::new(idle.count, idle.sum_us, idle.us))
}

/// Runs of packets without a gap over a second.
pub(super) fn subflows(flow: &FlowNumbers) -> Option<u64> {
    shared(flow).map(|shared| u64::from(shared.subflow_gaps) + 1)
}

/// From one moment to another, in microseconds; none where one was not seen or they came in the other order.
pub(super) fn between_us(from_ns: Option<u64>, to_ns: Option<u64>) -> Option<u64> {
    (to_ns? / 1000).checked_sub(from_ns? / 1000)
}
