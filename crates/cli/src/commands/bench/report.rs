//! Medians over repeats, as a table and as `bench` records.

use super::readers::Reader;
use super::running::Measured;
use crate::args::bench::Drops;
use crate::failure::{Failure, Outcome};
use crate::text::{style, width};
use plumb_records::bench::Bench;
use plumb_records::column::Row;
use plumb_sinks::Encode as _;
use plumb_sinks::json::Json;
use plumb_sinks::text::table::{Head, Table};
use plumb_sinks::text::units;
use std::io::IsTerminal;
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

    fn records(&self) -> Vec<Bench> {
        (0..self.readers.len()).map(|reader| self.record(reader)).collect()
    }

    fn record(&self, reader: usize) -> Bench {
        let runs = &self.runs[reader];
        let rates = sorted(runs.iter().map(|run| f64::from(run.offered) / run.took.as_secs_f64()));
        // `none` is the first reader, and each repeat has one of it.
        let overheads = sorted(runs.iter().zip(&self.runs[0]).filter(|_| reader > 0).map(|(run, none)| {
            (run.took.as_secs_f64() - none.took.as_secs_f64()) * 1e9 / f64::from(run.offered)
        }));
        let cpu =
            sorted(runs.iter().filter_map(|run| Some(run.cpu?.as_secs_f64() * 1e9 / f64::from(run.offered))));
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
        Bench {
            bench: "drops".into(),
            reader: self.readers[reader].name.into(),
            repeats: runs.len() as u64,
            offered: u64::from(self.packets),
            offered_per_s: middle(&rates).unwrap_or(0.0),
            offered_per_s_min: rates.first().copied().unwrap_or(0.0),
            offered_per_s_max: rates.last().copied().unwrap_or(0.0),
            overhead_ns: middle(&overheads),
            overhead_ns_min: overheads.first().copied(),
            overhead_ns_max: overheads.last().copied(),
            program_ns: None,
            received: runs.iter().filter_map(|run| run.received).min(),
            lost: runs.iter().filter_map(|run| run.lost).max(),
            process_cpu_ns_per_packet: middle(&cpu),
            peak_rss_bytes: peaks.max(),
            growth_bytes: growth.max(),
            minor_faults: faults.max(),
            attach_ns: attach,
            end_ns: end,
            delay_p50_ns: self.delays[reader].map(|(median, _)| median),
            delay_p99_ns: self.delays[reader].map(|(_, tail)| tail),
        }
    }

    /// One line per record.
    pub fn json(&self) -> Outcome<String> {
        json(&self.records())
    }

    /// A table, and what the figures are against the first alternative.
    pub fn text(&self) -> String {
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
        let mut columns = vec![Head::text("reader")];
        columns.extend(heads.map(Head::number));
        let mut table = Table::new(columns);
        let records = self.records();
        for record in &records {
            table.row(cells(record));
        }
        let mut text = table.render(width(), style(std::io::stdout().is_terminal()));
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
}

fn cells(record: &Bench) -> Vec<String> {
    let ns = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0} ns"));
    let bytes = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), units::bytes);
    let time = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), units::duration);
    vec![
        record.reader.clone(),
        units::rate(record.offered_per_s),
        units::rate(record.offered_per_s_min),
        units::rate(record.offered_per_s_max),
        ns(record.overhead_ns),
        ns(record.overhead_ns_min),
        ns(record.overhead_ns_max),
        record.lost.map_or_else(|| "-".to_owned(), units::count),
        ns(record.process_cpu_ns_per_packet),
        bytes(record.peak_rss_bytes),
        bytes(record.growth_bytes.and_then(|growth| u64::try_from(growth).ok())),
        record.minor_faults.map_or_else(|| "-".to_owned(), units::count),
        time(record.attach_ns),
        time(record.end_ns),
        time(record.delay_p50_ns),
        time(record.delay_p99_ns),
    ]
}

/// The median.
fn nanoseconds(times: impl Iterator<Item = Duration>) -> Option<u64> {
    middle(&sorted(times.map(|time| time.as_secs_f64() * 1e9))).map(|time| time as u64)
}

/// One line per record.
pub fn json<R: Row>(records: &[R]) -> Outcome<String> {
    let mut encoder = Json::default();
    let mut bytes = Vec::new();
    for record in records {
        encoder.encode(record, &mut bytes);
    }
    String::from_utf8(bytes).map_err(|error| Failure::failed("cannot write the bench's rows").because(error))
}

/// What several runs come to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Middle {
    /// The median.
    pub middle: f64,
    pub min: f64,
    pub max: f64,
}

impl Middle {
    /// Of these values, those that are no number left out; `None` where there are none.
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let values = sorted(values.filter(|value| value.is_finite()));
        Some(Self { middle: middle(&values)?, min: *values.first()?, max: *values.last()? })
    }

    /// Median, smallest and largest.
    pub fn three(self) -> (f64, f64, f64) {
        (self.middle, self.min, self.max)
    }

    /// The same of what may be unknown.
    pub fn split(known: Option<Self>) -> (Option<f64>, Option<f64>, Option<f64>) {
        (known.map(|values| values.middle), known.map(|values| values.min), known.map(|values| values.max))
    }
}

/// The values in order.
pub fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The median.
pub fn middle(sorted: &[f64]) -> Option<f64> {
    let half = sorted.len() / 2;
    let upper = sorted.get(half)?;
    if sorted.len() % 2 == 1 { Some(*upper) } else { Some((sorted.get(half - 1)? + upper) / 2.0) }
}

#[cfg(test)]
mod tests {
    use super::middle;

    #[test]
    fn the_median_of_an_even_number_is_between() {
        assert_eq!(middle(&[]), None);
        assert_eq!(middle(&[3.0]), Some(3.0));
        assert_eq!(middle(&[1.0, 2.0, 4.0, 9.0]), Some(3.0));
    }
}
