//! Groups, counted by the kernel and read each interval or once, at the end.

use super::groups::{Part, Past, arrange, totals};
use super::table::{self, Heading};
use super::{Seen, View};
use crate::child::Beside;
use crate::clock::{Moment, Span};
use crate::failure::{Failure, Outcome};
use crate::meter::{self, Meter};
use crate::pipeline::{End, Observed, Stop, observe as run_loop};
use crate::plan::Stdout;
use crate::screen::Screen;
use crate::signals::Signals;
use crate::text::{self, Footing};
use plumb_kernel::probes::drops::{Drops, Group};
use plumb_records::drop::{DropGroup, DropGroupRow};

struct Counting<'a, 'obj, 'view> {
    drops: &'a mut Drops<'obj>,
    view: &'a mut View<'view>,
    past: Past,
    meter: Meter,
    screen: Option<Screen>,
    /// Groups written or shown, for --count.
    rows: u64,
}

/// Reads groups until the run ends.
pub fn observe(
    drops: &mut Drops<'_>,
    view: &mut View<'_>,
    signals: &mut Signals,
    command: Option<&mut Beside>,
) -> Outcome<Seen> {
    let (run, ready) = (view.run, view.ready);
    let screen = match run.stdout {
        Stdout::Live => {
            Some(Screen::take().map_err(|error| Failure::failed("cannot use the terminal").because(error))?)
        }
        _ => None,
    };
    let mut counting =
        Counting { drops, view, past: Past::default(), meter: Meter::start(), screen, rows: 0 };
    counting.redraw(Span { start: ready, end: ready })?;
    let (end, begun) = run_loop(run, ready, signals, command, &mut counting)?;
    counting.drops.detach();
    let detached = Moment::now();
    // What the screen showed before comes back, and the last table goes below it.
    counting.screen = None;
    counting.finish(Span { start: begun, end: detached })?;
    let Counting { drops, view, .. } = counting;
    let mut ledger = view.ledger(drops, detached, true);
    ledger.records = view.outputs.records();
    Ok(Seen { end, ledger: ledger.closed() })
}

impl Observed for Counting<'_, '_, '_> {
    fn wait(&mut self, until: Moment, stop: &mut Stop<'_>) -> Outcome<()> {
        stop.sleep(until);
        Ok(())
    }

    fn tick(&mut self, span: Span) -> Outcome<()> {
        self.drops.read();
        let (mut parts, ungrouped) = self.since();
        if self.view.run.periodic {
            self.write(&mut parts, ungrouped, Some(span));
        }
        if self.view.run.stdout == Stdout::Plain {
            self.print(&mut parts, ungrouped, span, true)?;
        }
        self.remember();
        self.redraw(span)?;
        if self.view.run.ledger {
            let ledger = self.view.ledger(self.drops, span.end, false).closed();
            self.view.outputs.write_about(&ledger);
        }
        self.view.outputs.flush();
        Ok(())
    }

    fn over(&self) -> Option<End> {
        if !self.view.outputs.usable() {
            return Some(End::Output);
        }
        self.view.run.count.is_some_and(|most| self.rows >= most).then_some(End::Count)
    }
}

impl Counting<'_, '_, '_> {
    fn since(&self) -> (Vec<Part>, (u64, u64)) {
        (self.past.since(self.drops.groups()), self.past.ungrouped_since(self.drops.ungrouped()))
    }

    fn remember(&mut self) {
        let history = matches!(self.view.run.stdout, Stdout::Live | Stdout::Plain);
        self.past.remember(self.drops.groups(), self.drops.ungrouped(), history);
    }

    /// Detached: what is left of the last interval, or the whole run.
    fn finish(&mut self, rest: Span) -> Outcome<()> {
        self.drops.read();
        let whole = Span { start: self.view.ready, end: rest.end };
        let (mut all, all_ungrouped) = (totals(self.drops.groups()), self.drops.ungrouped());
        if self.view.run.periodic {
            let (mut parts, ungrouped) = self.since();
            self.write(&mut parts, ungrouped, Some(rest));
            if self.view.run.stdout == Stdout::Plain {
                self.print(&mut parts, ungrouped, rest, true)?;
            }
        } else {
            self.write(&mut all, all_ungrouped, None);
        }
        match self.view.run.stdout {
            Stdout::Plain if self.view.run.periodic => Ok(()),
            Stdout::Live | Stdout::Plain | Stdout::Summary => {
                self.print(&mut all, all_ungrouped, whole, false)
            }
            Stdout::Records(_) => Ok(()),
        }
    }

    /// Writes the records of an interval, or of the whole run.
    fn write(&mut self, parts: &mut Vec<Part>, ungrouped: (u64, u64), interval: Option<Span>) {
        let View { asked, names, outputs, ready, .. } = &mut *self.view;
        if !outputs.takes_records() {
            return;
        }
        let span = interval.unwrap_or_else(|| Span { start: *ready, end: Moment::now() });
        let time = interval.map(|span| names.time(span.start));
        let duration_ns = span.nanoseconds();
        let groups = self.drops.groups();
        arrange(parts, groups, asked, names);
        for part in &*parts {
            let Some(group) = groups.get(part.index) else { continue };
            let stack = if asked.keys.contains(&"stack") {
                self.drops.stack(group).map(|addresses| names.stack(addresses.into_iter()))
            } else {
                None
            };
            let Part { packets, bytes, .. } = *part;
            let group =
                DropGroup { time, duration_ns, packets, bytes, stack, ..names.group(group, span.end) };
            outputs.write(&DropGroupRow { group, shown: asked.shown });
            self.rows += 1;
        }
        if ungrouped.0 > 0 {
            let (packets, bytes) = ungrouped;
            let group = DropGroup { time, duration_ns, packets, bytes, ..DropGroup::default() };
            outputs.write(&DropGroupRow { group, shown: asked.shown });
            self.rows += 1;
        }
    }

    /// A plain table, and what a reader needs to know beside it.
    fn print(
        &mut self,
        parts: &mut Vec<Part>,
        ungrouped: (u64, u64),
        span: Span,
        interval: bool,
    ) -> Outcome<()> {
        let heading = if interval { Heading::Interval } else { Heading::Total };
        let mut out = String::from("\n");
        out.push_str(&self.table(parts, ungrouped, span, heading, text::width()));
        if interval {
            if !self.view.outputs.takes_records() {
                self.rows += parts.len() as u64;
            }
            out.push_str(&self.footer(parts, span));
        }
        self.view.say(&out)
    }

    /// The live table: totals, with the rate of the last interval.
    fn redraw(&mut self, span: Span) -> Outcome<()> {
        let Some(screen) = &self.screen else { return Ok(()) };
        let (columns, rows) = screen.size();
        let (mut parts, ungrouped) = (totals(self.drops.groups()), self.drops.ungrouped());
        let mut out = format!("{}\n\n", self.view.title(self.drops));
        let table = self.table(&mut parts, ungrouped, span, Heading::Live, Some(columns));
        // The title and a blank line above, the footer below.
        for line in table.lines().take(rows.saturating_sub(4)) {
            out.push_str(line);
            out.push('\n');
        }
        out.push('\n');
        out.push_str(&self.footer(&[], span));
        let Some(screen) = &self.screen else { return Ok(()) };
        match screen.draw(&table::fit(&out, columns)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                self.view.outputs.close();
                Ok(())
            }
            Err(error) => Err(Failure::failed("cannot draw on the terminal").because(error)),
        }
    }

    fn table(
        &mut self,
        parts: &mut Vec<Part>,
        ungrouped: (u64, u64),
        span: Span,
        heading: Heading,
        width: Option<usize>,
    ) -> String {
        let View { run, asked, names, .. } = &mut *self.view;
        let groups = self.drops.groups();
        let all = parts.iter().map(|part| part.packets).sum::<u64>() + ungrouped.0;
        arrange(parts, groups, asked, names);
        if all == 0 {
            return table::empty(&self.drops.ledger(), asked);
        }
        let rows = table::Rows { parts, groups, ungrouped, all, span, heading, past: &self.past };
        let stack =
            |group: &Group| if asked.keys.contains(&"stack") { self.drops.stack(group) } else { None };
        table::render(&rows, &asked.keys, names, stack, text::style(run.terminal), width)
    }

    fn footer(&mut self, parts: &[Part], span: Span) -> String {
        let packets = match parts {
            [] => self.past.last_interval(),
            parts => parts.iter().map(|part| part.packets).sum(),
        };
        let footing = Footing {
            rate: text::per_second(packets, span.duration()),
            cpu: self.meter.cpu_share(),
            memory: meter::memory(),
        };
        format!("{}\n", text::footer(&self.drops.ledger(), footing))
    }
}
