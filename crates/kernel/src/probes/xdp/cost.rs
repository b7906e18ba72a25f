//! What looking at programs of others costs and tells of nothing: at an empty program of ours.

use super::floor::{Floor, Statistics};
use super::watch::{Watch, WatchConfig};
use crate::error::Error;
use crate::session::Storage;
use crate::sys;
use plumb_records::histogram::Histogram;

/// What the kernel's BPF statistics cost, and what they tell of nothing.
#[derive(Clone, Copy, Debug)]
pub struct StatisticsCost {
    /// Nanoseconds that they add to each run of each program; `None` where they were on already, so that there is nothing
    /// to compare with.
    pub added_ns: Option<f64>,
    /// The mean run time that they tell of a program that does nothing.
    pub empty_ns: f64,
}

/// Switches them on and measures both.
pub fn statistics_cost() -> Result<(Statistics, StatisticsCost), Error> {
    let mut storage = Storage::new();
    let floor = Floor::Drop.load(&mut storage)?;
    let counted = || sys::program_facts(floor.program()).unwrap_or_default();
    let before = floor.spin_drop()?;
    // The sysctl kernel.bpf_stats_enabled does not tell of those who hold a descriptor, as we do.
    let were_on = counted().runs > 0;
    let statistics = Statistics::enable()?;
    let after = floor.spin_drop()?;
    let facts = counted();
    let empty_ns = facts.run_time_ns as f64 / facts.runs.max(1) as f64;
    let added_ns = (!were_on).then(|| (after - before).max(0.0));
    Ok((statistics, StatisticsCost { added_ns, empty_ns }))
}

/// Nanoseconds that watching at entry and return tells of a program that does nothing: the median.
pub fn watch_cost_ns() -> Result<Option<u64>, Error> {
    let (mut storage, mut room) = (Storage::new(), Storage::new());
    let floor = Floor::Drop.load(&mut storage)?;
    let config = WatchConfig { time: true, ..WatchConfig::default() };
    let program = floor.program();
    let watch = Watch::attach_to(&mut room, program, "floor_drop", &config)?;
    floor.spin_drop()?;
    let times = watch.times()?.unwrap_or_default();
    let mut all = Histogram::default();
    times.iter().flatten().flatten().for_each(|times| all.merge(times));
    Ok(all.percentile(500))
}
