//! Flows of packets that pass.

use super::asked::Asked;
use super::writer::Writer;
use crate::args::flows::Flows as Arguments;
use crate::child::Beside;
use crate::clock::{Moment, Span};
use crate::failure::{Exit, Outcome};
use crate::hooks::view::View;
use crate::hooks::{Wanted, target};
use crate::outputs::Outputs;
use crate::pipeline::{End, Observed, Seen, Stop, observe as run_loop};
use crate::plan::Run;
use crate::serving;
use crate::signals::Signals;
use plumb_kernel::hook;
use plumb_kernel::probes::flows::{Config, Flows};
use plumb_kernel::ring::Ring;
use plumb_kernel::session::Storage;
use plumb_records::ledger::Ledger;
use std::cell::RefCell;
use std::time::Duration;

/// How often interfaces are looked after.
const LOOK: Duration = Duration::from_millis(250);
/// A packet that was stamped longer ago is in the table.
const UNDER_WAY: Duration = Duration::from_millis(50);
/// The table is looked through so many times within the shortest timeout, within these bounds.
const SCANS: u32 = 20;
const SOONEST: Duration = Duration::from_millis(20);
const LATEST: Duration = Duration::from_secs(1);

/// Plans, attaches, observes, concludes.
pub fn run(run: &Run, asked: &Asked, arguments: &Arguments) -> Outcome<Exit> {
    let wanted = Wanted::of(&arguments.attaching)?;
    let targets = target::resolve(&arguments.interface, arguments.netns.as_deref())?;
    let mut signals = Signals::install()?;
    let mut command = match run.command.as_slice() {
        [] => None,
        command => Some(Beside::prepare(command)?),
    };
    let config = &asked.config;
    let mut storage = Storage::new();
    let flows = Flows::load(&mut storage, &Config { hooks: wanted.hooks(), ..config.clone() })?;
    let mut outputs = Outputs::open(run, asked.layout())?;
    outputs.serve(serving::open(&arguments.serving, asked.feeds())?);
    let hooked = wanted.attach(targets, flows.programs())?;
    let mut view = View::new(run, &asked.anonymizer, hooked, outputs);
    view.begin("Flows", &flows.facts(), config.ring_bytes(), &config.filter, &mut command)?;
    let seen = observe(&flows, asked, &mut view, &mut signals, &mut command)?;
    if let Some(command) = &mut command {
        command.stop(signals.interrupted());
    }
    view.conclude(&flows.others()?, &seen)
}

/// The view and the writer, which the ring's handler and the loop share.
struct Both<'a, 'view> {
    view: &'a mut View<'view>,
    writer: Writer<'a>,
}

fn observe<'a>(
    flows: &Flows<'_>,
    asked: &'a Asked,
    view: &'a mut View<'_>,
    signals: &mut Signals,
    command: &mut Option<Beside>,
) -> Outcome<Seen> {
    let (run, ready) = (view.run, view.ready);
    let names = view.hooked.targets.all.iter().map(|target| (target.index, target.name.clone())).collect();
    let writer = Writer::new(run, asked, names, view.clock_offset);
    let both = RefCell::new(Both { view, writer });
    let mut ring = flows.reader(|entry, end| both.borrow_mut().flow(&entry, end))?;
    let end = {
        let mut live = Live {
            ring: &mut ring,
            flows,
            both: &both,
            period: period(&asked.config),
            looked: ready,
            scanned: ready,
            none_left: false,
        };
        run_loop(run, ready, signals, command.as_mut(), &mut live)?.0
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
    flows.finish(|entry, end| both.borrow_mut().flow(&entry, end));
    let Both { view, mut writer } = both.into_inner();
    view.removed = removed;
    writer.batch.flush(&mut view.outputs);
    view.outputs.settle();
    let ledger = view.ledger(writer.ledger(&view.outputs, &flows.counters()), detached);
    Ok(Seen { end, ledger: ledger.closed() })
}

/// How often the table is looked through for flows that ended.
fn period(config: &Config) -> Duration {
    let shortest = config.linger.map_or(config.idle, |linger| linger.min(config.idle));
    (shortest / SCANS).clamp(SOONEST, LATEST)
}

impl Both<'_, '_> {
    fn flow(
        &mut self,
        entry: &plumb_kernel::probes::flows::Entry<'_>,
        end: plumb_kernel::probes::flows::End,
    ) {
        self.writer.flow(&mut self.view.outputs, entry, end);
    }
}

struct Live<'a, 'ring, 'obj, 'w, 'view> {
    ring: &'a mut Ring<'ring>,
    flows: &'a Flows<'obj>,
    both: &'a RefCell<Both<'w, 'view>>,
    period: Duration,
    /// When interfaces were looked after, and the table looked through.
    looked: Moment,
    scanned: Moment,
    none_left: bool,
}

impl Observed for Live<'_, '_, '_, '_, '_> {
    fn wait(&mut self, until: Moment, stop: &mut Stop<'_>) -> Outcome<()> {
        let Self { ring, flows, both, period, looked, scanned, none_left } = self;
        let mut ended = |sleeps| {
            let mut both = both.borrow_mut();
            if scanned.after(*period).left().is_zero() {
                *scanned = Moment::now();
                let past = scanned.0.saturating_sub(UNDER_WAY.as_nanos() as u64);
                flows.expire(past, |entry, end| both.flow(&entry, end));
            }
            let Both { view, writer } = &mut *both;
            writer.batch.settle(&mut view.outputs, sleeps);
            if sleeps && looked.after(LOOK).left().is_zero() {
                *looked = Moment::now();
                *none_left = view.look();
            }
            writer.batch.over(&view.outputs).is_some() || *none_left || stop.asked()
        };
        // The ring's reader asks at least every 100 ms.
        ring.consume_until(until.instant(), &mut ended)?;
        Ok(())
    }

    fn tick(&mut self, span: Span) -> Outcome<()> {
        let Both { view, writer } = &mut *self.both.borrow_mut();
        let ledger = writer.ledger(&view.outputs, &self.flows.counters());
        // What is in flows that go on is in no record yet, and the counters are of no single moment.
        let ledger = view.ledger(Ledger { seen: ledger.accounted(), ..ledger }, span.end);
        writer.batch.tick(view.run, &mut view.outputs, ledger, span);
        Ok(())
    }

    fn over(&self) -> Option<End> {
        let both = self.both.borrow();
        both.writer.batch.over(&both.view.outputs).or(self.none_left.then_some(End::Asked))
    }
}
