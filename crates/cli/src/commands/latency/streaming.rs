//! One record per packet: its whole way.

use super::{interrupts, waterfall};
use crate::account;
use crate::batch::Batch;
use crate::child::Beside;
use crate::clock::{Moment, Span};
use crate::enrich::reasons::ReasonNames;
use crate::failure::Outcome;
use crate::outputs::Outputs;
use crate::pipeline::{End, Observed, Seen, Stop, observe as run_loop};
use crate::plan::Run;
use crate::signals::Signals;
use crate::text;
use plumb_kernel::probes::latency::irq::{Irqs, Lost};
use plumb_kernel::probes::latency::{Direction, Ended, Event, Latency, Outcomes};
use plumb_kernel::ring::Ring;
use plumb_records::latency::Journey;
use plumb_records::ledger::Ledger;
use std::cell::RefCell;

/// What a run writes, and to whom.
pub struct Writer<'a> {
    run: &'a Run,
    outputs: Outputs,
    batch: Batch,
    reasons: ReasonNames,
    ready: Moment,
    clock_offset: i64,
    /// Hooks and times of the packet at hand.
    stages: Vec<(&'static str, u64)>,
    /// Of the terminal.
    columns: Option<usize>,
}

impl<'a> Writer<'a> {
    pub fn new(
        run: &'a Run,
        outputs: Outputs,
        reasons: ReasonNames,
        ready: Moment,
        clock_offset: i64,
    ) -> Self {
        let batch = Batch::new(run, waterfall::HEAD);
        Self { run, outputs, batch, reasons, ready, clock_offset, stages: Vec::new(), columns: text::width() }
    }

    /// Writes packets until the run ends. Also the outputs, what became of the packets, and what interrupts were not seen.
    pub fn observe(
        self,
        (latency, irqs): (&mut Latency<'_>, &mut Option<Irqs<'_>>),
        signals: &mut Signals,
        command: &mut Option<Beside>,
    ) -> Outcome<(Seen, Outputs, Outcomes, Option<Lost>)> {
        let (run, ready) = (self.run, self.ready);
        let writer = RefCell::new(self);
        let (end, _) = {
            let ring = latency.ring(|event| writer.borrow_mut().event(&event))?;
            let mut streaming = Streaming { ring, latency, writer: &writer };
            run_loop(run, ready, signals, command.as_mut(), &mut streaming)?
        };
        latency.detach();
        let detached = Moment::now();
        // What was in flight when the run ended belongs to it.
        latency.ring(|event| writer.borrow_mut().event(&event))?.drain()?;
        let mut writer = writer.into_inner();
        writer.batch.flush(&mut writer.outputs);
        let (mut ledger, outcomes) = writer.ledger(latency, detached)?;
        let mut lost = None;
        if let Some(irqs) = irqs {
            irqs.detach();
            let (missing, cost_ns) = irqs.account()?;
            interrupts::add_cost(&mut ledger, cost_ns);
            lost = Some(missing);
        }
        let ledger = writer.batch.close(&mut writer.outputs, ledger);
        Ok((Seen { end, ledger }, writer.outputs, outcomes, lost))
    }

    fn event(&mut self, event: &Event) {
        if !self.batch.admit() {
            return;
        }
        self.stages.clear();
        let first = event.stamps().next().map_or(0, |(_, at)| at);
        self.stages.extend(event.stamps().map(|(hook, at)| (hook.name(), at.saturating_sub(first))));
        let (netns_cookie, ifindex) = event.place();
        let (src, dst) = event.addresses();
        let (src_port, dst_port) = event.ports();
        let (ended, process, socket) = (event.ended(), event.process(), event.socket());
        let journey = Journey {
            time: Moment(first).time(self.clock_offset),
            packet_id: event.id(),
            direction: event.direction().map(Direction::name),
            ended: ended.map(Ended::name),
            reason: match ended {
                Some(Ended::Dropped(reason)) => Some(self.reasons.name(reason).name),
                _ => None,
            },
            total_ns: self.stages.last().map_or(0, |(_, at)| *at),
            stages: &self.stages,
            ifindex,
            netns_cookie,
            src_ip: Some(src),
            dst_ip: Some(dst),
            src_port: Some(src_port),
            dst_port: Some(dst_port),
            protocol: event.protocol(),
            length_bytes: event.length(),
            pid: process.map(|(pid, _)| pid),
            comm: process.map(|(_, comm)| comm),
            uid: socket.map(|(uid, _)| uid),
            cgroup: socket.map(|(_, cgroup)| cgroup),
        };
        let columns = self.columns;
        let waterfall = |out: &mut String, style| waterfall::stages(out, &journey, style, columns);
        self.batch.write_with(&mut self.outputs, &journey, waterfall);
    }

    fn ledger(&self, latency: &Latency<'_>, end: Moment) -> Outcome<(Ledger, Outcomes)> {
        let (ledger, outcomes) = latency.account()?;
        Ok((account::with_cost(ledger, &self.outputs, Span { start: self.ready, end }), outcomes))
    }
}

struct Streaming<'a, 'obj, 'w> {
    ring: Ring<'a>,
    latency: &'a Latency<'obj>,
    writer: &'a RefCell<Writer<'w>>,
}

impl Observed for Streaming<'_, '_, '_> {
    fn wait(&mut self, until: Moment, stop: &mut Stop<'_>) -> Outcome<()> {
        let mut ended = |sleeps| {
            let Writer { outputs, batch, .. } = &mut *self.writer.borrow_mut();
            batch.settle(outputs, sleeps);
            batch.over(outputs).is_some() || stop.asked()
        };
        self.ring.consume_until(until.instant(), &mut ended)?;
        Ok(())
    }

    fn tick(&mut self, span: Span) -> Outcome<()> {
        let writer = &mut *self.writer.borrow_mut();
        let (ledger, _) = writer.ledger(self.latency, span.end)?;
        writer.columns = text::width();
        writer.batch.tick(writer.run, &mut writer.outputs, ledger, span);
        Ok(())
    }

    fn over(&self) -> Option<End> {
        let writer = self.writer.borrow();
        writer.batch.over(&writer.outputs)
    }
}
