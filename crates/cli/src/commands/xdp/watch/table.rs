//! The table of other programs' actions, for people.

use super::reading::Line;
use crate::text::{self, per_second};
use plumb_kernel::probes::xdp::Action;
use plumb_records::histogram::{Histogram, Spread};
use plumb_sinks::text::table::{Cell, Head, Table};
use plumb_sinks::text::{Ink, Style, units};
use std::time::Duration;

/// What is shown besides the lines.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// A column for the CPU.
    pub by_cpu: bool,
    /// Columns for times.
    pub timed: bool,
    /// The time that rates are of.
    pub time: Duration,
}

/// A line, with the words for what it is of.
pub struct Row<'a> {
    pub line: &'a Line,
    /// Name and id of the program.
    pub program: String,
    /// Name of the interface.
    pub interface: String,
    /// Packets and bytes of the time that rates are of.
    pub recent: (u64, Option<u64>),
}

/// Renders the table within `width`.
pub fn render(frame: Frame, rows: &[Row<'_>], style: Style, width: Option<usize>) -> String {
    let dropped = rows.iter().any(|row| row.line.drops.is_some());
    let mut heads = vec![Head::flexible("program"), Head::flexible("interface"), Head::text("action")];
    heads.extend(frame.by_cpu.then(|| Head::number("cpu")));
    heads.extend(["packets", "rate"].map(Head::number));
    heads.extend(dropped.then(|| Head::number("drops")));
    heads.extend(["size", "size/s"].map(Head::number));
    if frame.timed {
        heads.extend(Spread::NAMES.map(Head::number));
    }
    let mut table = Table::new(heads);
    for row in rows {
        table.row(cells(frame, row, dropped));
    }
    table.render(width, style)
}

/// What is not known is a dash.
fn known(value: Option<String>) -> Cell {
    Cell::from(value.unwrap_or_else(|| "-".to_owned()))
}

fn cells(frame: Frame, row: &Row<'_>, dropped: bool) -> Vec<Cell> {
    let line = row.line;
    let action = line.action.map_or("-", Action::name);
    let mut cells = vec![row.program.as_str().into(), row.interface.as_str().into()];
    cells.push(Cell::new(action, Ink::Strong));
    cells.extend(frame.by_cpu.then(|| known(line.cpu.map(|cpu| cpu.to_string()))));
    cells.push(units::count(line.packets).into());
    cells.push(units::rate(per_second(row.recent.0, frame.time)).into());
    cells.extend(dropped.then(|| known(line.drops.map(units::count))));
    cells.push(known(line.bytes.map(units::bytes)));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate for people")]
    let speed = row.recent.1.map(|bytes| units::bytes(per_second(bytes, frame.time) as u64));
    cells.push(known(speed.map(|speed| format!("{speed}/s"))));
    if frame.timed {
        let spread = line.times.as_ref().map(Histogram::spread).unwrap_or_default();
        cells.extend(text::times(&Spread { mean: line.mean_ns, ..spread }));
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_a_dash() {
        let sum = Line {
            packets: 2000,
            bytes: Some(120_000),
            drops: Some(7),
            mean_ns: Some(41),
            ..Line::default()
        };
        let drop = Line { packets: 5, bytes: Some(300), action: Some(Action::Drop), ..Line::default() };
        let row = |line| Row {
            line,
            program: "filter 12".to_owned(),
            interface: "eth0".to_owned(),
            recent: (1000, None),
        };
        let frame = Frame { by_cpu: false, timed: true, time: Duration::from_secs(1) };
        let text = render(frame, &[row(&sum), row(&drop)], Style::default(), None);
        let expected = "\
program    interface  action  packets     rate  drops    size  size/s   mean  p50  p90  p99  p99.9  max
filter 12  eth0       -         2,000  1.0 k/s      7  120 kB       -  41 ns    -    -    -      -    -
filter 12  eth0       DROP          5  1.0 k/s      -   300 B       -      -    -    -    -      -    -
";
        assert_eq!(text, expected);
    }
}
