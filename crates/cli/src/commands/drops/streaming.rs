//! One record per dropped packet. Nothing is allocated per packet, unless its stack was asked for.

use super::Outside;
use super::view::View;
use crate::batch::Batch;
use crate::clock::{Moment, Span};
use crate::failure::Outcome;
use crate::pipeline::{End, Observed, Seen, Stop, observe as run_loop};
use plumb_kernel::probes::drops::{Drops, Event};
use plumb_kernel::ring::Ring;
use plumb_records::drop::DropRow;
use plumb_sinks::text::events::Part;
use std::cell::RefCell;

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
    batch: Batch,
    with_stack: bool,
}

/// Writes events until the run ends.
pub fn observe(drops: &mut Drops<'_>, view: &mut View<'_>, outside: Outside<'_>) -> Outcome<Seen> {
    let (run, ready) = (view.run, view.ready);
    let writer = RefCell::new(Writer::new(view));
    let (end, _) = {
        let ring = drops.ring(|event| writer.borrow_mut().event(&event))?;
        let mut streaming = Streaming { ring, drops, writer: &writer };
        run_loop(run, ready, outside.signals, outside.command, &mut streaming)?
    };
    drops.detach();
    let detached = Moment::now();
    // What was in flight when the run ended belongs to it: `detach` waited for the programs that still ran.
    drops.ring(|event| writer.borrow_mut().event(&event))?.drain()?;
    let mut writer = writer.into_inner();
    writer.flush();
    writer.view.tell_unknown(&[]);
    let ledger = writer.view.ledger(drops, detached, true);
    Ok(Seen { end, ledger: writer.batch.close(&mut writer.view.outputs, ledger) })
}

impl<'a, 'view> Writer<'a, 'view> {
    fn new(view: &'a mut View<'view>) -> Self {
        let (batch, with_stack) = (Batch::new(view.run, LINE), view.asked.config.stack);
        Self { view, batch, with_stack }
    }

    fn event(&mut self, event: &Event<'_>) {
        if !self.batch.admit() {
            return;
        }
        let View { names, outputs, .. } = &mut *self.view;
        let stack =
            self.with_stack.then(|| names.stack(event.location(), &event.stack().collect::<Vec<u64>>()));
        let mut drop = names.drop(event);
        drop.stack = stack;
        self.batch.write(outputs, &DropRow { drop, captured: event.captured() });
    }

    fn flush(&mut self) {
        self.batch.flush(&mut self.view.outputs);
    }
}

struct Streaming<'a, 'obj, 'w, 'view> {
    ring: Ring<'a>,
    drops: &'a Drops<'obj>,
    writer: &'a RefCell<Writer<'w, 'view>>,
}

impl Observed for Streaming<'_, '_, '_, '_> {
    fn wait(&mut self, until: Moment, stop: &mut Stop<'_>) -> Outcome<()> {
        let mut ended = |sleeps| {
            let Writer { view, batch, .. } = &mut *self.writer.borrow_mut();
            batch.settle(&mut view.outputs, sleeps);
            batch.over(&view.outputs).is_some() || stop.asked()
        };
        self.ring.consume_until(until.instant(), &mut ended)?;
        Ok(())
    }

    fn tick(&mut self, span: Span) -> Outcome<()> {
        let Writer { view, batch, .. } = &mut *self.writer.borrow_mut();
        let ledger = view.ledger(self.drops, span.end, false);
        batch.tick(view.run, &mut view.outputs, ledger, span);
        Ok(())
    }

    fn over(&self) -> Option<End> {
        let writer = self.writer.borrow();
        writer.batch.over(&writer.view.outputs)
    }
}
