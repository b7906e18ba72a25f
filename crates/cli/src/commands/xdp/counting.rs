//! Actions, counted by our own programs.

use super::faulty::Faulty;
use super::run::View;
use super::sample::{self, Part, Sample};
use super::table::{self, Frame, Row};
use crate::child::Beside;
use crate::clock::{Moment, Span};
use crate::counted::{self, Counted, Since};
use crate::failure::Outcome;
use crate::hooks::target::Targets;
use crate::outputs::Outputs;
use crate::pipeline::Seen;
use crate::signals::Signals;
use crate::text;
use plumb_kernel::probes::xdp::{self, Action, Fault, Xdp};
use plumb_records::ledger::Ledger;
use plumb_records::xdp::{XdpAction, XdpActionRow};
use std::collections::HashMap;
use std::time::Duration;

/// Intervals that a row's history shows.
const HISTORY: usize = 16;

/// Name of our program, as the kernel lists it.
const PROGRAM: &str = "xdp_run";

struct Programs<'a, 'obj, 'view> {
    programs: &'a mut [Xdp<'obj>],
    view: &'a mut View<'view>,
    now: Vec<Sample>,
    before: Vec<Sample>,
    faults: Faulty,
    /// Packets of the last intervals by interface, action and CPU.
    history: HashMap<(usize, usize, Option<u32>), Vec<u64>>,
}

/// Counts until the run ends.
pub fn observe(
    programs: &mut [Xdp<'_>],
    view: &mut View<'_>,
    signals: &mut Signals,
    command: &mut Option<Beside>,
) -> Outcome<Seen> {
    view.begin(command)?;
    let (run, ready) = (view.run, view.ready);
    let mut programs = Programs {
        programs,
        view,
        now: Vec::new(),
        before: Vec::new(),
        faults: Faulty::default(),
        history: HashMap::new(),
    };
    counted::observe(run, ready, &mut programs, signals, command)
}

impl Counted for Programs<'_, '_, '_> {
    type Line = Part;

    fn outputs(&self) -> &Outputs {
        &self.view.outputs
    }

    fn outputs_mut(&mut self) -> &mut Outputs {
        &mut self.view.outputs
    }

    fn look(&mut self) -> bool {
        self.view.look(self.programs)
    }

    fn read(&mut self) -> Outcome<()> {
        self.before = std::mem::replace(&mut self.now, sample::read(self.programs)?);
        self.faults.read(self.view.faults());
        self.remember();
        Ok(())
    }

    fn detach(&mut self) {
        // What went away since the last look is told before we detach ourselves.
        self.view.look(self.programs);
        self.programs.iter_mut().for_each(Xdp::detach);
        xdp::quiesce();
    }

    fn lines(&self, since: Since) -> Vec<Part> {
        let before: &[Sample] = if since == Since::Interval { &self.before } else { &[] };
        sample::parts(&self.now, before, self.view.asked.by_cpu)
    }

    fn packets(line: &Part) -> u64 {
        line.count.packets
    }

    fn write(&mut self, parts: &[Part], since: Since, span: Span) {
        let time = (since == Since::Interval).then(|| self.view.time(span.start.0));
        let View { asked, targets, outputs, clock_cost_ns, .. } = &mut *self.view;
        if !outputs.takes_records() {
            return;
        }
        let duration_ns = span.nanoseconds();
        for part in parts {
            let Some(target) = targets.all.get(part.target) else { continue };
            let per_second = |count| Some(text::per_second(count, span.duration()));
            let action = XdpAction {
                time,
                duration_ns,
                interface: Some(&target.name),
                ifindex: Some(target.index),
                netns: Some(targets.netns.inode),
                netns_name: targets.netns_name.as_deref(),
                mode: target.mode.map(xdp::Mode::name),
                program: Some(PROGRAM),
                program_id: Some(target.program.id),
                action: Action::ALL.get(part.action).map(|action| action.name()),
                cpu: part.cpu,
                packets: Some(part.count.packets),
                bytes: Some(part.count.bytes),
                packets_per_s: per_second(part.count.packets),
                bytes_per_s: per_second(part.count.bytes),
                clock_cost_ns: *clock_cost_ns,
                ..XdpAction::default()
            };
            let action = match &part.times {
                Some(times) => action.timed(times),
                None => action,
            };
            outputs.write_group(&XdpActionRow { action, shown: asked.shown }, part.count.packets);
        }
        self.faults.write(outputs, since, (time, span), |fault| place(targets, fault));
    }

    fn title(&self) -> String {
        self.view.title()
    }

    fn table(&self, parts: &[Part], live: Option<&[Part]>, time: Duration, width: Option<usize>) -> String {
        let View { run, asked, targets, .. } = &*self.view;
        if parts.is_empty() {
            return "No packet came. The program sees what an interface receives, not what it sends.\n"
                .to_owned();
        }
        let key = |part: &Part| (part.target, part.action, part.cpu);
        let row = |part| {
            let recent = match live {
                None => Some(part),
                Some(last) => last.iter().find(|other| key(other) == key(part)),
            };
            let history = self.history.get(&key(part)).filter(|_| live.is_some());
            Row {
                part,
                recent: recent.map_or((0, 0), |part| (part.count.packets, part.count.bytes)),
                history: history.map_or(&[][..], Vec::as_slice),
            }
        };
        let names: Vec<String> = targets.all.iter().map(|target| target.name.clone()).collect();
        let frame = Frame { interfaces: &names, by_cpu: asked.by_cpu, timed: asked.config.time, time };
        table::render(&frame, &parts.iter().map(row).collect::<Vec<_>>(), text::style(run.terminal), width)
    }

    fn below(&self, since: Since) -> String {
        let mut below = self.faults.told(since, |fault| place(&self.view.targets, fault));
        self.view.news.iter().for_each(|news| below.push_str(&format!("{news}\n")));
        below
    }

    fn ledger(&self, end: Moment) -> Ledger {
        self.view.ledger(self.programs, &self.now, end)
    }
}

impl Programs<'_, '_, '_> {
    fn remember(&mut self) {
        for history in self.history.values_mut() {
            history.push(0);
        }
        for part in self.lines(Since::Interval) {
            let history = self.history.entry((part.target, part.action, part.cpu)).or_insert_with(|| vec![0]);
            if let Some(last) = history.last_mut() {
                *last = part.count.packets;
            }
        }
        for history in self.history.values_mut().filter(|history| history.len() > HISTORY) {
            history.remove(0);
        }
    }
}

/// The interface of a program of ours.
fn place<'a>(targets: &'a Targets, fault: &Fault) -> Option<(&'a str, u64)> {
    let target = targets.all.iter().find(|target| target.program.id == fault.program)?;
    Some((&target.name, targets.netns.inode))
}
