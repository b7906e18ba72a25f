//! What the program has counted, read by CPU and action.

use super::config::Action;
use crate::error::{Class, Error};
use crate::wire::{self, histogram, xdp_count};
use libbpf_rs::{MapCore, MapFlags};
use plumb_records::histogram::{BUCKETS, Histogram};

/// The two sides count in the same buckets.
const _: () = assert!(BUCKETS == wire::hist_const::HIST_BUCKETS.0 as usize);

/// What one action has come to on one CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Their lengths as frames.
    pub bytes: u64,
    /// Events that were handed over.
    pub emitted: u64,
    /// Events that found no room.
    pub lost: u64,
}

/// Counts by CPU, and in each by the number of the action.
pub type Counts = Vec<[Count; Action::ALL.len()]>;

/// Times by CPU, and in each by the number of the action.
pub type Times = Vec<[Histogram; Action::ALL.len()]>;

/// Reads the counters: exact once nothing runs any more, of about this moment before.
pub(super) fn counts(map: &impl MapCore) -> Result<Counts, Error> {
    counts_of(map, 0)
}

/// Those of one of several places.
pub(super) fn counts_of(map: &impl MapCore, place: u32) -> Result<Counts, Error> {
    read(map, place, |count: xdp_count| Count {
        packets: count.packets,
        bytes: count.bytes,
        emitted: count.emitted,
        lost: count.lost,
    })
}

/// Reads the histograms, likewise.
pub(super) fn times(map: &impl MapCore) -> Result<Times, Error> {
    times_of(map, 0)
}

/// Those of one of several places.
pub(super) fn times_of(map: &impl MapCore, place: u32) -> Result<Times, Error> {
    read(map, place, |times: histogram| times.into())
}

fn read<W: bytemuck::AnyBitPattern, T: Default>(
    map: &impl MapCore,
    place: u32,
    value: impl Fn(W) -> T,
) -> Result<Vec<[T; Action::ALL.len()]>, Error> {
    let failed = |why: String| Error::new(Class::Failed, "cannot read the XDP counters", why);
    let mut cpus: Vec<[T; Action::ALL.len()]> = Vec::new();
    for action in Action::ALL {
        let key = (place * Action::ALL.len() as u32 + action as u32).to_ne_bytes();
        let found = map.lookup_percpu(&key, MapFlags::ANY).map_err(|error| failed(error.to_string()))?;
        let values = found.ok_or_else(|| failed(format!("there is none for {}", action.name())))?;
        cpus.resize_with(values.len().max(cpus.len()), Default::default);
        for (cpu, bytes) in cpus.iter_mut().zip(values) {
            cpu[action as usize] = value(wire::read(&bytes).map_err(|error| failed(error.to_string()))?);
        }
    }
    Ok(cpus)
}
