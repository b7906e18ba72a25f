//! The table of stages for people.

use crate::text;
use plumb_kernel::probes::latency::{Direction, Outcomes, Stage};
use plumb_records::histogram::Spread;
use plumb_sinks::text::table::{Cell, Head, Table};
use plumb_sinks::text::{Ink, Style, units};

/// Characters of the longest bar.
const BAR: u64 = 20;

/// Below so many columns the way has lines of its own rather than a column.
const NARROW: usize = 60;
/// Characters of a stage's name at least.
const STAGE_LEAST: usize = 18;

/// Names of a stage's ends.
pub fn ends(stage: &Stage) -> (&'static str, &'static str) {
    stage.ends.map_or(("total", "total"), |(from, to)| (from.name(), to.name()))
}

/// Renders the stages within `width`, those of a direction together. Titles of columns that have no room there are added to
/// `left_out`, each once.
pub fn render(stages: &[Stage], style: Style, width: Option<usize>, left_out: &mut Vec<String>) -> String {
    let narrow = width.is_some_and(|width| width < NARROW);
    let mut heads = vec![Head::text("way").worth(5), Head::flexible("stage").least(STAGE_LEAST).worth(5)];
    heads.push(Head::number("packets").worth(2));
    heads.extend(Spread::NAMES.map(|name| Head::number(name).worth(worth(name))));
    heads.push(Head::text("share of the time"));
    heads.drain(..usize::from(narrow));
    let mut table = Table::new(heads);
    let mut last = None;
    for stage in stages {
        let new = last != Some(stage.direction);
        last = Some(stage.direction);
        let way = Cell::new(if new { name(stage.direction) } else { "" }, Ink::Strong);
        let whole = stages.iter().find(|other| other.direction == stage.direction && other.ends.is_none());
        let sum = whole.map_or(0, |whole| whole.times.sum);
        let cells = cells(stage, sum, style);
        if !narrow {
            table.row([vec![way], cells].concat());
            continue;
        }
        if new {
            table.row([way]);
        }
        table.row(cells);
    }
    rendered(&table, style, width, left_out)
}

/// A table within `width`. Titles of columns that have no room there are added to `left_out`, each once.
pub fn rendered(table: &Table, style: Style, width: Option<usize>, left_out: &mut Vec<String>) -> String {
    let (out, titles) = table.render_telling(width, style);
    for title in titles {
        if !left_out.iter().any(|other| other == title) {
            left_out.push(title.to_owned());
        }
    }
    out
}

/// What a narrow terminal gives up last is worth most: how long it takes as a rule and at worst.
pub fn worth(name: &str) -> u8 {
    match name {
        "p50" | "p99" => 4,
        "max" => 1,
        _ => 0,
    }
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

fn cells(stage: &Stage, sum: u64, style: Style) -> Vec<Cell> {
    let times = &stage.times;
    let ink = if stage.ends.is_some() { Ink::Plain } else { Ink::Strong };
    let mut cells = vec![Cell::new(label(stage, style), ink)];
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

#[cfg(test)]
mod tests {
    use super::*;
    use plumb_kernel::probes::latency::Hook;
    use plumb_records::histogram::Histogram;

    const PLAIN: Style = Style { colour: false, unicode: false };

    fn stages() -> Vec<Stage> {
        let ways = [
            (Direction::Receive, Some((Hook::Driver, Hook::Receive)), 1_000),
            (Direction::Receive, None, 2_000),
            (Direction::Transmit, Some((Hook::ToDriver, Hook::FromDriver)), 30_000),
            (Direction::Transmit, None, 30_000),
        ];
        let stage = |(direction, ends, time)| {
            let mut times = Histogram::default();
            times.add_times(time, 1_234);
            Stage { group: None, direction, ends, times }
        };
        ways.map(stage).into()
    }

    #[test]
    fn a_narrow_terminal_keeps_median_and_99th_percentile() {
        let mut left_out = Vec::new();
        let expected = "\
stage                       p50      p99
received
driver -> receive        1.0 us   1.0 us
total                    2.0 us   2.0 us
sent
to_driver -> from_dri~  30.0 us  30.0 us
total                   30.0 us  30.0 us
";
        let text = render(&stages(), PLAIN, Some(40), &mut left_out);
        assert_eq!(text, expected);
        assert_eq!(left_out, ["packets", "mean", "p90", "p99.9", "max", "share of the time"]);
        assert!(
            text::left_out(&left_out, Some(40))
                .starts_with("left out: packets, mean, p90, p99.9, max, share")
        );
    }

    #[test]
    fn what_has_room_is_there() {
        let titles = |width| {
            let text = render(&stages(), PLAIN, width, &mut Vec::new());
            text.lines().next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(titles(None), "way stage packets mean p50 p90 p99 p99.9 max share of the time");
        assert_eq!(titles(Some(80)), "way stage packets mean p50 p99 max");
        assert_eq!(titles(Some(60)), "way stage packets p50 p99");
        assert_eq!(titles(Some(50)), "stage packets p50 p99");
    }
}
