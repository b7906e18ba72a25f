//! Empty programs where probes have theirs: the least that any observer there costs. For benches.

mod drops;
mod latency;

use crate::error::Error;
use crate::session::{self, Storage};
use libbpf_rs::Link;

/// Whose hooks get empty programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floor {
    /// The tracepoint of dropped packets.
    Drops,
    /// All tracepoints of `plumb latency` that this kernel has.
    Latency,
}

impl Floor {
    /// Attaches the empty programs; what is returned holds them.
    pub fn attach(self, storage: &mut Storage) -> Result<Held<'_>, Error> {
        match self {
            Self::Drops => drops::attach(storage).map(Held::Drops),
            Self::Latency => latency::attach(storage).map(Held::Latency),
        }
    }
}

/// Empty programs, attached while this lives.
#[allow(dead_code, reason = "held, not read")]
pub enum Held<'obj> {
    /// Of [`Floor::Drops`].
    Drops(drops::Attached<'obj>),
    /// Of [`Floor::Latency`].
    Latency(latency::Attached<'obj>),
}
