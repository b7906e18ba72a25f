//! One record per event, written in batches: what came, what --count left out, and when it is written.

use crate::clock::{Moment, Span};
use crate::meter::{self, Meter};
use crate::outputs::Outputs;
use crate::pipeline::End;
use crate::plan::{Run, Stdout};
use crate::text::{self, Footing};
use plumb_records::column::Row;
use plumb_records::ledger::Ledger;
use plumb_sinks::text::Style;
use plumb_sinks::text::events::{Lines, Part};
use std::time::Duration;

/// How long a record may wait for its batch to fill in a stream.
const LATEST: Duration = Duration::from_millis(10);
/// A batch this small is written sooner: a reader that spins finds few at a time.
const SMALL: u64 = 64;
const SOON: Duration = Duration::from_micros(50);

/// Events on their way to the outputs. Nothing is allocated per event.
pub struct Batch {
    lines: Option<(Lines, Style)>,
    text: String,
    most: u64,
    /// Events that came.
    came: u64,
    /// Packets of them, and those of what came after --count was reached.
    packets: u64,
    beyond: u64,
    /// Events when the outputs were flushed last, and when that was.
    flushed: u64,
    flushed_at: Moment,
    /// Events at the last tick.
    ticked: u64,
    meter: Meter,
}

/// Packets of events, by what became of these.
#[derive(Clone, Copy, Debug)]
pub struct Fates {
    /// Written.
    pub written: u64,
    /// Left out, because --count was reached.
    pub beyond: u64,
    /// Lost by an output.
    pub lost: u64,
}

impl Batch {
    /// For people each event is a line of these parts, the most telling first.
    pub fn new(run: &Run, line: impl Into<Vec<Part>>) -> Self {
        Self::of(run, Lines::new(line))
    }

    /// The same with lines that are aligned.
    pub fn aligned(run: &Run, line: impl Into<Vec<Part>>) -> Self {
        Self::of(run, Lines::aligned(line))
    }

    fn of(run: &Run, lines: Lines) -> Self {
        let plain = run.stdout == Stdout::Plain;
        Self {
            lines: plain.then(|| (lines, text::style(run.terminal))),
            text: String::new(),
            most: run.count.unwrap_or(u64::MAX),
            came: 0,
            packets: 0,
            beyond: 0,
            flushed: 0,
            flushed_at: Moment::now(),
            ticked: 0,
            meter: Meter::start(),
        }
    }

    /// Counts an event of one packet that came; false where --count leaves it out.
    pub fn admit(&mut self) -> bool {
        self.admit_group(1)
    }

    /// The same of one that stands for so many packets.
    pub fn admit_group(&mut self, packets: u64) -> bool {
        self.came += 1;
        self.packets += packets;
        let admitted = self.came <= self.most;
        self.beyond += if admitted { 0 } else { packets };
        admitted
    }

    /// Writes an event that was admitted.
    pub fn write<R: Row>(&mut self, outputs: &mut Outputs, row: &R) {
        self.write_group(outputs, row, row, 1);
    }

    /// The same of one that stands for so many packets; for people the line is made of `shown`.
    pub fn write_group<R: Row>(&mut self, outputs: &mut Outputs, row: &R, shown: &R, packets: u64) {
        outputs.write_group(row, packets);
        if let Some((lines, style)) = &mut self.lines {
            lines.line(&mut self.text, shown, *style);
        }
    }

    /// The same; for people `more` follows the line.
    pub fn write_with<R: Row>(
        &mut self,
        outputs: &mut Outputs,
        row: &R,
        more: impl FnOnce(&mut String, Style),
    ) {
        self.write(outputs, row);
        if let Some((_, style)) = &self.lines {
            more(&mut self.text, *style);
        }
    }

    /// After a look at the ring: before a sleep everything goes, in a stream what has waited long enough.
    pub fn settle(&mut self, outputs: &mut Outputs, sleeps: bool) {
        let pending = self.came - self.flushed;
        if pending == 0 {
            return;
        }
        let waited = Duration::from_nanos(Moment::now().0.saturating_sub(self.flushed_at.0));
        let patience = if pending < SMALL { SOON } else { LATEST };
        if sleeps || waited >= patience {
            self.flush(outputs);
        }
    }

    /// Writes what is there.
    pub fn flush(&mut self, outputs: &mut Outputs) {
        (self.flushed, self.flushed_at) = (self.came, Moment::now());
        outputs.flush();
        if !self.text.is_empty() {
            outputs.say_records(&self.text);
            self.text.clear();
        }
    }

    /// Why there is nothing more to write.
    pub fn over(&self, outputs: &Outputs) -> Option<End> {
        if !outputs.usable() {
            return Some(End::Output);
        }
        (self.came >= self.most).then_some(End::Count)
    }

    /// An interval is over: its footer where records go to a file, its ledger where that was asked for.
    pub fn tick(&mut self, run: &Run, outputs: &mut Outputs, ledger: Ledger, span: Span) {
        let came = self.came - std::mem::replace(&mut self.ticked, self.came);
        if run.stdout == Stdout::Summary {
            let rate = text::per_second(came, span.duration());
            let footing = Footing { rate, cpu: self.meter.cpu_share(), memory: meter::memory() };
            let (start, end) = if run.redrawable { ("\r", "\x1b[K") } else { ("", "\n") };
            outputs.say(&format!("{start}{}{end}", text::footer(&ledger, footing)));
        }
        if run.ledger {
            outputs.write_about(&ledger.closed());
        }
        self.flush(outputs);
    }

    /// The account of the whole run, once the ring is drained: what the kernel handed over is emitted, except what
    /// --count left out and what an output lost. What is missing from it now never came.
    pub fn close(&self, outputs: &mut Outputs, mut ledger: Ledger) -> Ledger {
        outputs.settle();
        ledger.records = outputs.records();
        let missing = ledger.emitted.saturating_sub(self.packets);
        let Fates { written, beyond, lost } = self.fates(outputs);
        ledger.emitted = written;
        ledger.filtered += beyond;
        ledger.lost_user += missing + lost;
        ledger.closed()
    }

    /// What became of the packets of the events that came.
    pub fn fates(&self, outputs: &Outputs) -> Fates {
        let lost = outputs.lost().min(self.packets - self.beyond);
        Fates { written: self.packets - self.beyond - lost, beyond: self.beyond, lost }
    }
}
