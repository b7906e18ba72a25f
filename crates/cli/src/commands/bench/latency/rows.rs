//! Medians over repeats, as a table and as `bench_latency` records.

use super::super::report::{middle, sorted};
use super::Measured;
use super::talk::Moved;
use crate::text::{style, width};
use plumb_records::bench::LatencyBench;
use plumb_sinks::text::table::{Head, Table};
use plumb_sinks::text::units;
use std::io::IsTerminal;

/// One reader's row; `none` has as many runs as every reader.
pub fn row(name: &str, runs: &[Measured], none: &[Measured]) -> LatencyBench {
    let is_none = name == "none";
    let exchanges = sorted(runs.iter().map(|run| run.exchanges.rate()));
    let bulk = sorted(runs.iter().map(|run| run.bulk.rate()));
    let beside = |value: fn(&Measured, &Measured) -> f64| {
        sorted(runs.iter().zip(none).filter(|_| !is_none).map(|(run, none)| value(run, none)))
    };
    let ratio = |of: fn(&Measured) -> Moved| {
        let ratios = runs.iter().zip(none).filter(|_| !is_none);
        middle(&sorted(ratios.map(|(run, none)| of(run).rate() / of(none).rate())))
    };
    let overheads = beside(|run, none| run.exchanges.each_ns() - none.exchanges.each_ns());
    let hooks = middle(&sorted(runs.iter().filter_map(|run| Some(run.hooks?.0))));
    LatencyBench {
        reader: name.to_owned(),
        repeats: runs.len() as u64,
        exchanges_per_s: middle(&exchanges).unwrap_or_default(),
        exchanges_per_s_min: exchanges.first().copied().unwrap_or_default(),
        exchanges_per_s_max: exchanges.last().copied().unwrap_or_default(),
        exchanges_ratio: ratio(|run| run.exchanges),
        overhead_ns: middle(&overheads),
        overhead_ns_min: overheads.first().copied(),
        overhead_ns_max: overheads.last().copied(),
        hooks_per_exchange: hooks,
        overhead_ns_per_hook: middle(&overheads).zip(hooks).map(|(overhead, hooks)| overhead / hooks),
        program_ns_per_hook: middle(&sorted(runs.iter().filter_map(|run| Some(run.hooks?.1)))),
        bulk_bytes_per_s: middle(&bulk).unwrap_or_default(),
        bulk_bytes_per_s_min: bulk.first().copied().unwrap_or_default(),
        bulk_bytes_per_s_max: bulk.last().copied().unwrap_or_default(),
        bulk_ratio: ratio(|run| run.bulk),
        lost: runs.iter().filter_map(|run| run.lost).max(),
        complete: runs.iter().filter_map(|run| run.complete).min(),
        process_cpu_share: middle(&sorted(runs.iter().filter_map(|run| run.cpu))),
        peak_rss_bytes: runs.iter().filter_map(|run| run.peak).max(),
    }
}

/// A table, and the figures that decide against each other.
pub fn text(rows: &[LatencyBench]) -> String {
    let heads = [
        "exchanges",
        "min",
        "max",
        "ratio",
        "overhead",
        "min",
        "max",
        "hooks",
        "each",
        "in BPF",
        "bulk",
        "min",
        "max",
        "ratio",
        "lost",
        "complete",
        "CPU",
        "memory",
    ];
    let mut columns = vec![Head::text("reader")];
    columns.extend(heads.map(Head::number));
    let mut table = Table::new(columns);
    for row in rows {
        table.row(cells(row));
    }
    let text = table.render(width(), style(std::io::stdout().is_terminal()));
    format!("{text}{}", compared(rows))
}

/// What a reader adds to an exchange, as a share of what another one does.
fn compared(rows: &[LatencyBench]) -> String {
    let overhead = |name: &str| rows.iter().find(|row| row.reader == name)?.overhead_ns;
    let mut text = String::new();
    for (one, other) in [
        ("plumb", "bpftrace"),
        ("plumb", "bpftrace-kprobe"),
        ("plumb", "floor"),
        ("plumb-sample-16", "floor"),
    ] {
        if let Some((ours, theirs)) = overhead(one).zip(overhead(other)) {
            text += &format!(
                "\n{one} adds {:.2} of what {other} adds to an exchange ({ours:.0} ns and {theirs:.0} ns, medians).",
                ours / theirs
            );
        }
    }
    if text.is_empty() { text } else { text + "\n" }
}

fn cells(row: &LatencyBench) -> Vec<String> {
    let missing = || "-".to_owned();
    let ns = |value: Option<f64>| value.map_or_else(missing, |value| format!("{value:.0} ns"));
    let share = |value: Option<f64>| value.map_or_else(missing, |value| format!("{value:.3}"));
    let megabytes = |value: f64| format!("{:.0} MB/s", value / 1e6);
    vec![
        row.reader.clone(),
        units::rate(row.exchanges_per_s),
        units::rate(row.exchanges_per_s_min),
        units::rate(row.exchanges_per_s_max),
        share(row.exchanges_ratio),
        ns(row.overhead_ns),
        ns(row.overhead_ns_min),
        ns(row.overhead_ns_max),
        row.hooks_per_exchange.map_or_else(missing, |hooks| format!("{hooks:.1}")),
        ns(row.overhead_ns_per_hook),
        ns(row.program_ns_per_hook),
        megabytes(row.bulk_bytes_per_s),
        megabytes(row.bulk_bytes_per_s_min),
        megabytes(row.bulk_bytes_per_s_max),
        share(row.bulk_ratio),
        row.lost.map_or_else(missing, units::count),
        row.complete.map_or_else(missing, |complete| if complete { "yes" } else { "no" }.to_owned()),
        row.process_cpu_share.map_or_else(missing, |share| format!("{:.1}%", share * 100.0)),
        row.peak_rss_bytes.map_or_else(missing, units::bytes),
    ]
}
