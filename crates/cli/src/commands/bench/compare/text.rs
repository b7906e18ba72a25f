//! The result for people on a terminal.

use super::super::rows::{or_dash, table};
use super::Result;
use plumb_records::bench::{ReaderBench, ReaderFit};
use plumb_sinks::text::units;

/// A table of readers for each rate, then their lines.
pub fn text(result: &Result) -> String {
    let mut text = String::new();
    for rows in result.rows.chunk_by(|one, other| one.asked_per_s == other.asked_per_s) {
        text += &format!("{}:\n", heading(rows));
        text += &table(&["reader"], &[&HEADS[..], &["totals"]].concat(), rows.iter().map(cells));
        text.push('\n');
    }
    if !result.fits.is_empty() {
        text += &format!("{LINES}:\n");
        text += &table(&["reader", "CPU of"], &LINE_HEADS, result.fits.iter().map(line_cells));
    }
    text
}

/// The columns between the reader's name and whether its totals agree.
pub const HEADS: [&str; 16] = [
    "offered",
    "lost",
    "CPU/packet",
    "min",
    "max",
    "of recv()",
    "CPU",
    "machine/packet",
    "min",
    "max",
    "wake-ups",
    "memory",
    "delay p50",
    "p99",
    "p99.9",
    "inside p50",
];

/// What stands above lines.
pub const LINES: &str =
    "CPU time by a straight line through all rates; what 10 Gbit/s would need is a projection of it";

/// What stands above the rows of a rate.
pub fn heading(rows: &[ReaderBench]) -> String {
    let asked = rows.first().and_then(|row| row.asked_per_s);
    let rate = asked.map_or_else(|| "The highest rate".to_owned(), units::rate);
    format!("{rate} of {} bytes", rows.first().map_or(0.0, |row| row.packet_bytes))
}

/// A share of one CPU.
pub fn share(value: f64) -> String {
    match value.abs() {
        0.0 => "0%".to_owned(),
        size if size < 0.01 => format!("{:.3}%", value * 100.0),
        _ => format!("{:.1}%", value * 100.0),
    }
}

/// A time per packet.
pub fn each(ns: f64) -> String {
    if ns.abs() < 10.0 { format!("{ns:.2} ns") } else { format!("{ns:.0} ns") }
}

/// A ratio: a share, or a part of one where it is small.
pub fn ratio(value: f64) -> String {
    if value > 0.0 && value < 0.1 { format!("1/{:.0}", 1.0 / value) } else { format!("{value:.2}") }
}

/// Whether the totals agree.
pub fn verdict(row: &ReaderBench) -> String {
    match (&row.invalid_because, row.received) {
        (Some(why), _) => format!("INVALID: {why}"),
        (None, Some(_)) => "agree".to_owned(),
        (None, None) => "-".to_owned(),
    }
}

/// The cells of a row.
pub fn cells(row: &ReaderBench) -> Vec<String> {
    let time = |value: Option<u64>| or_dash(value, units::duration);
    let share_of_lost =
        |share: f64| if share == 0.0 { "0".to_owned() } else { format!("{:.3}%", share * 100.0) };
    vec![
        row.reader.clone(),
        units::rate(row.offered_per_s),
        or_dash(row.lost_share, share_of_lost),
        or_dash(row.process_cpu_ns_per_packet, each),
        or_dash(row.process_cpu_ns_per_packet_min, each),
        or_dash(row.process_cpu_ns_per_packet_max, each),
        or_dash(row.process_cpu_of_baseline, ratio),
        or_dash(row.process_cpu_share, share),
        or_dash(row.machine_cpu_ns_per_packet, each),
        or_dash(row.machine_cpu_ns_per_packet_min, each),
        or_dash(row.machine_cpu_ns_per_packet_max, each),
        or_dash(row.wakeups_per_s, units::rate),
        or_dash(row.peak_rss_bytes, units::bytes),
        time(row.delay_p50_ns),
        time(row.delay_p99_ns),
        time(row.delay_p999_ns),
        time(row.inside_p50_ns),
        verdict(row),
    ]
}

/// The columns of a line behind the reader's name and whose CPU time it is.
pub const LINE_HEADS: [&str; 9] = [
    "at rest",
    "per packet",
    "r2",
    "fills a CPU at",
    "measured at",
    "CPU",
    "by the line",
    "10G of 64 B",
    "of 1500 B",
];

/// The cells of a line.
pub fn line_cells(fit: &ReaderFit) -> Vec<String> {
    let cpus = |value: f64| format!("{value:.2} CPUs");
    vec![
        fit.reader.clone(),
        fit.of.to_owned(),
        share(fit.fixed_share),
        each(fit.ns_per_packet),
        or_dash(fit.r_squared, |value| format!("{value:.3}")),
        or_dash(fit.saturates_per_s, units::rate),
        or_dash(fit.measured_per_s, units::rate),
        or_dash(fit.measured_share, share),
        or_dash(fit.fitted_share, share),
        or_dash(fit.projected_10g_64_bytes_cpus, cpus),
        or_dash(fit.projected_10g_1500_bytes_cpus, cpus),
    ]
}

/// A number of packets per second, short.
pub fn plain_rate(per_second: f64) -> String {
    units::rate(per_second).trim_end_matches("/s").to_owned()
}
