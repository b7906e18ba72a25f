//! Flows under the names and units of other extractors: profiles rename, rescale and select, and count nothing anew.
//!
//! Their columns' help names the native columns. Where an extractor is known to compute something else than it says, a
//! profile has what it says.

mod cicflowmeter;
mod nfstream;

pub use cicflowmeter::{CICFLOWMETER, CICFLOWMETER_2017, CICFLOWMETER_2018};
pub use nfstream::NFSTREAM;

use super::moments::Moments;

/// A derived number that is 0 where there is nothing to derive it from; none below level `stats`.
fn real(moments: Option<Moments>, derived: fn(Moments) -> Option<f64>) -> Option<f64> {
    moments.map(|moments| derived(moments).unwrap_or_default())
}

/// A minimum or maximum, likewise.
fn whole(moments: Option<Moments>, derived: fn(Moments) -> Option<u32>) -> Option<u32> {
    moments.map(|moments| derived(moments).unwrap_or_default())
}
