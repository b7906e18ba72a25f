//! Medians over repeats, as a table and as `bench_latency` records.

use super::super::rows::{Middle, median, or_dash, table};
use super::Measured;
use super::talk::Moved;
use plumb_records::bench::LatencyBench;
use plumb_sinks::text::units;

/// One reader's row; `none` has as many runs as every reader.
pub fn row(name: &str, runs: &[Measured], none: &[Measured]) -> LatencyBench {
    let is_none = name == "none";
    let exchanges = Middle::of(runs.iter().map(|run| run.exchanges.rate()));
    let bulk = Middle::of(runs.iter().map(|run| run.bulk.rate()));
    let beside = |value: fn(&Measured, &Measured) -> f64| {
        Middle::of(runs.iter().zip(none).filter(|_| !is_none).map(|(run, none)| value(run, none)))
    };
    let ratio = |of: fn(&Measured) -> Moved| {
        let ratios = runs.iter().zip(none).filter(|_| !is_none);
        median(ratios.map(|(run, none)| of(run).rate() / of(none).rate()))
    };
    let overheads = beside(|run, none| run.exchanges.each_ns() - none.exchanges.each_ns());
    let hooks = median(runs.iter().filter_map(|run| Some(run.hooks?.0)));
    let (exchanges_per_s, exchanges_per_s_min, exchanges_per_s_max) = exchanges.unwrap_or_default().three();
    let (bulk_bytes_per_s, bulk_bytes_per_s_min, bulk_bytes_per_s_max) = bulk.unwrap_or_default().three();
    let (overhead_ns, overhead_ns_min, overhead_ns_max) = Middle::split(overheads);
    LatencyBench {
        reader: name.to_owned(),
        repeats: runs.len() as u64,
        exchanges_per_s,
        exchanges_per_s_min,
        exchanges_per_s_max,
        exchanges_ratio: ratio(|run| run.exchanges),
        overhead_ns,
        overhead_ns_min,
        overhead_ns_max,
        hooks_per_exchange: hooks,
        overhead_ns_per_hook: overhead_ns.zip(hooks).map(|(overhead, hooks)| overhead / hooks),
        program_ns_per_hook: median(runs.iter().filter_map(|run| Some(run.hooks?.1))),
        bulk_bytes_per_s,
        bulk_bytes_per_s_min,
        bulk_bytes_per_s_max,
        bulk_ratio: ratio(|run| run.bulk),
        lost: runs.iter().filter_map(|run| run.lost).max(),
        complete: runs.iter().filter_map(|run| run.complete).min(),
        process_cpu_share: median(runs.iter().filter_map(|run| run.cpu)),
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
    let text = table(&["reader"], &heads, rows.iter().map(cells));
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
    let ns = |value: Option<f64>| or_dash(value, |value| format!("{value:.0} ns"));
    let share = |value: Option<f64>| or_dash(value, |value| format!("{value:.3}"));
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
        or_dash(row.hooks_per_exchange, |hooks| format!("{hooks:.1}")),
        ns(row.overhead_ns_per_hook),
        ns(row.program_ns_per_hook),
        megabytes(row.bulk_bytes_per_s),
        megabytes(row.bulk_bytes_per_s_min),
        megabytes(row.bulk_bytes_per_s_max),
        share(row.bulk_ratio),
        or_dash(row.lost, units::count),
        or_dash(row.complete, |complete| if complete { "yes" } else { "no" }.to_owned()),
        or_dash(row.process_cpu_share, |share| format!("{:.1}%", share * 100.0)),
        or_dash(row.peak_rss_bytes, units::bytes),
    ]
}
