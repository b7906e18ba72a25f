//! Medians over repeats, as a table and as `bench` records.

use super::super::readers::Reader;
use super::super::rows::{Middle, median, or_dash, table};
use super::super::running::Measured;
use crate::args::bench::Drops;
use plumb_records::bench::Bench;
use plumb_sinks::text::units;
use std::time::Duration;

/// All runs, by reader.
pub struct Rows {
    readers: Vec<&'static Reader>,
    runs: Vec<Vec<Measured>>,
    delays: Vec<Option<(u64, u64)>>,
    packets: u32,
}

impl Rows {
    pub fn new(readers: &[&'static Reader], asked: &Drops) -> Self {
        Self {
            readers: readers.to_vec(),
            runs: vec![Vec::new(); readers.len()],
            delays: vec![None; readers.len()],
            packets: asked.packets,
        }
    }

    pub fn add(&mut self, reader: usize, measured: Measured) {
        self.runs[reader].push(measured);
    }

    pub fn delay(&mut self, reader: usize, delay: (u64, u64)) {
        self.delays[reader] = Some(delay);
    }

    /// One record per reader.
    pub fn records(&self) -> Vec<Bench> {
        (0..self.readers.len()).map(|reader| self.record(reader)).collect()
    }

    fn record(&self, reader: usize) -> Bench {
        let runs = &self.runs[reader];
        let rates = Middle::of(runs.iter().map(|run| f64::from(run.offered) / run.took.as_secs_f64()));
        // `none` is the first reader, and each repeat has one of it.
        let overheads =
            Middle::of(runs.iter().zip(&self.runs[0]).filter(|_| reader > 0).map(|(run, none)| {
                (run.took.as_secs_f64() - none.took.as_secs_f64()) * 1e9 / f64::from(run.offered)
            }));
        let cpu = runs.iter().filter_map(|run| Some(run.cpu?.as_secs_f64() * 1e9 / f64::from(run.offered)));
        let growth = runs.iter().filter_map(|run| match run.memory.as_slice() {
            [Some((first, _)), Some((second, _))] => Some(*second as i64 - *first as i64),
            _ => None,
        });
        let faults = runs.iter().filter_map(|run| match run.faults.as_slice() {
            [Some(first), Some(second)] => Some(second - first),
            _ => None,
        });
        let attach = nanoseconds(runs.iter().filter_map(|run| run.attached));
        let end = nanoseconds(runs.iter().filter_map(|run| run.ended));
        let peaks = runs.iter().flat_map(|run| run.memory.iter().flatten().map(|(_, peak)| *peak));
        let (offered_per_s, offered_per_s_min, offered_per_s_max) = rates.unwrap_or_default().three();
        let (overhead_ns, overhead_ns_min, overhead_ns_max) = Middle::split(overheads);
        Bench {
            bench: "drops".into(),
            reader: self.readers[reader].name.into(),
            repeats: runs.len() as u64,
            offered: u64::from(self.packets),
            offered_per_s,
            offered_per_s_min,
            offered_per_s_max,
            overhead_ns,
            overhead_ns_min,
            overhead_ns_max,
            program_ns: None,
            received: runs.iter().filter_map(|run| run.received).min(),
            lost: runs.iter().filter_map(|run| run.lost).max(),
            process_cpu_ns_per_packet: median(cpu),
            peak_rss_bytes: peaks.max(),
            growth_bytes: growth.max(),
            minor_faults: faults.max(),
            attach_ns: attach,
            end_ns: end,
            delay_p50_ns: self.delays[reader].map(|(median, _)| median),
            delay_p99_ns: self.delays[reader].map(|(_, tail)| tail),
        }
    }
}

/// A table, and what the figures are against the first alternative.
pub fn text(records: &[Bench]) -> String {
    let heads = [
        "drops",
        "min",
        "max",
        "overhead",
        "min",
        "max",
        "lost",
        "CPU/drop",
        "memory",
        "growth",
        "faults",
        "attach",
        "end",
        "delay p50",
        "p99",
    ];
    let mut text = table(&["reader"], &heads, records.iter().map(cells));
    let overhead = |name: &str| records.iter().find(|record| record.reader == name)?.overhead_ns;
    if let Some((ours, theirs)) = overhead("plumb").zip(overhead("bpftrace-count")) {
        text += &format!(
            "\nplumb's counting adds {:.2} of what bpftrace's does ({ours:.0} ns and {theirs:.0} ns a drop, medians of {} repeats).\n",
            ours / theirs,
            records.first().map_or(0, |record| record.repeats)
        );
    }
    text
}

fn cells(record: &Bench) -> Vec<String> {
    let ns = |value: Option<f64>| or_dash(value, |value| format!("{value:.0} ns"));
    let bytes = |value: Option<u64>| or_dash(value, units::bytes);
    let time = |value: Option<u64>| or_dash(value, units::duration);
    vec![
        record.reader.clone(),
        units::rate(record.offered_per_s),
        units::rate(record.offered_per_s_min),
        units::rate(record.offered_per_s_max),
        ns(record.overhead_ns),
        ns(record.overhead_ns_min),
        ns(record.overhead_ns_max),
        or_dash(record.lost, units::count),
        ns(record.process_cpu_ns_per_packet),
        bytes(record.peak_rss_bytes),
        bytes(record.growth_bytes.and_then(|growth| u64::try_from(growth).ok())),
        or_dash(record.minor_faults, units::count),
        time(record.attach_ns),
        time(record.end_ns),
        time(record.delay_p50_ns),
        time(record.delay_p99_ns),
    ]
}

/// The median.
fn nanoseconds(times: impl Iterator<Item = Duration>) -> Option<u64> {
    median(times.map(|time| time.as_secs_f64() * 1e9)).map(|time| time as u64)
}
