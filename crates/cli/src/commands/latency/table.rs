//! The table of stages for people.

use crate::text;
use plumb_kernel::probes::latency::{Direction, Outcomes, Stage};
use plumb_records::histogram::Spread;
use plumb_sinks::text::table::{Cell, Head, Table};
use plumb_sinks::text::{Ink, Style, units};

/// Characters of the longest bar.
const BAR: u64 = 20;

/// Names of a stage's ends.
pub fn ends(stage: &Stage) -> (&'static str, &'static str) {
    stage.ends.map_or(("total", "total"), |(from, to)| (from.name(), to.name()))
}

/// Renders the stages within `width`, those of a direction together.
pub fn render(stages: &[Stage], style: Style, width: Option<usize>) -> String {
    let mut heads = vec![Head::text("way"), Head::text("stage")];
    heads.push(Head::number("packets"));
    heads.extend(Spread::NAMES.map(Head::number));
    heads.push(Head::text("share of the time"));
    let mut table = Table::new(heads);
    let mut last = None;
    for stage in stages {
        let way = if last == Some(stage.direction) { "" } else { name(stage.direction) };
        last = Some(stage.direction);
        let whole = stages.iter().find(|other| other.direction == stage.direction && other.ends.is_none());
        let sum = whole.map_or(0, |whole| whole.times.sum);
        table.row(cells(stage, way, sum, style));
    }
    table.render(width, style)
}

/// What packets of a direction are called.
pub fn name(direction: Direction) -> &'static str {
    match direction {
        Direction::Receive => "received",
        Direction::Transmit => "sent",
        Direction::Forward => "forwarded",
    }
}

/// What a stage is called.
pub fn label(stage: &Stage, style: Style) -> String {
    let arrow = if style.unicode { "→" } else { "->" };
    match stage.ends {
        Some((from, to)) => format!("{} {arrow} {}", from.name(), to.name()),
        None => "total".to_owned(),
    }
}

fn cells(stage: &Stage, way: &'static str, sum: u64, style: Style) -> Vec<Cell> {
    let times = &stage.times;
    let ink = if stage.ends.is_some() { Ink::Plain } else { Ink::Strong };
    let mut cells = vec![Cell::new(way, Ink::Strong), Cell::new(label(stage, style), ink)];
    cells.push(units::count(times.count()).into());
    cells.extend(text::times(&times.spread()));
    let bar = if stage.ends.is_some() { bar(times.sum, sum, style) } else { String::new() };
    cells.push(bar.into());
    cells
}

/// How much of all packets' time was spent here.
fn bar(part: u64, whole: u64, style: Style) -> String {
    let bar = blocks(part, whole, BAR, style);
    format!("{bar} {}", units::percent(part, whole)).trim_start().to_owned()
}

/// A bar for a part of what has one of `longest` characters, which is the longest that there is.
pub fn blocks(part: u64, whole: u64, longest: u64, style: Style) -> String {
    let length = u128::from(part.min(whole)) * u128::from(longest) / u128::from(whole.max(1));
    let block = if style.unicode { "█" } else { "#" };
    block.repeat(usize::try_from(length).unwrap_or_default())
}

/// What became of the packets, in words.
pub fn outcomes(outcomes: &Outcomes) -> String {
    let words = [
        ("delivered", outcomes.delivered),
        ("transmitted", outcomes.transmitted),
        ("forwarded", outcomes.forwarded),
        ("dropped", outcomes.dropped),
        ("merged", outcomes.merged),
        ("consumed by the stack", outcomes.consumed),
        ("never read", outcomes.unread),
        ("lost sight of", outcomes.strayed),
    ];
    let told: Vec<String> = words
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| format!("{} {word}", units::count(*count)))
        .collect();
    if told.is_empty() { "none was followed".to_owned() } else { told.join(", ") }
}
