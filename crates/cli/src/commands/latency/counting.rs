//! Stages, read from the kernel's histograms.

use super::groups::{self, By, Names};
use super::interrupts::{self, Table};
use super::{histogram, table};
use crate::account;
use crate::clock::{Moment, Span};
use crate::counted::{Counted, Since};
use crate::failure::Outcome;
use crate::outputs::Outputs;
use crate::plan::Run;
use crate::text;
use plumb_kernel::probes::latency::irq::{Irqs, Lost};
use plumb_kernel::probes::latency::{Latency, Outcomes, Stage};
use plumb_records::latency::{Stage as Record, StageRow};
use plumb_records::ledger::Ledger;
use plumb_sinks::format::Format;
use plumb_sinks::text::{Ink, Style};
use std::collections::HashMap;
use std::time::Duration;

/// What is above the table of packets in no group.
const OVERFLOW: &str = "(no room among the groups)";

/// How it is told.
pub struct Told {
    pub by: By,
    pub names: Names,
    pub title: String,
    /// With the distribution of each stage.
    pub histogram: bool,
}

/// Packets of a stage, counted once: those of the whole way.
pub fn packets(stage: &Stage) -> u64 {
    if stage.ends.is_none() { stage.times.count() } else { 0 }
}

/// What is read and told.
pub struct Ways<'a, 'obj> {
    run: &'a Run,
    latency: Latency<'obj>,
    irqs: Option<Table<'obj>>,
    outputs: Outputs,
    told: Told,
    ready: Moment,
    clock_offset: i64,
    now: Vec<Stage>,
    before: Vec<Stage>,
    account: (Ledger, Outcomes),
}

impl<'a, 'obj> Ways<'a, 'obj> {
    pub fn new(
        run: &'a Run,
        (latency, irqs): (Latency<'obj>, Option<Irqs<'obj>>),
        outputs: Outputs,
        told: Told,
        ready: Moment,
        clock_offset: i64,
    ) -> Self {
        let account = (Ledger::default(), Outcomes::default());
        Self {
            run,
            latency,
            irqs: irqs.map(Table::new),
            outputs,
            told,
            ready,
            clock_offset,
            now: Vec::new(),
            before: Vec::new(),
            account,
        }
    }

    /// After the end: the outputs, what became of the packets, and what the table of interrupts lacks.
    pub fn into_end(self) -> (Outputs, Outcomes, Option<Lost>) {
        (self.outputs, self.account.1, self.irqs.map(|irqs| irqs.lost()))
    }
}

impl Ways<'_, '_> {
    /// Whether any output takes records of stages: formats of one kind of records have those of --irq instead.
    fn stages_have_a_place(&self) -> bool {
        self.irqs.is_none() || self.run.formats().any(|format| format == Format::Json)
    }

    /// The tables of a group, or of all packets. `left_out`: see [`table::render`].
    fn tables(
        &self,
        stages: &[Stage],
        style: Style,
        width: Option<usize>,
        left_out: &mut Vec<String>,
    ) -> String {
        let mut out = table::render(stages, style, width, left_out);
        if self.told.histogram {
            out.push_str(&histogram::render(stages, style, width));
        }
        out
    }
}

impl Counted for Ways<'_, '_> {
    type Line = Stage;

    fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    fn outputs_mut(&mut self) -> &mut Outputs {
        &mut self.outputs
    }

    fn look(&mut self) -> bool {
        false
    }

    fn read(&mut self) -> Outcome<()> {
        self.before = std::mem::replace(&mut self.now, self.latency.stages()?);
        self.account = self.latency.account()?;
        self.told.names.learn(&self.now);
        if let Some(irqs) = &mut self.irqs {
            irqs.read()?;
            interrupts::add_cost(&mut self.account.0, irqs.cost_ns());
        }
        Ok(())
    }

    fn detach(&mut self) {
        self.latency.detach();
        if let Some(irqs) = &mut self.irqs {
            irqs.detach();
        }
    }

    fn lines(&self, since: Since) -> Vec<Stage> {
        let before = self.before.iter().filter(|_| since == Since::Interval);
        let before: HashMap<_, _> = before.map(|stage| (groups::identity(stage), stage)).collect();
        let stages = self.now.iter().map(|stage| match before.get(&groups::identity(stage)) {
            Some(before) => Stage { times: stage.times.since(&before.times), ..stage.clone() },
            None => stage.clone(),
        });
        self.told.by.arrange(stages.filter(|stage| stage.times.count() > 0).collect())
    }

    /// Of the whole way: each packet took it once.
    fn packets(stage: &Stage) -> u64 {
        packets(stage)
    }

    fn write(&mut self, stages: &[Stage], since: Since, span: Span) {
        let time = (since == Since::Interval).then(|| span.start.time(self.clock_offset));
        let written = if self.stages_have_a_place() { stages } else { &[] };
        for stage in written {
            let (from, to) = table::ends(stage);
            let record = Record {
                time,
                duration_ns: span.nanoseconds(),
                direction: stage.direction.name(),
                from,
                to,
                mechanism: stage.ends.map(|(_, to)| self.latency.mechanism(to).name()),
                ..self.told.names.record(stage.group.as_deref())
            };
            let row = StageRow { stage: record.timed(&stage.times), shown: self.told.by.shown };
            self.outputs.write_group(&row, packets(stage));
        }
        if let Some(irqs) = &self.irqs {
            irqs.write(&mut self.outputs, since, (time, span));
        }
    }

    fn title(&self) -> String {
        self.told.title.clone()
    }

    fn table(&self, stages: &[Stage], _: Option<&[Stage]>, _: Duration, width: Option<usize>) -> String {
        if stages.is_empty() {
            return "No packet with data over TCP or UDP came to the end of its way.\n".to_owned();
        }
        let style = text::style(self.run.terminal);
        let Told { by, names, .. } = &self.told;
        let (mut out, mut left_out) = (String::new(), Vec::new());
        if !by.asked() {
            out.push_str(&self.tables(stages, style, width, &mut left_out));
            out.push_str(&text::left_out(&left_out, width));
            return out;
        }
        for group in groups::apart(stages) {
            let heading = match &group[0].group {
                Some(group) => by.heading(names.record(Some(group))),
                None => OVERFLOW.to_owned(),
            };
            out.push_str(if out.is_empty() { "" } else { "\n" });
            style.paint(&mut out, &heading, Ink::Strong);
            out.push('\n');
            out.push_str(&self.tables(group, style, width, &mut left_out));
        }
        out.push_str(&text::left_out(&left_out, width));
        out
    }

    fn below(&self, since: Since) -> String {
        let style = text::style(self.run.terminal);
        self.irqs.as_ref().map_or_else(String::new, |irqs| irqs.render(since, style, text::width()))
    }

    fn ledger(&self, end: Moment) -> Ledger {
        account::with_cost(self.account.0.clone(), &self.outputs, Span { start: self.ready, end })
    }
}
