//! A run that watches programs of others: what is read, written and shown of them.

use super::Watched;
use super::news::{self, Known};
use super::reading::{self, Line, Readings};
use super::spot::Spot;
use super::table::{self, Frame, Row};
use crate::account;
use crate::child::Beside;
use crate::clock::{Moment, Span};
use crate::commands::xdp::faulty::{self, Faulty};
use crate::commands::xdp::list::Place;
use crate::counted::{self, Counted, Since};
use crate::failure::{Exit, Outcome};
use crate::outputs::Outputs;
use crate::pipeline::{self, End};
use crate::plan::{Run, Stdout};
use crate::signals::Signals;
use crate::text;
use plumb_kernel::probes::xdp::{Action, Fault, Faults, Watch};
use plumb_kernel::session::Attached;
use plumb_records::column::Shown;
use plumb_records::ledger::Ledger;
use plumb_records::xdp::{XdpAction, XdpActionRow};
use plumb_sinks::text::clean;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a run shows, and to whom.
pub struct View<'a, 'obj> {
    pub run: &'a Run,
    pub programs: Vec<Watched<'obj>>,
    pub known: Known,
    pub faults: Option<Faults<'obj>>,
    pub by_cpu: bool,
    pub timed: bool,
    pub shown: Shown,
    /// What watching tells of a program that does nothing, by fentry and by the kernel's statistics.
    pub watch_cost_ns: Option<u64>,
    pub empty_ns: Option<u64>,
    pub clock_offset: i64,
    pub ready: Moment,
}

struct Watching<'a, 'obj> {
    view: View<'a, 'obj>,
    outputs: Outputs,
    readings: Readings,
    faults: Faulty,
    /// What has changed, for below a live table.
    news: Vec<String>,
}

impl<'a> View<'a, '_> {
    /// Observes until the run ends, and concludes.
    pub fn observe(
        mut self,
        mut outputs: Outputs,
        signals: &mut Signals,
        command: &mut Option<Beside>,
    ) -> Outcome<Exit> {
        // What came before this moment is not told.
        let first = reading::read(&mut self.programs)?;
        let faults = Faulty::from(self.faults());
        // Sizes of programs are told to who has capabilities, which go now.
        let beside = self.faults.iter().flat_map(Faults::mechanisms).cloned();
        let hooks: Vec<Attached> = self.programs.iter().flat_map(Watched::hooks).chain(beside).collect();
        self.ready = pipeline::ready(self.run, command.as_mut())?;
        self.begin(&mut outputs, &hooks);
        let (run, ready): (&'a Run, _) = (self.run, self.ready);
        let readings = Readings { before: first.clone(), now: first.clone(), first };
        let mut watching = Watching { view: self, outputs, readings, faults, news: Vec::new() };
        let seen = counted::observe(run, ready, &mut watching, signals, command)?;
        if let Some(command) = command {
            command.stop(signals.interrupted());
        }
        watching.conclude(seen.end, &seen.ledger)
    }

    /// The first record and line say what is watched, and by what.
    fn begin(&self, outputs: &mut Outputs, hooks: &[Attached]) {
        let named = self.programs.iter().map(|one| {
            (format!("{} {}", one.foreign.loaded.name, one.foreign.loaded.id), one.mechanism().to_owned())
        });
        let filters = self.programs.iter().flat_map(|one| &one.spots);
        let filters = filters.map(|spot| format!("interface {}", spot.place.interface.name));
        let beside = self
            .faults
            .iter()
            .flat_map(Faults::mechanisms)
            .map(|hook| (hook.hook.to_owned(), hook.mechanism.to_owned()));
        let session = account::session(filters.collect(), named.chain(beside).collect(), self.clock_offset);
        outputs.write_about(&session);
        outputs.flush();
        account::programs(self.run, hooks);
        if matches!(self.run.stdout, Stdout::Plain | Stdout::Summary) {
            let title = self.title();
            outputs.say(&format!("{title}\n"));
        }
    }

    /// What is watched, where, and by what.
    fn title(&self) -> String {
        let one = |program: &Watched<'_>| {
            let places: Vec<String> =
                program.spots.iter().map(|spot| spot.place.interface.name.clone()).collect();
            let on = if places.is_empty() { String::new() } else { format!(" on {}", places.join(", ")) };
            format!(
                "{} {}{on} by {}",
                program.foreign.loaded.name,
                program.foreign.loaded.id,
                program.mechanism()
            )
        };
        let programs: Vec<String> = self.programs.iter().map(one).collect();
        let cost = self.watch_cost_ns.or(self.empty_ns).filter(|_| self.timed);
        let cost = cost.map(|cost| format!("; an empty program shows {cost} ns")).unwrap_or_default();
        format!("XDP programs of others: {}{cost}", programs.join("; "))
    }

    /// What went wrong with packets of these programs so far.
    fn faults(&self) -> BTreeMap<Fault, u64> {
        let all = self.faults.as_ref().map(Faults::read).unwrap_or_default();
        let ours = |fault: &Fault| self.programs.iter().any(|program| program.did(fault));
        all.into_iter().filter(|(fault, _)| ours(fault)).collect()
    }

    /// Name of the interface that a fault was at, and the inode of its namespace.
    fn place_of(&self, fault: &Fault) -> Option<(&str, u64)> {
        let there = |spot: &&Spot| (spot.cookie, spot.place.interface.index) == (fault.netns, fault.ifindex);
        let spot = self.programs.iter().flat_map(|program| &program.spots).find(there)?;
        Some((&spot.place.interface.name, spot.place.netns.inode))
    }

    /// Name and index of the interface that a line is of; nothing where it is of several.
    fn place(&self, line: &Line) -> Option<&Spot> {
        let program = self.programs.get(line.program)?;
        let one = program.watch.is_some() || program.spots.len() == 1;
        program.spots.get(line.place).filter(|_| one)
    }

    fn record<'r>(&'r self, line: &Line, span: Span, since: Since) -> XdpAction<'r> {
        let program = self.programs.get(line.program);
        let loaded = program.map(|program| &program.foreign.loaded);
        let place = self.place(line).map(|spot| &spot.place);
        let per_second = |count| text::per_second(count, span.duration());
        let traced = program.is_some_and(|program| program.watch.is_some());
        let action = XdpAction {
            time: (since == Since::Interval).then(|| span.start.time(self.clock_offset)),
            duration_ns: span.nanoseconds(),
            interface: place.map(|place| place.interface.name.as_str()),
            ifindex: place.map(|place| place.interface.index),
            netns: place.map(|place| place.netns.inode),
            netns_name: place.and_then(|place| place.netns_name.as_deref()),
            mode: place.map(Place::mode_name),
            program: loaded.map(|loaded| loaded.name.as_str()),
            program_id: loaded.map(|loaded| loaded.id),
            action: line.action.map(Action::name),
            cpu: line.cpu,
            packets: Some(line.packets),
            bytes: line.bytes,
            packets_per_s: Some(per_second(line.packets)),
            bytes_per_s: line.bytes.map(per_second),
            clock_cost_ns: if traced { self.watch_cost_ns } else { self.empty_ns },
            mechanism: program.map(Watched::mechanism),
            part_of: program.and_then(|program| program.part_of),
            drops: line.drops,
            ..XdpAction::default()
        };
        let action = match &line.times {
            Some(times) => action.timed(times),
            None => action,
        };
        XdpAction { mean_ns: line.mean_ns, ..action }
    }
}

impl Counted for Watching<'_, '_> {
    type Line = Line;

    fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    fn outputs_mut(&mut self) -> &mut Outputs {
        &mut self.outputs
    }

    fn look(&mut self) -> bool {
        let View { programs, known, clock_offset, .. } = &mut self.view;
        let news = news::look(programs, known, || Moment::now().time(*clock_offset));
        if self.view.run.stdout == Stdout::Live {
            // The table is drawn over what is written elsewhere.
            self.news.extend(news.iter().map(|news| clean(news)));
        } else {
            news.iter().for_each(text::note);
        }
        news::none_left(&self.view.programs)
    }

    fn read(&mut self) -> Outcome<()> {
        let Readings { before, now, .. } = &mut self.readings;
        *before = std::mem::replace(now, reading::read(&mut self.view.programs)?);
        self.faults.read(self.view.faults());
        Ok(())
    }

    fn detach(&mut self) {
        self.view.programs.iter_mut().filter_map(|one| one.watch.as_mut()).for_each(Watch::detach);
        self.view.faults.iter_mut().for_each(Faults::detach);
    }

    fn lines(&self, since: Since) -> Vec<Line> {
        let Readings { first, before, now } = &self.readings;
        let before = if since == Since::Interval { before } else { first };
        reading::lines(now, before, self.view.by_cpu)
    }

    fn packets(line: &Line) -> u64 {
        line.packets
    }

    fn write(&mut self, lines: &[Line], since: Since, span: Span) {
        if !self.outputs.takes_records() {
            return;
        }
        for line in lines {
            let action = self.view.record(line, span, since);
            self.outputs.write_group(&XdpActionRow { action, shown: self.view.shown }, line.packets);
        }
        let time = (since == Since::Interval).then(|| span.start.time(self.view.clock_offset));
        self.faults.write(&mut self.outputs, since, (time, span), |fault| self.view.place_of(fault));
    }

    fn title(&self) -> String {
        self.view.title()
    }

    fn table(&self, lines: &[Line], live: Option<&[Line]>, time: Duration, width: Option<usize>) -> String {
        let View { run, by_cpu, timed, programs, .. } = &self.view;
        if lines.is_empty() {
            return "No packet came to these programs. XDP sees what an interface receives, not what it sends.\n"
                .to_owned();
        }
        let recent = live.unwrap_or(lines);
        let rows: Vec<Row<'_>> = lines
            .iter()
            .map(|line| {
                let program = programs.get(line.program).map(|program| &program.foreign.loaded);
                let last = recent.iter().find(|other| other.same(line));
                Row {
                    line,
                    program: program
                        .map_or_else(String::new, |loaded| format!("{} {}", loaded.name, loaded.id)),
                    interface: self
                        .view
                        .place(line)
                        .map_or("-", |spot| &spot.place.interface.name)
                        .to_owned(),
                    recent: last.map_or((0, line.bytes.map(|_| 0)), |last| (last.packets, last.bytes)),
                }
            })
            .collect();
        let frame = Frame { by_cpu: *by_cpu, timed: *timed, time };
        table::render(frame, &rows, text::style(run.terminal), width)
    }

    fn below(&self, since: Since) -> String {
        let mut below = self.faults.told(since, |fault| self.view.place_of(fault));
        self.news.iter().for_each(|news| below.push_str(&format!("{news}\n")));
        below
    }

    fn ledger(&self, end: Moment) -> Ledger {
        let counted: u64 = self.lines(Since::Ready).iter().map(|line| line.packets).sum();
        let watches = self.view.programs.iter().filter_map(|program| program.watch.as_ref());
        let missed: u64 = watches.map(Watch::misses).sum();
        Ledger {
            seen: counted + missed,
            aggregated: counted,
            lost_kernel: missed,
            ..account::cost(&self.outputs, Span { start: self.view.ready, end })
        }
    }
}

impl Watching<'_, '_> {
    /// Writes the ledger, tells people, and decides on the exit code.
    fn conclude(mut self, end: End, ledger: &Ledger) -> Outcome<Exit> {
        let View { run, programs, faults, .. } = &self.view;
        faults.iter().for_each(faulty::unroomed);
        let parts = programs.iter().any(|program| program.part_of.is_some());
        let unit = if parts { "program run" } else { "packet" };
        account::close(&mut self.outputs, run, ledger, |ledger| text::sentence_about(unit, ledger))?;
        Ok(account::exit(run, ledger, end))
    }
}
