//! Medians over repeats, as a table and as `bench` records.

use super::super::report::{json, middle, sorted};
use super::Measured;
use super::ways::Way;
use crate::args::bench::Xdp;
use crate::failure::Outcome;
use crate::text::{style, width};
use plumb_records::bench::Bench;
use plumb_sinks::text::table::{Head, Table};
use plumb_sinks::text::units;
use std::io::IsTerminal;

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
        let rates = sorted(runs.iter().map(|run| 1e9 / per_packet(run)));
        let beside = runs.iter().zip(&self.runs[0]).filter(|_| way > 0);
        let overheads = sorted(beside.map(|(run, bare)| per_packet(run) - per_packet(bare)));
        Bench {
            bench: "xdp".into(),
            reader: self.ways[way].name.into(),
            repeats: runs.len() as u64,
            offered: u64::from(self.packets),
            offered_per_s: middle(&rates).unwrap_or(0.0),
            offered_per_s_min: rates.first().copied().unwrap_or(0.0),
            offered_per_s_max: rates.last().copied().unwrap_or(0.0),
            overhead_ns: middle(&overheads),
            overhead_ns_min: overheads.first().copied(),
            overhead_ns_max: overheads.last().copied(),
            program_ns: middle(&sorted(runs.iter().filter_map(|run| run.program_ns))),
            received: runs.iter().filter_map(|run| run.account.received).min(),
            lost: runs.iter().filter_map(|run| run.account.lost).max(),
            ..Bench::default()
        }
    }

    fn records(&self) -> Vec<Bench> {
        (0..self.ways.len()).map(|way| self.record(way)).collect()
    }

    /// One line per record.
    pub fn json(&self) -> Outcome<String> {
        json(&self.records())
    }

    /// A table, and what the figures come to.
    pub fn text(&self) -> String {
        let heads = ["packets", "min", "max", "of bare", "overhead", "min", "max", "program", "lost"];
        let mut columns = vec![Head::text("reader")];
        columns.extend(heads.map(Head::number));
        let mut table = Table::new(columns);
        let records = self.records();
        let bare = records.first().map_or(1.0, |record| record.offered_per_s);
        let ns = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1} ns"));
        for record in &records {
            table.row([
                record.reader.clone(),
                units::rate(record.offered_per_s),
                units::rate(record.offered_per_s_min),
                units::rate(record.offered_per_s_max),
                format!("{:.3}", record.offered_per_s / bare),
                ns(record.overhead_ns),
                ns(record.overhead_ns_min),
                ns(record.overhead_ns_max),
                ns(record.program_ns),
                record.lost.map_or_else(|| "-".to_owned(), units::count),
            ]);
        }
        table.render(width(), style(std::io::stdout().is_terminal()))
    }
}
