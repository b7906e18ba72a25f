//! One record per dropped packet. Nothing is allocated per packet, unless its stack was asked for.

use super::Outside;
use super::view::{Seen, View};
use crate::clock::{Moment, Span};
use crate::failure::Outcome;
use crate::meter::{self, Meter};
use crate::pipeline::{End, Observed, Stop, observe as run_loop};
use crate::plan::Stdout;
use crate::text::{self, Footing};
use plumb_kernel::probes::drops::{Drops, Event};
use plumb_kernel::ring::Ring;
use plumb_records::drop::DropRow;
use plumb_records::ledger::Ledger;
use plumb_sinks::text::Style;
use plumb_sinks::text::events::{Lines, Part};
use std::cell::RefCell;
use std::time::Duration;

/// How long a record may wait for its batch to fill in a stream.
const LATEST: Duration = Duration::from_millis(10);
/// A batch this small is written sooner: a reader that spins finds few at a time.
const SMALL: u64 = 64;
const SOON: Duration = Duration::from_micros(50);

/// A line of text per packet, the most telling first.
const LINE: [Part; 14] = [
    Part::Plain("time"),
    Part::Strong("reason"),
    Part::Plain("location"),
    Part::Plain("interface"),
    Part::Plain("netns_name"),
    Part::Flow(""),
    Part::Plain("tcp_flags"),
    Part::Plain("tunnel"),
    Part::Flow("inner_"),
    Part::Plain("length_bytes"),
    Part::Named("pid"),
    Part::Plain("comm"),
    Part::Flag("in_softirq", "(softirq)"),
    Part::Named("stack"),
];

/// Takes events and writes them.
struct Writer<'a, 'view> {
    view: &'a mut View<'view>,
    lines: Option<(Lines, Style)>,
    text: String,
    with_stack: bool,
    most: u64,
    /// Events that came, and those that came after --count was reached.
    came: u64,
    beyond: u64,
    /// Events when the outputs were flushed last, and when that was.
    flushed: u64,
    flushed_at: Moment,
}

/// Writes events until the run ends.
pub fn observe(drops: &mut Drops<'_>, view: &mut View<'_>, outside: Outside<'_>) -> Outcome<Seen> {
    let (run, ready) = (view.run, view.ready);
    let writer = RefCell::new(Writer::new(view));
    let (end, _) = {
        let ring = drops.ring(|event| writer.borrow_mut().event(&event))?;
        let mut streaming = Streaming { ring, drops, writer: &writer, meter: Meter::start(), came: 0 };
        run_loop(run, ready, outside.signals, outside.command, &mut streaming)?
    };
    drops.detach();
    let detached = Moment::now();
    // What was in flight when the run ended belongs to it: `detach` waited for the programs that still ran.
    drops.ring(|event| writer.borrow_mut().event(&event))?.drain()?;
    let mut writer = writer.into_inner();
    writer.flush();
    let ledger = writer.ledger(drops, detached, true);
    writer.view.tell_unknown(&[]);
    Ok(Seen { end, ledger: ledger.closed() })
}

impl<'a, 'view> Writer<'a, 'view> {
    fn new(view: &'a mut View<'view>) -> Self {
        let lines =
            (view.run.stdout == Stdout::Plain).then(|| (Lines::new(LINE), text::style(view.run.terminal)));
        let (with_stack, most) = (view.asked.config.stack, view.run.count.unwrap_or(u64::MAX));
        let flushed_at = view.ready;
        Self {
            view,
            lines,
            text: String::new(),
            with_stack,
            most,
            came: 0,
            beyond: 0,
            flushed: 0,
            flushed_at,
        }
    }

    fn event(&mut self, event: &Event<'_>) {
        self.came += 1;
        if self.came > self.most {
            self.beyond += 1;
            return;
        }
        let View { names, outputs, .. } = &mut *self.view;
        let stack =
            self.with_stack.then(|| names.stack(event.location(), &event.stack().collect::<Vec<u64>>()));
        let mut drop = names.drop(event);
        drop.stack = stack;
        let row = DropRow { drop, captured: event.captured() };
        outputs.write(&row);
        if let Some((lines, style)) = &mut self.lines {
            lines.line(&mut self.text, &row, *style);
        }
    }

    /// After a look at the ring: before a sleep everything goes, in a stream what has waited long enough.
    fn settle(&mut self, sleeps: bool) {
        let pending = self.came - self.flushed;
        if pending == 0 {
            return;
        }
        let waited = Duration::from_nanos(Moment::now().0.saturating_sub(self.flushed_at.0));
        let patience = if pending < SMALL { SOON } else { LATEST };
        if sleeps || waited >= patience {
            self.flush();
        }
    }

    fn flush(&mut self) {
        (self.flushed, self.flushed_at) = (self.came, Moment::now());
        self.view.outputs.flush();
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.view.outputs.say_records(&text);
            self.text = text;
            self.text.clear();
        }
    }

    fn over(&self) -> Option<End> {
        if !self.view.outputs.usable() {
            return Some(End::Output);
        }
        (self.came >= self.most).then_some(End::Count)
    }

    /// What the kernel handed over is emitted, except what --count left out and what an output lost.
    fn ledger(&self, drops: &Drops<'_>, end: Moment, whole: bool) -> Ledger {
        let mut ledger = self.view.ledger(drops, end, whole);
        if !whole {
            return ledger;
        }
        // The ring is drained, so what is missing from it now never came.
        let missing = ledger.emitted.saturating_sub(self.came);
        let lost = self.view.outputs.lost().min(self.came - self.beyond);
        ledger.emitted = self.came - self.beyond - lost;
        ledger.filtered += self.beyond;
        ledger.lost_user += missing + lost;
        ledger
    }
}

struct Streaming<'a, 'obj, 'w, 'view> {
    ring: Ring<'a>,
    drops: &'a Drops<'obj>,
    writer: &'a RefCell<Writer<'w, 'view>>,
    meter: Meter,
    /// Events at the last tick.
    came: u64,
}

impl Observed for Streaming<'_, '_, '_, '_> {
    fn wait(&mut self, until: Moment, stop: &mut Stop<'_>) -> Outcome<()> {
        let mut ended = |sleeps| {
            let mut writer = self.writer.borrow_mut();
            writer.settle(sleeps);
            writer.over().is_some() || stop.asked()
        };
        self.ring.consume_until(until.instant(), &mut ended)?;
        Ok(())
    }

    fn tick(&mut self, span: Span) -> Outcome<()> {
        let mut writer = self.writer.borrow_mut();
        let came = writer.came - std::mem::replace(&mut self.came, writer.came);
        let ledger = writer.ledger(self.drops, span.end, false);
        if writer.view.run.stdout == Stdout::Summary {
            let rate = text::per_second(came, span.duration());
            let footing = Footing { rate, cpu: self.meter.cpu_share(), memory: meter::memory() };
            let (start, end) = if writer.view.run.redrawable { ("\r", "\x1b[K") } else { ("", "\n") };
            writer.view.outputs.say(&format!("{start}{}{end}", text::footer(&ledger, footing)));
        }
        if writer.view.run.ledger {
            writer.view.outputs.write_about(&ledger.closed());
        }
        writer.flush();
        Ok(())
    }

    fn over(&self) -> Option<End> {
        self.writer.borrow().over()
    }
}
