//! Frames that are not IP, or not whole, as the programs that parse frames count them (bpf/others.bpf.h).

use crate::error::Error;
use crate::session;
use crate::wire::{self, other_count, other_kind};
use libbpf_rs::{MapCore, MapFlags};

/// Frames of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Other {
    /// Their ethertype; `None` of those that found no room among the kinds.
    pub ethertype: Option<u16>,
    /// It should be IP by its ethertype, and is not.
    pub malformed: bool,
    /// Packets.
    pub packets: u64,
    /// Their lengths as frames; `None` where they are not known.
    pub bytes: Option<u64>,
}

/// Reads a program's map of them, the most first. `all` is how many there were, so that those without room are known.
pub(crate) fn read(map: &impl MapCore, all: u64) -> Result<Vec<Other>, Error> {
    let failed = |error| session::failed("cannot read the counts of other frames".into(), &error);
    let mut others = Vec::new();
    for key in map.keys() {
        let Ok(kind) = wire::read::<other_kind>(&key) else { continue };
        let values = map.lookup_percpu(&key, MapFlags::ANY).map_err(failed)?.unwrap_or_default();
        let counts = values.iter().filter_map(|value| wire::read::<other_count>(value).ok());
        let (packets, bytes) = counts.fold((0, 0), |sum, count| (sum.0 + count.packets, sum.1 + count.bytes));
        others.push(Other {
            ethertype: Some(kind.ethertype),
            malformed: kind.malformed != 0,
            packets,
            bytes: Some(bytes),
        });
    }
    let unnamed = all.saturating_sub(others.iter().map(|other| other.packets).sum());
    if unnamed > 0 {
        others.push(Other { ethertype: None, malformed: false, packets: unnamed, bytes: None });
    }
    others.sort_by_key(|other| std::cmp::Reverse(other.packets));
    Ok(others)
}
