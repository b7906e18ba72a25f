//! The table of actions for people.

use crate::text::{self, per_second};
use plumb_kernel::probes::xdp::Action;
use plumb_records::histogram::Spread;
use plumb_sinks::text::table::{Cell, Head, Table};
use plumb_sinks::text::{Ink, Style, spark, units};
use std::time::Duration;

use super::sample::Part;

/// What is shown besides the parts.
pub struct Frame<'a> {
    /// Names of the interfaces.
    pub interfaces: &'a [String],
    /// A column for the CPU.
    pub by_cpu: bool,
    /// Columns for times.
    pub timed: bool,
    /// The time that the parts are of.
    pub time: Duration,
}

/// A row: what is counted, and of which time the rate is.
pub struct Row<'a> {
    /// Packets, bytes and times.
    pub part: &'a Part,
    /// Packets and bytes of the time that rates are of.
    pub recent: (u64, u64),
    /// Packets of the last intervals; none in a final table.
    pub history: &'a [u64],
}

/// Renders the table within `width`.
pub fn render(frame: &Frame<'_>, rows: &[Row<'_>], style: Style, width: Option<usize>) -> String {
    let history = rows.iter().any(|row| !row.history.is_empty());
    let mut heads = vec![Head::text("interface"), Head::text("action")];
    heads.extend(frame.by_cpu.then(|| Head::number("cpu")));
    heads.extend(["packets", "rate", "share", "size", "size/s"].map(Head::number));
    if frame.timed {
        heads.extend(Spread::NAMES.map(Head::number));
    }
    heads.extend(history.then(|| Head::text("history")));
    let all: u64 = rows.iter().map(|row| row.part.count.packets).sum();
    let mut table = Table::new(heads);
    for row in rows {
        table.row(cells(frame, row, all, history, style));
    }
    table.render(width, style)
}

fn cells(frame: &Frame<'_>, row: &Row<'_>, all: u64, history: bool, style: Style) -> Vec<Cell> {
    let part = row.part;
    let interface = frame.interfaces.get(part.target).map_or("-", String::as_str);
    let action = Action::ALL.get(part.action).map_or("-", |action| action.name());
    let mut cells = vec![Cell::from(interface), Cell::new(action, Ink::Strong)];
    cells.extend(frame.by_cpu.then(|| Cell::from(part.cpu.map_or_else(String::new, |cpu| cpu.to_string()))));
    let (packets, bytes) = row.recent;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate for people")]
    let speed = units::bytes(per_second(bytes, frame.time) as u64);
    cells.extend([
        Cell::from(units::count(part.count.packets)),
        units::rate(per_second(packets, frame.time)).into(),
        units::percent(part.count.packets, all).into(),
        units::bytes(part.count.bytes).into(),
        format!("{speed}/s").into(),
    ]);
    if let Some(times) = part.times.as_ref().filter(|_| frame.timed) {
        cells.extend(text::times(&times.spread()));
    }
    if history {
        #[allow(clippy::cast_precision_loss, reason = "eight levels")]
        let values = row.history.iter().map(|packets| *packets as f64);
        cells.push(spark::line(values, style).into());
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumb_kernel::probes::xdp::Count;
    use plumb_records::histogram::Histogram;

    const PLAIN: Style = Style { colour: false, unicode: true };

    fn part(action: usize, packets: u64, cpu: Option<u32>) -> Part {
        let count = Count { packets, bytes: packets * 1000, ..Count::default() };
        let mut times = Histogram::default();
        (0..packets).for_each(|_| times.add(30));
        Part { target: 0, action, cpu, count, times: Some(times) }
    }

    #[test]
    fn totals_and_times() {
        let names = ["eth0".to_owned()];
        let parts = [part(1, 3000, Some(0)), part(2, 1000, Some(1))];
        let rows: Vec<Row<'_>> = parts
            .iter()
            .map(|part| Row { part, recent: (part.count.packets, part.count.bytes), history: &[] })
            .collect();
        let mut frame =
            Frame { interfaces: &names, by_cpu: false, timed: false, time: Duration::from_secs(1) };
        let expected = "\
interface  action  packets     rate  share    size    size/s
eth0       DROP      3,000  3.0 k/s  75.0%  3.0 MB  3.0 MB/s
eth0       PASS      1,000  1.0 k/s  25.0%  1.0 MB  1.0 MB/s
";
        assert_eq!(render(&frame, &rows, PLAIN, None), expected);
        (frame.by_cpu, frame.timed) = (true, true);
        let text = render(&frame, &rows, PLAIN, None);
        let expected = "eth0       DROP      0    3,000  3.0 k/s  75.0%  3.0 MB  3.0 MB/s  30 ns  30 ns  30 ns  30 ns  30 ns  30 ns";
        assert_eq!(text.lines().nth(1), Some(expected));
    }
}
