//! Medians over repeats, as a table and as `bench` records.

use super::super::rows::{Middle, median, or_dash, table};
use super::Measured;
use super::ways::Way;
use crate::args::bench::Xdp;
use plumb_records::bench::Bench;
use plumb_sinks::text::units;

/// All runs, by way.
pub struct Rows {
    ways: Vec<&'static Way>,
    runs: Vec<Vec<Measured>>,
    packets: u32,
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
impl Rows {
    pub fn new(ways: &[&'static Way], asked: &Xdp) -> Self {
        Self { ways: ways.to_vec(), runs: vec![Vec::new(); ways.len()], packets: asked.packets }
    }

    pub fn add(&mut self, way: usize, measured: Measured) {
        self.runs[way].push(measured);
    }

    fn record(&self, way: usize) -> Bench {
        let per_packet = |run: &Measured| run.took.as_secs_f64() * 1e9 / run.received.max(1) as f64;
        let runs = &self.runs[way];
        let rates = Middle::of(runs.iter().map(|run| 1e9 / per_packet(run)));
        let beside = runs.iter().zip(&self.runs[0]).filter(|_| way > 0);
        let overheads = Middle::of(beside.map(|(run, bare)| per_packet(run) - per_packet(bare)));
        let (offered_per_s, offered_per_s_min, offered_per_s_max) = rates.unwrap_or_default().three();
        let (overhead_ns, overhead_ns_min, overhead_ns_max) = Middle::split(overheads);
        Bench {
            bench: "xdp".into(),
            reader: self.ways[way].name.into(),
            repeats: runs.len() as u64,
            offered: u64::from(self.packets),
            offered_per_s,
            offered_per_s_min,
            offered_per_s_max,
            overhead_ns,
            overhead_ns_min,
            overhead_ns_max,
            program_ns: median(runs.iter().filter_map(|run| run.program_ns)),
            received: runs.iter().filter_map(|run| run.account.received).min(),
            lost: runs.iter().filter_map(|run| run.account.lost).max(),
            ..Bench::default()
        }
    }

    /// One record per way.
    pub fn records(&self) -> Vec<Bench> {
        (0..self.ways.len()).map(|way| self.record(way)).collect()
    }
}

/// A table, and what the figures come to.
pub fn text(records: &[Bench]) -> String {
    let heads = ["packets", "min", "max", "of bare", "overhead", "min", "max", "program", "lost"];
    let bare = records.first().map_or(1.0, |record| record.offered_per_s);
    table(&["reader"], &heads, records.iter().map(|record| cells(record, bare)))
}

fn cells(record: &Bench, bare: f64) -> Vec<String> {
    let ns = |value: Option<f64>| or_dash(value, |value| format!("{value:.1} ns"));
    vec![
        record.reader.clone(),
        units::rate(record.offered_per_s),
        units::rate(record.offered_per_s_min),
        units::rate(record.offered_per_s_max),
        format!("{:.3}", record.offered_per_s / bare),
        ns(record.overhead_ns),
        ns(record.overhead_ns_min),
        ns(record.overhead_ns_max),
        ns(record.program_ns),
        or_dash(record.lost, units::count),
    ]
}
