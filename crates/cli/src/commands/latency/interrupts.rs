//! Interrupts, softirqs and NAPI polls, told below the stages.

use super::table;
use crate::clock::Span as Interval;
use crate::counted::Since;
use crate::failure::Outcome;
use crate::outputs::Outputs;
use crate::text;
use plumb_kernel::probes::latency::irq::{Interrupts, Irqs, Lost, Napi, Polls, Span, Times};
use plumb_records::column::Time;
use plumb_records::histogram::Spread;
use plumb_records::interrupt::{Irq, IrqLedger};
use plumb_records::ledger::Ledger;
use plumb_sinks::text::table::{Cell, Head, Table as Text};
use plumb_sinks::text::{Ink, Style, units};

/// The NAPI instances that have no device.
const BACKLOG: &str = "backlog";

/// What is read and told.
pub struct Table<'obj> {
    irqs: Irqs<'obj>,
    now: Interrupts,
    before: Interrupts,
}

impl<'obj> Table<'obj> {
    pub fn new(irqs: Irqs<'obj>) -> Self {
        Self { irqs, now: Interrupts::default(), before: Interrupts::default() }
    }

    /// The next reading.
    pub fn read(&mut self) -> Outcome<()> {
        self.before = std::mem::replace(&mut self.now, self.irqs.read()?);
        Ok(())
    }

    pub fn detach(&mut self) {
        self.irqs.detach();
    }

    /// Nanoseconds that the programs took so far, where the kernel tells.
    pub fn cost_ns(&self) -> Option<u64> {
        self.now.cost_ns
    }

    /// What is missing so far.
    pub fn lost(&self) -> Lost {
        self.now.lost
    }

    /// Writes a record for each.
    pub fn write(&self, outputs: &mut Outputs, since: Since, (time, span): (Option<Time>, Interval)) {
        let blank = || Irq { time, duration_ns: span.nanoseconds(), ..Irq::default() };
        for line in times(&self.now, &self.before, since) {
            let record = Irq {
                kind: kind(line.span),
                number: Some(line.number),
                name: line.name.as_deref(),
                ..blank()
            };
            outputs.write_group(&record.timed(&line.times), 0);
        }
        for (napi, polls) in polls(&self.now, &self.before, since) {
            let record = Irq {
                kind: "napi",
                number: napi.id,
                name: Some(device(napi)),
                netns_cookie: napi.place.map(|(netns, _)| netns),
                ifindex: napi.place.map(|(_, ifindex)| ifindex),
                polls: Some(polls.polls),
                packets: Some(polls.packets),
                exhausted: Some(polls.exhausted),
                ..blank()
            };
            outputs.write_group(&record, 0);
        }
    }

    /// The tables for people within `width`.
    pub fn render(&self, since: Since, style: Style, width: Option<usize>) -> String {
        let (mut out, mut left_out) = (String::new(), Vec::new());
        let lines = times(&self.now, &self.before, since);
        if lines.is_empty() {
            out.push_str("\nNo interrupt and no softirq came.\n");
        } else {
            out.push_str(&format!("\n{}", timed(&lines, style, width, &mut left_out)));
        }
        let napis = polls(&self.now, &self.before, since);
        if !napis.is_empty() {
            out.push_str(&format!("\n{}", polled(&napis, style, width, &mut left_out)));
        }
        out.push_str(&text::left_out(&left_out, width));
        out.push_str(&lost(&self.now.lost));
        out
    }
}

/// The record of what is missing.
pub fn ledger(lost: &Lost, duration_ns: u64) -> IrqLedger {
    let Lost { irqs, polls, unmatched, vectors, skipped } = *lost;
    let ledger = IrqLedger {
        unmatched,
        lost_irqs: irqs,
        lost_polls: polls,
        lost_vectors: vectors,
        skipped,
        duration_ns,
        ..IrqLedger::default()
    };
    ledger.closed()
}

/// Adds what the programs took to what others did.
pub fn add_cost(ledger: &mut Ledger, cost_ns: Option<u64>) {
    ledger.cost_bpf_ns =
        cost_ns.map_or(ledger.cost_bpf_ns, |more| Some(ledger.cost_bpf_ns.unwrap_or(0) + more));
}

/// The columns' word for it.
fn kind(span: Span) -> &'static str {
    match span {
        Span::Irq => "irq",
        Span::SoftirqWait => "softirq_wait",
        Span::Softirq => "softirq",
    }
}

fn device(napi: &Napi) -> &str {
    match &napi.device {
        None if napi.place.is_none() => BACKLOG,
        device => device.as_deref().unwrap_or_default(),
    }
}

fn times(now: &Interrupts, before: &Interrupts, since: Since) -> Vec<Times> {
    let lines = now.times.iter().map(|line| {
        let same = |other: &&Times| {
            other.span == line.span && other.number == line.number && other.name == line.name
        };
        match before.times.iter().find(same).filter(|_| since == Since::Interval) {
            Some(before) => Times { times: line.times.since(&before.times), ..line.clone() },
            None => line.clone(),
        }
    });
    lines.filter(|line| line.times.count() > 0).collect()
}

fn polls<'a>(now: &'a Interrupts, before: &Interrupts, since: Since) -> Vec<(&'a Napi, Polls)> {
    let each = now.napis.iter().map(|(napi, polls)| {
        let earlier = before.napis.get(napi).filter(|_| since == Since::Interval);
        let earlier = earlier.copied().unwrap_or_default();
        let polls = Polls {
            polls: polls.polls.saturating_sub(earlier.polls),
            packets: polls.packets.saturating_sub(earlier.packets),
            exhausted: polls.exhausted.saturating_sub(earlier.exhausted),
        };
        (napi, polls)
    });
    each.filter(|(_, polls)| polls.polls > 0).collect()
}

fn timed(lines: &[Times], style: Style, width: Option<usize>, left_out: &mut Vec<String>) -> String {
    let mut heads = vec![Head::text("interrupts").worth(5), Head::number("number").worth(3)];
    heads.extend([Head::text("name").worth(5), Head::number("times").worth(2)]);
    heads.extend(Spread::NAMES.map(|name| Head::number(name).worth(table::worth(name))));
    let mut table = Text::new(heads);
    let mut last = None;
    for line in lines {
        let word = match line.span {
            span if last == Some(span) => "",
            Span::Irq => "irq",
            Span::SoftirqWait => "softirq wait",
            Span::Softirq => "softirq",
        };
        last = Some(line.span);
        let times = &line.times;
        let mut cells = vec![Cell::new(word, Ink::Strong), line.number.to_string().into()];
        cells.push(line.name.clone().unwrap_or_else(|| "-".to_owned()).into());
        cells.push(units::count(times.count()).into());
        cells.extend(text::times(&times.spread()));
        table.row(cells);
    }
    table::rendered(&table, style, width, left_out)
}

fn polled(
    napis: &[(&Napi, Polls)],
    style: Style,
    width: Option<usize>,
    left_out: &mut Vec<String>,
) -> String {
    let mut heads = vec![Head::text("napi"), Head::number("number")];
    heads.extend(["polls", "packets", "packets/poll", "budget used up"].map(Head::number));
    let mut table = Text::new(heads);
    for (napi, polls) in napis {
        let mut cells = vec![Cell::new(device(napi), Ink::Strong)];
        cells.push(napi.id.map_or_else(|| "-".to_owned(), |id| id.to_string()).into());
        cells.push(units::count(polls.polls).into());
        cells.push(units::count(polls.packets).into());
        cells.push(format!("{:.1}", polls.packets as f64 / polls.polls.max(1) as f64).into());
        cells.push(units::count(polls.exhausted).into());
        table.row(cells);
    }
    table::rendered(&table, style, width, left_out)
}

/// What is missing in the tables of the whole run, a line each.
pub fn lost(lost: &Lost) -> String {
    let words = [
        ("handlers found no room in the table", lost.irqs),
        ("polls found no room in the table", lost.polls),
        ("beginnings or ends came alone", lost.unmatched),
        ("softirqs have a vector that there is no place for", lost.vectors),
        ("events were skipped by the kernel", lost.skipped),
    ];
    words
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| format!("not counted: {} {what}\n", units::count(*count)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumb_records::histogram::Histogram;

    fn reading(waits: &[u64], polls: u64) -> Interrupts {
        let mut times = Histogram::default();
        waits.iter().for_each(|wait| times.add(*wait));
        let line = Times { span: Span::SoftirqWait, number: 3, name: Some("NET_RX".to_owned()), times };
        let napi = Napi { device: None, place: None, id: None };
        let polls = Polls { polls, packets: 2 * polls, exhausted: 0 };
        Interrupts { times: vec![line], napis: [(napi, polls)].into(), ..Interrupts::default() }
    }

    #[test]
    fn an_interval_is_what_came_in_it() {
        let (before, now) = (reading(&[5], 3), reading(&[5, 9], 7));
        let since = |since| {
            let lines = times(&now, &before, since);
            let polls = polls(&now, &before, since);
            (lines[0].times.count(), polls[0].1.polls, polls[0].1.packets)
        };
        assert_eq!(since(Since::Interval), (1, 4, 8));
        assert_eq!(since(Since::Ready), (2, 7, 14));
        assert!(
            times(&now, &now, Since::Interval).is_empty() && polls(&now, &now, Since::Interval).is_empty()
        );
    }

    #[test]
    fn tables_name_what_they_hold() {
        let now = reading(&[5, 9], 7);
        let (style, mut left_out) = (Style { colour: false, unicode: false }, Vec::new());
        let text = timed(&times(&now, &now, Since::Ready), style, None, &mut left_out)
            + &polled(&polls(&now, &now, Since::Ready), style, None, &mut left_out)
            + &lost(&Lost { irqs: 4, ..Lost::default() });
        for word in ["softirq wait", "NET_RX", "backlog", "2.0", "not counted: 4 handlers found no room"] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }

    /// The same columns go as from the table of stages, and a line says which.
    #[test]
    fn a_narrow_terminal_keeps_median_and_99th_percentile() {
        let (now, mut left_out) = (reading(&[5, 9], 7), Vec::new());
        let style = Style { colour: false, unicode: false };
        let text = timed(&times(&now, &now, Since::Ready), style, Some(50), &mut left_out);
        let titles: Vec<&str> = text.lines().next().unwrap_or_default().split_whitespace().collect();
        assert_eq!(titles, ["interrupts", "number", "name", "times", "p50", "p99"]);
        assert_eq!(left_out, ["mean", "p90", "p99.9", "max"]);
    }
}
