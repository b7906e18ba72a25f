//! One record per packet. Nothing is allocated per packet.

use super::run::{Seen, View};
use super::sample;
use crate::child::Beside;
use crate::clock::{Moment, Span};
use crate::failure::Outcome;
use crate::meter::{self, Meter};
use crate::pipeline::{End, Observed, Stop, observe as run_loop};
use crate::plan::Stdout;
use crate::signals::Signals;
use crate::text::{self, Footing};
use plumb_kernel::probes::xdp::{self, Event, Shared, Xdp};
use plumb_kernel::ring::Ring;
use plumb_records::ledger::Ledger;
use plumb_records::xdp::XdpPacket;
use plumb_sinks::text::Style;
use plumb_sinks::text::events::{Lines, Part};
use std::cell::RefCell;
use std::time::Duration;

/// How long a record may wait for its batch to fill in a stream.
const LATEST: Duration = Duration::from_millis(10);
/// A batch this small is written sooner: a reader that spins finds few at a time.
const SMALL: u64 = 64;
const SOON: Duration = Duration::from_micros(50);
/// How often interfaces are looked after.
const LOOK: Duration = Duration::from_millis(250);

/// A line of text per packet, the most telling first.
const LINE: [Part; 6] = [
    Part::Plain("time"),
    Part::Strong("action"),
    Part::Plain("interface"),
    Part::Plain("length_bytes"),
    Part::Named("processing_ns"),
    Part::Named("cpu"),
];

/// Takes events and writes them.
struct Writer<'a, 'view> {
    view: &'a mut View<'view>,
    names: Vec<String>,
    lines: Option<(Lines, Style)>,
    text: String,
    most: u64,
    /// Events that came, and those that came after --count was reached.
    came: u64,
    beyond: u64,
    /// Events when the outputs were flushed last, and when that was.
    flushed: u64,
    flushed_at: Moment,
}

/// Writes events until the run ends.
pub fn observe(
    programs: &mut [Xdp<'_>],
    shared: &Shared,
    view: &mut View<'_>,
    signals: &mut Signals,
    command: &mut Option<Beside>,
) -> Outcome<Seen> {
    let run = view.run;
    let writer = RefCell::new(Writer::new(view));
    // Perf buffers are opened with the privileges that `begin` gives up.
    let ring = shared.reader(|event| writer.borrow_mut().event(&event))?;
    let ready = {
        let mut writer = writer.borrow_mut();
        writer.view.begin(command)?;
        writer.flushed_at = writer.view.ready;
        writer.view.ready
    };
    let end = {
        let meter = Meter::start();
        let mut streaming = Streaming {
            ring: &ring,
            programs,
            writer: &writer,
            meter,
            came: 0,
            looked: ready,
            none_left: false,
        };
        run_loop(run, ready, signals, command.as_mut(), &mut streaming)?.0
    };
    programs.iter_mut().for_each(Xdp::detach);
    xdp::quiesce();
    let detached = Moment::now();
    // What was in flight when the run ended belongs to it.
    ring.drain()?;
    drop(ring);
    let mut writer = writer.into_inner();
    writer.flush();
    let ledger = writer.ledger(programs, detached, true)?;
    Ok(Seen { end, ledger: ledger.closed() })
}

impl<'a, 'view> Writer<'a, 'view> {
    fn new(view: &'a mut View<'view>) -> Self {
        let lines =
            (view.run.stdout == Stdout::Plain).then(|| (Lines::new(LINE), text::style(view.run.terminal)));
        let most = view.run.count.unwrap_or(u64::MAX);
        let names = view.targets.all.iter().map(|target| target.name.clone()).collect();
        let flushed_at = view.ready;
        Self { view, names, lines, text: String::new(), most, came: 0, beyond: 0, flushed: 0, flushed_at }
    }

    fn event(&mut self, event: &Event) {
        self.came += 1;
        if self.came > self.most {
            self.beyond += 1;
            return;
        }
        let time = self.view.time(event.monotonic_ns);
        let View { asked, targets, outputs, .. } = &mut *self.view;
        let packet = XdpPacket {
            time,
            interface: self.names.get(usize::from(event.interface)).map_or("", String::as_str),
            netns: Some(targets.netns.inode),
            action: event.action.map(|action| action.name()),
            processing_ns: asked.config.time.then_some(event.processing_ns),
            length_bytes: event.length,
            cpu: u32::from(event.cpu),
        };
        outputs.write(&packet);
        if let Some((lines, style)) = &mut self.lines {
            lines.line(&mut self.text, &packet, *style);
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

    /// What the programs handed over is emitted, except what --count left out and what an output lost.
    fn ledger(&self, programs: &[Xdp<'_>], end: Moment, whole: bool) -> Outcome<Ledger> {
        let mut ledger = self.view.ledger(programs, &sample::read(programs)?, end);
        if !whole {
            // The counters are of no single moment while programs run.
            ledger.seen = ledger.accounted();
            return Ok(ledger);
        }
        // The ring is drained, so what is missing from it now never came.
        let missing = ledger.emitted.saturating_sub(self.came);
        let lost = self.view.outputs.lost().min(self.came - self.beyond);
        ledger.emitted = self.came - self.beyond - lost;
        ledger.filtered += self.beyond;
        ledger.lost_user += missing + lost;
        Ok(ledger)
    }
}

struct Streaming<'a, 'ring, 'obj, 'w, 'view> {
    ring: &'a Ring<'ring>,
    programs: &'a [Xdp<'obj>],
    writer: &'a RefCell<Writer<'w, 'view>>,
    meter: Meter,
    /// Events at the last tick.
    came: u64,
    /// When interfaces were looked after.
    looked: Moment,
    none_left: bool,
}

impl Streaming<'_, '_, '_, '_, '_> {
    fn look(&mut self) {
        if self.looked.after(LOOK).left().is_zero() {
            self.looked = Moment::now();
            self.none_left = self.writer.borrow_mut().view.look(self.programs);
        }
    }
}

impl Observed for Streaming<'_, '_, '_, '_, '_> {
    fn wait(&mut self, until: Moment, stop: &mut Stop<'_>) -> Outcome<()> {
        let (ring, writer) = (self.ring, self.writer);
        let mut ended = |sleeps| {
            let mut writer = writer.borrow_mut();
            writer.settle(sleeps);
            let over = writer.over().is_some();
            drop(writer);
            if sleeps {
                self.look();
            }
            over || self.none_left || stop.asked()
        };
        ring.consume_until(until.instant(), &mut ended)?;
        Ok(())
    }

    fn tick(&mut self, span: Span) -> Outcome<()> {
        let mut writer = self.writer.borrow_mut();
        let came = writer.came - std::mem::replace(&mut self.came, writer.came);
        let ledger = writer.ledger(self.programs, span.end, false)?;
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
        self.writer.borrow().over().or(self.none_left.then_some(End::Asked))
    }
}

impl Writer<'_, '_> {
    fn over(&self) -> Option<End> {
        if !self.view.outputs.usable() {
            return Some(End::Output);
        }
        (self.came >= self.most).then_some(End::Count)
    }
}
