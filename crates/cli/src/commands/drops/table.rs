//! The table of groups for people.

use super::config::Asked;
use crate::text;
use crate::text::per_second;
use plumb_records::column::{Column, Shown, Value};
use plumb_records::drop::{DropGroup, DropGroupRow};
use plumb_records::ledger::Ledger;
use plumb_sinks::text::table::{Cell, Head, Table};
use plumb_sinks::text::{Ink, Style, clean, events, human, spark, units};
use std::time::Duration;

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

/// Columns that a group has in any case; the namespace only where not all are of one.
const PLACE: [&str; 3] = ["reason", "location", "interface"];

/// The keys that one column shows where all are asked for.
const FLOW: [&str; 5] = ["protocol", "src_ip", "dst_ip", "src_port", "dst_port"];

/// The columns that tell groups apart.
pub fn columns(keys: &[&'static str], several_namespaces: bool) -> Vec<&'static str> {
    let netns = several_namespaces.then_some("netns");
    let flow = FLOW.iter().all(|key| keys.contains(key));
    let others = keys.iter().copied().filter(|key| !flow || !FLOW.contains(key));
    PLACE.into_iter().chain(netns).chain(flow.then_some("flow")).chain(others).collect()
}

/// A group as a row shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    cells: Vec<String>,
    packets: u64,
    /// Packets of the time that the rate is of.
    recent: u64,
    history: Vec<u64>,
}

impl Line {
    /// `recent`: packets of the time that the rate is of.
    pub fn new(group: &DropGroup<'_>, columns: &[&str], recent: u64, history: &[u64]) -> Self {
        let cells = columns.iter().filter_map(|name| match column(name) {
            Some((index, column)) => Some(cell(group, index, column)),
            None => (*name == "flow").then(|| flow(group)),
        });
        Self { cells: cells.collect(), packets: group.packets, recent, history: history.to_vec() }
    }
}

fn cell(group: &DropGroup<'_>, index: usize, column: &Column) -> String {
    let mut text = String::new();
    group.cells(Shown::only(index), &mut |_, value| text = human(column, value));
    if column.name == "netns"
        && let Some(name) = group.netns_name
    {
        text = human(column, Value::Text(name));
    }
    if text.is_empty() { "-".to_owned() } else { text }
}

fn flow(group: &DropGroup<'_>) -> String {
    let text = events::flow(&DropGroupRow { group: group.clone(), shown: Shown::ALL });
    if text.is_empty() { "-".to_owned() } else { text }
}

fn column(name: &str) -> Option<(usize, &'static Column)> {
    DropGroup::COLUMNS.iter().enumerate().find(|(_, column)| column.name == name)
}

/// Everything that a table says.
pub struct Rows<'a> {
    /// Names of the columns of [`Line`].
    pub columns: &'a [&'static str],
    /// In the order in which they are shown.
    pub lines: &'a [Line],
    /// Packets of the overflow group.
    pub ungrouped: u64,
    /// Packets of which shares are taken.
    pub all: u64,
    /// The time that rates are of.
    pub time: Duration,
    /// What the numbers are.
    pub heading: Heading,
}

/// Renders the table within `width`.
pub fn render(rows: &Rows<'_>, style: Style, width: Option<usize>) -> String {
    let history = rows.heading != Heading::Total;
    let heads = rows.columns.iter().filter_map(|name| match column(name) {
        Some((_, column)) => Some(head(column)),
        None => (*name == "flow").then(|| Head::flexible("flow").least(FLOW_LEAST).worth(worth("flow"))),
    });
    let mut heads: Vec<Head> = heads.collect();
    let at = place(rows.columns);
    let numbers_of = ["packets", "rate", "share"].map(|title| Head::number(title).worth(worth(title)));
    heads.splice(at..at, numbers_of);
    if history {
        heads.push(Head::text("history").worth(worth("history")));
    }
    let mut table = Table::new(heads);
    for line in rows.lines {
        let mut cells: Vec<Cell> = line.cells.iter().map(|text| Cell::from(text.as_str())).collect();
        if let (Some(first), Some(reason)) = (cells.first_mut(), line.cells.first()) {
            *first = Cell::new(reason.as_str(), Ink::Strong);
        }
        cells.splice(at..at, numbers(rows, line.packets, Some(line.recent)));
        if history {
            #[allow(clippy::cast_precision_loss, reason = "eight levels")]
            let values = line.history.iter().map(|packets| *packets as f64);
            cells.push(spark::line(values, style).into());
        }
        table.row(cells);
    }
    if rows.ungrouped > 0 {
        let mut cells = vec![Cell::new("(table full)", Ink::Bad)];
        cells.resize(rows.columns.len(), Cell::default());
        let recent = (rows.heading != Heading::Live).then_some(rows.ungrouped);
        cells.splice(at..at, numbers(rows, rows.ungrouped, recent));
        table.row(cells);
    }
    let (mut out, left_out) = table.render_telling(width, style);
    // Rate, share and history are figures of what is shown.
    let missed: Vec<&str> = left_out.into_iter().filter(|title| worth(title) > worth("rate")).collect();
    out.push_str(&text::left_out(&missed, width));
    out
}

/// Where the numbers stand: behind the place.
fn place(columns: &[&str]) -> usize {
    columns.iter().take_while(|name| PLACE.contains(name) || **name == "netns").count()
}

/// What is left at least of names, on a narrow terminal.
const REASON_LEAST: usize = 18;
const LOCATION_LEAST: usize = 12;
/// That of a flow is as long as one of IPv4 commonly is.
const FLOW_LEAST: usize = 40;

/// Namespaces are shown by name where they have one, so they are aligned like text.
fn head(column: &Column) -> Head {
    let head = match column.name {
        "netns" => Head::text("netns"),
        "reason" => Head::of(column).least(REASON_LEAST),
        "location" => Head::of(column).least(LOCATION_LEAST),
        // Its first frame is the location.
        "stack" => Head::of(column).least(30),
        _ => Head::of(column),
    };
    head.worth(worth(column.name))
}

/// What a narrow terminal gives up last is worth most: what happened, how often, and where come first, then the keys
/// that --by asked for (6, and what is half a flow 5), then the other columns that every table has.
fn worth(column: &str) -> u8 {
    match column {
        "reason" => 9,
        "packets" => 8,
        "flow" => 7,
        "location" => 6,
        "protocol" | "src_port" => 4,
        "interface" => 3,
        "netns" => 3,
        "rate" => 2,
        "share" => 1,
        "history" => 0,
        _ => 5,
    }
}

fn numbers(rows: &Rows<'_>, packets: u64, recent: Option<u64>) -> [Cell; 3] {
    let rate = recent.map(|recent| units::rate(per_second(recent, rows.time)));
    [units::count(packets).into(), rate.unwrap_or_default().into(), units::percent(packets, rows.all).into()]
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
            " {} did not match the filters ({}).",
            units::count(filtered),
            clean(&asked.filters.join(", "))
        ));
    }
    if ledger.seen == 0 {
        out.push_str(" To see some: plumb lab --fault all -- plumb drops --for 3s");
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::{Heading, Line, Rows, columns, render};
    use plumb_records::drop::DropGroup;
    use plumb_sinks::text::Style;
    use std::time::Duration;

    const PLAIN: Style = Style { colour: false, unicode: true };

    fn groups() -> [DropGroup<'static>; 2] {
        let closed = DropGroup {
            reason: Some("NO_SOCKET"),
            location: Some("__udp4_lib_rcv+0x4bc"),
            interface: Some("eth0"),
            netns: Some(4_026_531_833),
            packets: 1500,
            dst_port: Some(9),
            ..DropGroup::default()
        };
        let filtered = DropGroup {
            reason: Some("NETFILTER_DROP"),
            location: Some("nft_do_chain+0x3e8 [nf_tables]"),
            netns: Some(4_026_532_246),
            netns_name: Some("blue"),
            packets: 500,
            ..DropGroup::default()
        };
        [closed, filtered]
    }

    fn table(keys: &[&'static str], several: bool, heading: Heading, ungrouped: u64) -> String {
        let columns = columns(keys, several);
        let lines = groups().map(|group| Line::new(&group, &columns, group.packets / 10, &[0, 4, 8]));
        let all = 2000 + ungrouped;
        let time = Duration::from_secs(1);
        render(&Rows { columns: &columns, lines: &lines, ungrouped, all, time, heading }, PLAIN, None)
    }

    #[test]
    fn totals() {
        let expected = "\
reason          location                        interface  packets   rate  share
NO_SOCKET       __udp4_lib_rcv+0x4bc            eth0         1,500  150/s  75.0%
NETFILTER_DROP  nft_do_chain+0x3e8 [nf_tables]  -              500   50/s  25.0%
";
        assert_eq!(table(&[], false, Heading::Total, 0), expected);
    }

    #[test]
    fn live_with_keys_namespaces_and_a_full_table() {
        let expected = "\
reason          location                        interface  netns       packets   rate  share  dst_port  history
NO_SOCKET       __udp4_lib_rcv+0x4bc            eth0       4026531833    1,500  150/s  60.0%         9   ▄█
NETFILTER_DROP  nft_do_chain+0x3e8 [nf_tables]  -          blue            500   50/s  20.0%         -   ▄█
(table full)                                                               500         20.0%
";
        assert_eq!(table(&["dst_port"], true, Heading::Live, 500), expected);
    }

    #[test]
    fn a_narrow_terminal_keeps_what_tells_most() {
        let columns = columns(&["protocol", "src_ip", "dst_ip", "src_port", "dst_port"], true);
        let group = DropGroup {
            src_ip: "2001:db8::1".parse().ok(),
            dst_ip: "2001:db8::2".parse().ok(),
            src_port: Some(40_000),
            protocol: Some(17),
            ..groups()[0].clone()
        };
        let lines = [Line::new(&group, &columns, 5, &[0, 4, 8]), Line::new(&groups()[1], &columns, 5, &[])];
        let (time, heading) = (Duration::from_secs(1), Heading::Live);
        let rows = Rows { columns: &columns, lines: &lines, ungrouped: 0, all: 2000, time, heading };
        assert_eq!(
            render(&rows, PLAIN, Some(80)),
            "\
reason          location       packets  flow
NO_SOCKET       __udp4_lib_r…    1,500  udp [2001:db8::1]:40000 > [2001:db8::2]…
NETFILTER_DROP  nft_do_chain…      500  -
left out: interface, netns (80 columns are too few, a pipe has all)
"
        );
        let narrow = render(&rows, PLAIN, Some(40));
        let told = "left out: location, interface, netns, flow (40 columns are too few, a pipe has all)\n";
        assert!(narrow.ends_with(told), "{narrow}");
        let wide = render(&rows, PLAIN, Some(140));
        assert!(wide.contains("interface") && !wide.contains("left out"), "{wide}");
    }
}
