//! Packets that pass.

use super::writer::Writer;
use crate::child::Beside;
use crate::clock::{Moment, Span};
use crate::failure::Outcome;
use crate::hooks::view::View;
use crate::pipeline::{End, Observed, Seen, Stop, observe as run_loop};
use crate::signals::Signals;
use plumb_kernel::hook;
use plumb_kernel::probes::packets::Packets;
use plumb_kernel::ring::Ring;
use std::cell::RefCell;
use std::time::Duration;

/// How often interfaces are looked after.
const LOOK: Duration = Duration::from_millis(250);

/// The view and the writer, which the ring's handler and the loop share.
struct Both<'a, 'view> {
    view: &'a mut View<'view>,
    writer: Writer<'view>,
}

/// Writes packets until the run ends, detaches, and writes what was under way.
pub fn observe(
    packets: &Packets<'_>,
    view: &mut View<'_>,
    signals: &mut Signals,
    command: &mut Option<Beside>,
) -> Outcome<Seen> {
    let (run, ready) = (view.run, view.ready);
    let names = view.hooked.targets.all.iter().map(|target| (target.index, target.name.clone())).collect();
    let writer = Writer::new(run, view.anonymizer, names, view.clock_offset);
    let both = RefCell::new(Both { view, writer });
    let mut ring = packets.ring(|event| {
        let Both { view, writer } = &mut *both.borrow_mut();
        writer.event(&mut view.outputs, event);
    })?;
    let end = {
        let mut streaming =
            Streaming { ring: &mut ring, packets, both: &both, looked: ready, none_left: false };
        run_loop(run, ready, signals, command.as_mut(), &mut streaming)?.0
    };
    let removed = {
        let view = &mut both.borrow_mut().view;
        // What went away since the last look is told before we detach ourselves.
        view.look();
        view.hooked.detach()
    };
    hook::quiesce();
    let detached = Moment::now();
    ring.drain()?;
    drop(ring);
    let Both { view, mut writer } = both.into_inner();
    view.removed = removed;
    writer.batch.flush(&mut view.outputs);
    let ledger = view.ledger(packets.ledger(), detached);
    Ok(Seen { end, ledger: writer.batch.close(&mut view.outputs, ledger) })
}

struct Streaming<'a, 'ring, 'obj, 'w, 'view> {
    ring: &'a mut Ring<'ring>,
    packets: &'a Packets<'obj>,
    both: &'a RefCell<Both<'w, 'view>>,
    /// When interfaces were looked after.
    looked: Moment,
    none_left: bool,
}

impl Observed for Streaming<'_, '_, '_, '_, '_> {
    fn wait(&mut self, until: Moment, stop: &mut Stop<'_>) -> Outcome<()> {
        let Self { ring, both, looked, none_left, .. } = self;
        let mut ended = |sleeps| {
            let Both { view, writer } = &mut *both.borrow_mut();
            writer.batch.settle(&mut view.outputs, sleeps);
            if sleeps && looked.after(LOOK).left().is_zero() {
                *looked = Moment::now();
                *none_left = view.look();
            }
            writer.batch.over(&view.outputs).is_some() || *none_left || stop.asked()
        };
        ring.consume_until(until.instant(), &mut ended)?;
        Ok(())
    }

    fn tick(&mut self, span: Span) -> Outcome<()> {
        let Both { view, writer } = &mut *self.both.borrow_mut();
        let mut ledger = view.ledger(self.packets.ledger(), span.end);
        // The counters are of no single moment while programs run.
        ledger.seen = ledger.accounted();
        writer.batch.tick(view.run, &mut view.outputs, ledger, span);
        Ok(())
    }

    fn over(&self) -> Option<End> {
        let both = self.both.borrow();
        both.writer.batch.over(&both.view.outputs).or(self.none_left.then_some(End::Asked))
    }
}
