//! The rows of `plumb bench traffic`, for people and for programs.

use super::super::rows::{or_dash, table};
use plumb_records::traffic::TrafficBench;
use plumb_sinks::text::units;

/// A table, and the highest rates against each other.
pub fn text(rows: &[TrafficBench]) -> String {
    let heads =
        ["threads", "asked", "arrived", "min", "max", "off by", "longest gap", "late p99", "CPU/packet"];
    let mut text = table(&["generator"], &heads, rows.iter().map(cells));
    for row in rows.iter().filter(|row| row.generator == "plumb" && row.asked_per_s.is_none()) {
        let rival =
            rows.iter().find(|other| other.generator == "xdp-trafficgen" && other.threads == row.threads);
        if let Some(rival) = rival {
            text += &format!(
                "\nWith {} threads plumb's highest rate is {:.2} of xdp-trafficgen's (medians of {} repeats).\n",
                row.threads,
                row.received_per_s / rival.received_per_s,
                row.repeats
            );
        }
    }
    text
}

fn cells(row: &TrafficBench) -> Vec<String> {
    let time = |value: Option<u64>| or_dash(value, units::duration);
    vec![
        row.generator.clone(),
        row.threads.to_string(),
        row.asked_per_s.map_or_else(|| "max".to_owned(), units::rate),
        units::rate(row.received_per_s),
        units::rate(row.received_per_s_min),
        units::rate(row.received_per_s_max),
        or_dash(row.deviation, |share| format!("{:.2}%", share * 100.0)),
        time(row.gap_max_ns),
        time(row.late_p99_ns),
        format!("{:.0} ns", row.cpu_ns_per_packet),
    ]
}
