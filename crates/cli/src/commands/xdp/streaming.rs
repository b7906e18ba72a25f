//! One record per packet. Nothing is allocated per packet.

use super::run::View;
use super::sample;
use crate::batch::Batch;
use crate::child::Beside;
use crate::clock::{Moment, Span};
use crate::failure::Outcome;
use crate::pipeline::{End, Observed, Seen, Stop, observe as run_loop};
use crate::signals::Signals;
use plumb_kernel::probes::xdp::{self, Event, Shared, Xdp};
use plumb_kernel::ring::Ring;
use plumb_records::xdp::XdpPacket;
use plumb_sinks::text::events::Part;
use std::cell::RefCell;
use std::time::Duration;

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
    batch: Batch,
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
    let mut ring = shared.reader(|event| writer.borrow_mut().event(&event))?;
    let ready = {
        let mut writer = writer.borrow_mut();
        writer.view.begin(command)?;
        writer.view.ready
    };
    let end = {
        let mut streaming =
            Streaming { ring: &mut ring, programs, writer: &writer, looked: ready, none_left: false };
        run_loop(run, ready, signals, command.as_mut(), &mut streaming)?.0
    };
    // What went away since the last look is told before we detach ourselves.
    writer.borrow_mut().view.look(programs);
    programs.iter_mut().for_each(Xdp::detach);
    xdp::quiesce();
    let detached = Moment::now();
    // What was in flight when the run ended belongs to it.
    ring.drain()?;
    drop(ring);
    let mut writer = writer.into_inner();
    writer.batch.flush(&mut writer.view.outputs);
    let ledger = writer.view.ledger(programs, &sample::read(programs)?, detached);
    Ok(Seen { end, ledger: writer.batch.close(&mut writer.view.outputs, ledger) })
}

impl<'a, 'view> Writer<'a, 'view> {
    fn new(view: &'a mut View<'view>) -> Self {
        let names = view.targets.all.iter().map(|target| target.name.clone()).collect();
        let batch = Batch::new(view.run, LINE);
        Self { view, names, batch }
    }

    fn event(&mut self, event: &Event) {
        if !self.batch.admit() {
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
        self.batch.write(outputs, &packet);
    }
}

struct Streaming<'a, 'ring, 'obj, 'w, 'view> {
    ring: &'a mut Ring<'ring>,
    programs: &'a [Xdp<'obj>],
    writer: &'a RefCell<Writer<'w, 'view>>,
    /// When interfaces were looked after.
    looked: Moment,
    none_left: bool,
}

impl Observed for Streaming<'_, '_, '_, '_, '_> {
    fn wait(&mut self, until: Moment, stop: &mut Stop<'_>) -> Outcome<()> {
        let Self { ring, programs, writer, looked, none_left } = self;
        let mut ended = |sleeps| {
            let over = {
                let Writer { view, batch, .. } = &mut *writer.borrow_mut();
                batch.settle(&mut view.outputs, sleeps);
                batch.over(&view.outputs).is_some()
            };
            if sleeps && looked.after(LOOK).left().is_zero() {
                *looked = Moment::now();
                *none_left = writer.borrow_mut().view.look(programs);
            }
            over || *none_left || stop.asked()
        };
        ring.consume_until(until.instant(), &mut ended)?;
        Ok(())
    }

    fn tick(&mut self, span: Span) -> Outcome<()> {
        let Writer { view, batch, .. } = &mut *self.writer.borrow_mut();
        let mut ledger = view.ledger(self.programs, &sample::read(self.programs)?, span.end);
        // The counters are of no single moment while programs run.
        ledger.seen = ledger.accounted();
        batch.tick(view.run, &mut view.outputs, ledger, span);
        Ok(())
    }

    fn over(&self) -> Option<End> {
        let writer = self.writer.borrow();
        writer.batch.over(&writer.view.outputs).or(self.none_left.then_some(End::Asked))
    }
}
