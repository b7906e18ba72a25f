//! Flows: what the kernel counted of them, and every column that is derived from it.
//!
//! Forward (`fwd_`) is from the initiator to the responder, backward (`bwd_`) the reverse, no prefix is both. Numbers stay
//! exact integers until the one division that makes a mean, a deviation or a rate. What is unknown is null; no column
//! is ever NaN or infinite.

mod derive;
mod field;
mod ids;
mod moments;
mod native;
mod numbers;
mod profile;
mod scope;
mod state;
#[cfg(test)]
mod tests;

pub use field::{Flow, FlowRow, Level, Table};
pub use ids::icmp_counterpart;
pub use moments::Moments;
pub use native::NATIVE;
pub use numbers::{First, FlowNumbers, Full, Ports, Shared, Side, SideFull, SideStats, Spans, Spread, Stats};
pub use profile::{CICFLOWMETER, CICFLOWMETER_2017, CICFLOWMETER_2018, NFSTREAM};
