//! The loop of what is counted, whoever counts it: read each interval or once, at the end; written, shown, summed up.

use crate::child::Beside;
use crate::clock::{Moment, Span};
use crate::failure::{Failure, Outcome};
use crate::meter::{self, Meter};
use crate::outputs::Outputs;
use crate::pipeline::{End, Observed, Seen, Stop, observe as run_loop};
use crate::plan::{Run, Stdout};
use crate::screen::{Screen, fit};
use crate::signals::Signals;
use crate::text::{self, Footing};
use plumb_records::ledger::Ledger;
use std::time::Duration;

/// How often interfaces and programs are looked after.
const LOOK: Duration = Duration::from_millis(250);

/// From when on counts are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// The reading before the last one.
    Interval,
    /// Readiness.
    Ready,
}

/// What is counted, and how it is told.
pub trait Counted {
    /// A row of a table, and a record.
    type Line;
    /// Where it is written to.
    fn outputs(&self) -> &Outputs;
    /// The same, to write there.
    fn outputs_mut(&mut self) -> &mut Outputs;
    /// Tells what has changed about interfaces and programs; true where nothing is left to count.
    fn look(&mut self) -> bool;
    /// Reads the counters: what was the last reading is the one before.
    fn read(&mut self) -> Outcome<()>;
    /// Detaches; returns when nothing counts any more.
    fn detach(&mut self);
    /// What the last reading tells.
    fn lines(&self, since: Since) -> Vec<Self::Line>;
    /// Packets of a line.
    fn packets(line: &Self::Line) -> u64;
    /// Writes records, and those of what went wrong. `span`: from `since` to the reading.
    fn write(&mut self, lines: &[Self::Line], since: Since, span: Span);
    /// The line above a table that is redrawn.
    fn title(&self) -> String;
    /// A table. `live`: where it is redrawn, the lines of the last interval, of which its rates are; else they are of
    /// the lines themselves. `time`: what rates are of.
    fn table(
        &self,
        lines: &[Self::Line],
        live: Option<&[Self::Line]>,
        time: Duration,
        width: Option<usize>,
    ) -> String;
    /// What went wrong, a line each, for below the table.
    fn below(&self, since: Since) -> String;
    /// The account until `end`.
    fn ledger(&self, end: Moment) -> Ledger;
}

struct Counting<'a, C> {
    run: &'a Run,
    ready: Moment,
    counted: &'a mut C,
    meter: Meter,
    screen: Option<Screen>,
    /// Lines told, for --count.
    rows: u64,
    none_left: bool,
}

/// Counts from `ready` until the run ends.
pub fn observe<C: Counted>(
    run: &Run,
    ready: Moment,
    counted: &mut C,
    signals: &mut Signals,
    command: &mut Option<Beside>,
) -> Outcome<Seen> {
    let screen = match run.stdout {
        Stdout::Live => Some(
            Screen::take(signals)
                .map_err(|error| Failure::failed("cannot use the terminal").because(error))?,
        ),
        _ => None,
    };
    let mut counting =
        Counting { run, ready, counted, meter: Meter::start(), screen, rows: 0, none_left: false };
    // Nothing is read yet: what has come since the attach belongs to the first interval.
    counting.redraw(Span { start: ready, end: ready });
    let (end, begun) = run_loop(run, ready, signals, command.as_mut(), &mut counting)?;
    counting.counted.detach();
    let detached = Moment::now();
    // What the screen showed before comes back, and the last table goes below it.
    counting.screen = None;
    counting.finish(Span { start: begun, end: detached })?;
    // What is not in every output by now is lost.
    counted.outputs_mut().settle();
    let mut ledger = counted.ledger(detached);
    let lost = counted.outputs().lost().min(ledger.aggregated);
    ledger.aggregated -= lost;
    ledger.lost_user += lost;
    Ok(Seen { end, ledger: ledger.closed() })
}

impl<C: Counted> Observed for Counting<'_, C> {
    fn wait(&mut self, until: Moment, stop: &mut Stop<'_>) -> Outcome<()> {
        while !stop.asked() && !until.left().is_zero() && !self.none_left {
            stop.sleep(until.min(Moment::now().after(LOOK)), self.screen.as_ref());
            self.none_left = self.counted.look();
        }
        Ok(())
    }

    fn tick(&mut self, span: Span) -> Outcome<()> {
        self.counted.read()?;
        let lines = self.counted.lines(Since::Interval);
        self.rows += lines.len() as u64;
        if self.run.periodic {
            self.counted.write(&lines, Since::Interval, span);
        }
        if self.run.stdout == Stdout::Plain {
            self.print(&lines, Since::Interval, span);
        }
        self.redraw(span);
        if self.run.ledger {
            let ledger = self.counted.ledger(span.end).closed();
            self.counted.outputs_mut().write_about(&ledger);
        }
        self.counted.outputs_mut().flush();
        Ok(())
    }

    fn over(&self) -> Option<End> {
        if !self.counted.outputs().usable() {
            return Some(End::Output);
        }
        let enough = self.run.count.is_some_and(|most| self.rows >= most);
        enough.then_some(End::Count).or(self.none_left.then_some(End::Asked))
    }
}

impl<C: Counted> Counting<'_, C> {
    /// Detached: what is left of the last interval, or the whole run.
    fn finish(&mut self, rest: Span) -> Outcome<()> {
        self.counted.read()?;
        let whole = Span { start: self.ready, end: rest.end };
        let all = self.counted.lines(Since::Ready);
        if self.run.periodic {
            let lines = self.counted.lines(Since::Interval);
            self.counted.write(&lines, Since::Interval, rest);
            if self.run.stdout == Stdout::Plain {
                self.print(&lines, Since::Interval, rest);
                return Ok(());
            }
        } else {
            self.counted.write(&all, Since::Ready, whole);
        }
        if !matches!(self.run.stdout, Stdout::Records(_)) {
            self.print(&all, Since::Ready, whole);
        }
        Ok(())
    }

    /// A plain table, and below that of an interval the footer.
    fn print(&mut self, lines: &[C::Line], since: Since, span: Span) {
        let mut out = format!("\n{}", self.counted.table(lines, None, span.duration(), text::width()));
        out.push_str(&self.counted.below(since));
        if since == Since::Interval {
            out.push_str(&self.footer(lines, span));
        }
        self.counted.outputs_mut().say(&out);
    }

    /// The live table: totals, with the rate of the last interval.
    fn redraw(&mut self, span: Span) {
        let Some((columns, _)) = self.screen.as_ref().map(Screen::size) else { return };
        let (all, last) = (self.counted.lines(Since::Ready), self.counted.lines(Since::Interval));
        let table = self.counted.table(&all, Some(&last), span.duration(), Some(columns));
        let below = self.counted.below(Since::Ready);
        let out = format!("{}\n\n{table}{below}\n{}", self.counted.title(), self.footer(&last, span));
        let Some(screen) = &self.screen else { return };
        let drawn = screen.draw(&fit(&out, columns));
        self.counted.outputs_mut().said("cannot draw on the terminal", drawn);
    }

    /// The account so far, and the rate of the last interval.
    fn footer(&mut self, last: &[C::Line], span: Span) -> String {
        let packets = last.iter().map(C::packets).sum();
        let footing = Footing {
            rate: text::per_second(packets, span.duration()),
            cpu: self.meter.cpu_share(),
            memory: meter::memory(),
        };
        format!("{}\n", text::footer(&self.counted.ledger(span.end), footing))
    }
}
