//! The table of groups for people.

use super::config::Asked;
use super::groups::{Part, Past};
use crate::clock::Span;
use crate::enrich::Names;
use crate::text::per_second;
use plumb_kernel::probes::drops::Group;
use plumb_records::column::{Shown, Value};
use plumb_records::drop::DropGroup;
use plumb_records::ledger::Ledger;
use plumb_sinks::text::table::{Cell, Head, Table};
use plumb_sinks::text::{Ink, Style, human, spark, units};

/// What the numbers of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heading {
    /// Those of one interval.
    Interval,
    /// Those of the run so far, with the rate of the last interval.
    Live,
    /// Those of the whole run.
    Total,
}

/// What a table shows.
pub struct Rows<'a> {
    /// In the order in which they are shown.
    pub parts: &'a [Part],
    /// All groups of the probe.
    pub groups: &'a [Group],
    /// Packets and bytes of the overflow group.
    pub ungrouped: (u64, u64),
    /// Packets of which shares are taken.
    pub all: u64,
    /// The interval or the run.
    pub span: Span,
    /// Which of the two.
    pub heading: Heading,
    /// Earlier intervals.
    pub past: &'a Past,
}

/// Columns that a group has in any case; the namespace only where not all are of one.
const PLACE: [&str; 3] = ["reason", "location", "interface"];

/// Renders the table within `width`.
pub fn render(
    rows: &Rows<'_>,
    keys: &[&'static str],
    names: &mut Names,
    stack: impl Fn(&Group) -> Option<Vec<u64>>,
    style: Style,
    width: Option<usize>,
) -> String {
    let mut namespaces = rows.parts.iter().filter_map(|part| rows.groups.get(part.index)).map(Group::netns);
    let first = namespaces.next();
    let several = namespaces.any(|netns| Some(netns) != first);
    let mut columns: Vec<&str> = PLACE.to_vec();
    if several {
        columns.push("netns");
    }
    columns.extend(keys);
    let mut heads: Vec<Head> =
        columns.iter().filter_map(|name| column(name)).map(|(_, column)| Head::of(column)).collect();
    heads.extend([Head::number("packets"), Head::number("rate"), Head::number("share")]);
    let history = rows.heading != Heading::Total;
    if history {
        heads.push(Head::text("history"));
    }
    let mut table = Table::new(heads);
    for part in rows.parts {
        let Some(group) = rows.groups.get(part.index) else { continue };
        let mut cells = cells(group, &columns, names, &stack, rows.span);
        cells.extend(numbers(rows, part));
        if history {
            cells.push(
                spark::line(rows.past.history(part.index).iter().map(|packets| *packets as f64), style)
                    .into(),
            );
        }
        table.row(cells);
    }
    if rows.ungrouped.0 > 0 {
        table.row(overflow(rows, columns.len()));
    }
    table.render(width, style)
}

fn column(name: &str) -> Option<(usize, &'static plumb_records::column::Column)> {
    DropGroup::COLUMNS.iter().enumerate().find(|(_, column)| column.name == name)
}

/// The cells that tell a group from others.
fn cells(
    group: &Group,
    columns: &[&str],
    names: &mut Names,
    stack: &impl Fn(&Group) -> Option<Vec<u64>>,
    span: Span,
) -> Vec<Cell> {
    let stack = stack(group).map(|addresses| names.stack(addresses.into_iter()));
    let record = DropGroup { stack, ..names.group(group, span.end) };
    let mut cells = Vec::new();
    for name in columns {
        let Some((index, column)) = column(name) else { continue };
        let mut text = String::new();
        record.cells(Shown(1 << index), &mut |_, value| text = human(column, value));
        if *name == "netns"
            && let Some(known) = record.netns_name
        {
            text = human(column, Value::Text(known));
        }
        let ink = if *name == "reason" { Ink::Strong } else { Ink::Plain };
        cells.push(Cell::new(if text.is_empty() { "-".to_owned() } else { text }, ink));
    }
    cells
}

fn numbers(rows: &Rows<'_>, part: &Part) -> [Cell; 3] {
    let recent = match rows.heading {
        Heading::Live => rows.past.history(part.index).last().copied().unwrap_or(0),
        Heading::Interval | Heading::Total => part.packets,
    };
    [
        units::count(part.packets).into(),
        units::rate(per_second(recent, rows.span.duration())).into(),
        units::percent(part.packets, rows.all).into(),
    ]
}

/// What found no room in the table.
fn overflow(rows: &Rows<'_>, columns: usize) -> Vec<Cell> {
    let (packets, _) = rows.ungrouped;
    let mut cells = vec![Cell::new("(table full)", Ink::Bad)];
    cells.resize(columns, Cell::default());
    cells.push(units::count(packets).into());
    cells.push(match rows.heading {
        Heading::Live => Cell::default(),
        _ => units::rate(per_second(packets, rows.span.duration())).into(),
    });
    cells.push(units::percent(packets, rows.all).into());
    cells
}

/// What stands where no group is: what would change that.
pub fn empty(ledger: &Ledger, asked: &Asked) -> String {
    let mut out = String::from("Nothing was dropped.");
    if ledger.hidden > 0 {
        out.push_str(&format!(
            " {} were hidden as noise: --noise show counts them.",
            units::count(ledger.hidden)
        ));
    }
    let filtered = ledger.filtered.saturating_sub(ledger.hidden);
    if filtered > 0 {
        out.push_str(&format!(
            " {} passed no filter ({}).",
            units::count(filtered),
            asked.filters.join(", ")
        ));
    }
    if ledger.seen == 0 {
        out.push_str(" To see some: plumb lab --fault all -- plumb drops --for 3s");
    }
    out.push('\n');
    out
}

/// Lines of at most `columns` characters, colour aside: only the title and the footer can be longer.
pub fn fit(text: &str, columns: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        if line.contains('\x1b') || line.chars().count() <= columns {
            out.push_str(line);
        } else {
            out.extend(line.chars().take(columns));
        }
        out.push('\n');
    }
    out
}
