//! A run that watches programs of others: read each interval or once, written, shown, concluded.

use super::Watched;
use super::reading::{self, Line, Reading};
use super::table::{self, Frame, Row};
use crate::account;
use crate::child::Beside;
use crate::clock::{Moment, Span};
use crate::failure::{Exit, Failure, Outcome};
use crate::meter::{self, Meter};
use crate::outputs::Outputs;
use crate::pipeline::{self, End, Observed, Stop, observe as run_loop};
use crate::plan::{Run, Stdout};
use crate::screen::{Screen, fit};
use crate::signals::Signals;
use crate::text::{self, Footing};
use plumb_kernel::probes::xdp::{Action, Watch};
use plumb_kernel::session::Attached;
use plumb_records::column::Shown;
use plumb_records::ledger::Ledger;
use plumb_records::xdp::{XdpAction, XdpActionRow};
use std::time::Duration;

/// How often interfaces are looked after.
const LOOK: Duration = Duration::from_millis(250);

/// What a run shows, and to whom.
pub struct View<'a, 'obj> {
    pub run: &'a Run,
    pub programs: Vec<Watched<'obj>>,
    pub outputs: Outputs,
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
    /// At readiness, at the last interval, now.
    first: Vec<Reading>,
    before: Vec<Reading>,
    now: Vec<Reading>,
    meter: Meter,
    screen: Option<Screen>,
    /// Records written or rows shown, for --count.
    rows: u64,
    none_left: bool,
}

impl View<'_, '_> {
    /// Observes until the run ends, and concludes.
    pub fn observe(mut self, signals: &mut Signals, command: &mut Option<Beside>) -> Outcome<Exit> {
        // What came before this moment is not told.
        let first = reading::read(&self.programs)?;
        // Sizes of programs are told to who has capabilities, which go now.
        let hooks: Vec<Attached> = self.programs.iter().flat_map(Watched::hooks).collect();
        self.ready = pipeline::ready(self.run, command.as_mut())?;
        self.begin(&hooks);
        let (run, ready) = (self.run, self.ready);
        let screen = match run.stdout {
            Stdout::Live => Some(
                Screen::take(signals)
                    .map_err(|error| Failure::failed("cannot use the terminal").because(error))?,
            ),
            _ => None,
        };
        let mut watching = Watching {
            view: self,
            before: first.clone(),
            now: first.clone(),
            first,
            meter: Meter::start(),
            screen,
            rows: 0,
            none_left: false,
        };
        watching.redraw(Span { start: ready, end: ready });
        let (end, begun) = run_loop(run, ready, signals, command.as_mut(), &mut watching)?;
        watching.view.programs.iter_mut().filter_map(|one| one.watch.as_mut()).for_each(Watch::detach);
        let detached = Moment::now();
        // What the screen showed before comes back, and the last table goes below it.
        watching.screen = None;
        watching.finish(Span { start: begun, end: detached })?;
        watching.view.outputs.flush();
        let mut ledger = watching.ledger(detached);
        let lost = watching.view.outputs.lost().min(ledger.aggregated);
        ledger.aggregated -= lost;
        ledger.lost_user += lost;
        if let Some(command) = command {
            command.stop(signals.interrupted());
        }
        watching.view.conclude(end, &ledger.closed())
    }

    /// The first record and line say what is watched, and by what.
    fn begin(&mut self, hooks: &[Attached]) {
        let named = self.programs.iter().map(|one| {
            (format!("{} {}", one.foreign.loaded.name, one.foreign.loaded.id), one.mechanism().to_owned())
        });
        let filters = self.programs.iter().flat_map(|one| &one.spots);
        let filters = filters.map(|spot| format!("interface {}", spot.place.interface.name));
        let session = account::session(filters.collect(), named.collect(), self.clock_offset);
        self.outputs.write_about(&session);
        self.outputs.flush();
        account::programs(self.run, hooks);
        if matches!(self.run.stdout, Stdout::Plain | Stdout::Summary) {
            let title = self.title();
            self.outputs.say(&format!("{title}\n"));
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

    /// Tells which interfaces are gone; true where every one is.
    fn look(&mut self) -> bool {
        let mut spots: Vec<_> = self.programs.iter_mut().flat_map(|program| &mut program.spots).collect();
        for spot in spots.iter_mut().filter(|spot| !spot.gone) {
            spot.gone = !spot.is_there();
        }
        let mut told: Vec<&str> = Vec::new();
        for spot in &spots {
            let name = spot.place.interface.name.as_str();
            if spot.gone && !spot.told && !told.contains(&name) {
                told.push(name);
                text::note(format_args!(
                    "{name} is deleted or was moved to another namespace: what was counted on it stays in the totals"
                ));
            }
        }
        let all_gone = !spots.is_empty() && spots.iter().all(|spot| spot.gone);
        for spot in &mut spots {
            spot.told = spot.gone;
        }
        all_gone
    }

    /// Name and index of the interface that a line is of; nothing where it is of several.
    fn place(&self, line: &Line) -> Option<&super::Spot> {
        let program = self.programs.get(line.program)?;
        let one = program.watch.is_some() || program.spots.len() == 1;
        program.spots.get(line.place).filter(|_| one)
    }

    fn record<'r>(&'r self, line: &Line, span: Span, interval: bool) -> XdpAction<'r> {
        let program = self.programs.get(line.program);
        let loaded = program.map(|program| &program.foreign.loaded);
        let place = self.place(line).map(|spot| &spot.place);
        let per_second = |count| text::per_second(count, span.duration());
        let traced = program.is_some_and(|program| program.watch.is_some());
        let action = XdpAction {
            time: interval.then(|| span.start.time(self.clock_offset)),
            duration_ns: span.nanoseconds(),
            interface: place.map(|place| place.interface.name.as_str()),
            ifindex: place.map(|place| place.interface.index),
            netns: place.map(|place| place.netns.inode),
            netns_name: place.and_then(|place| place.netns_name.as_deref()),
            mode: place.map(super::Place::mode_name),
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

    /// Writes the ledger, tells people, and decides on the exit code.
    fn conclude(mut self, end: End, ledger: &Ledger) -> Outcome<Exit> {
        let parts = self.programs.iter().any(|program| program.part_of.is_some());
        let sentence = text::sentence_about(if parts { "program run" } else { "packet" }, ledger);
        account::close(&mut self.outputs, self.run, ledger, sentence)?;
        Ok(account::exit(self.run, ledger, end))
    }
}

impl Observed for Watching<'_, '_> {
    fn wait(&mut self, until: Moment, stop: &mut Stop<'_>) -> Outcome<()> {
        while !stop.asked() && !until.left().is_zero() && !self.none_left {
            stop.sleep(until.min(Moment::now().after(LOOK)), self.screen.as_ref());
            self.none_left = self.view.look();
        }
        Ok(())
    }

    fn tick(&mut self, span: Span) -> Outcome<()> {
        self.read()?;
        let lines = reading::lines(&self.now, &self.before, self.view.by_cpu);
        if self.view.run.periodic && self.view.outputs.takes_records() {
            self.write(&lines, span, true);
        } else {
            self.rows += lines.len() as u64;
        }
        if self.view.run.stdout == Stdout::Plain {
            self.print(&lines, span, true)?;
        }
        self.redraw(span);
        if self.view.run.ledger {
            let ledger = self.ledger(span.end).closed();
            self.view.outputs.write_about(&ledger);
        }
        self.view.outputs.flush();
        Ok(())
    }

    fn over(&self) -> Option<End> {
        if !self.view.outputs.usable() {
            return Some(End::Output);
        }
        let enough = self.view.run.count.is_some_and(|most| self.rows >= most);
        enough.then_some(End::Count).or(self.none_left.then_some(End::Asked))
    }
}

impl Watching<'_, '_> {
    fn read(&mut self) -> Outcome<()> {
        self.before = std::mem::replace(&mut self.now, reading::read(&self.view.programs)?);
        Ok(())
    }

    /// Everything since readiness.
    fn all(&self) -> Vec<Line> {
        reading::lines(&self.now, &self.first, self.view.by_cpu)
    }

    fn ledger(&self, end: Moment) -> Ledger {
        let counted: u64 = self.all().iter().map(|line| line.packets).sum();
        let watches = self.view.programs.iter().filter_map(|program| program.watch.as_ref());
        let missed: u64 = watches.map(Watch::misses).sum();
        Ledger {
            seen: counted + missed,
            aggregated: counted,
            lost_kernel: missed,
            ..account::cost(&self.view.outputs, Span { start: self.view.ready, end })
        }
    }

    /// Detached: what is left of the last interval, or the whole run.
    fn finish(&mut self, rest: Span) -> Outcome<()> {
        self.read()?;
        let whole = Span { start: self.view.ready, end: rest.end };
        let all = self.all();
        if self.view.run.periodic {
            let lines = reading::lines(&self.now, &self.before, self.view.by_cpu);
            self.write(&lines, rest, true);
            if self.view.run.stdout == Stdout::Plain {
                return self.print(&lines, rest, true);
            }
        } else {
            self.write(&all, whole, false);
        }
        match self.view.run.stdout {
            Stdout::Live | Stdout::Plain | Stdout::Summary => self.print(&all, whole, false),
            Stdout::Records(_) => Ok(()),
        }
    }

    /// Writes the records of an interval, or of the whole run.
    fn write(&mut self, lines: &[Line], span: Span, interval: bool) {
        let mut outputs = std::mem::take(&mut self.view.outputs);
        if outputs.takes_records() {
            for line in lines {
                let action = self.view.record(line, span, interval);
                outputs.write_group(&XdpActionRow { action, shown: self.view.shown }, line.packets);
                self.rows += 1;
            }
        }
        self.view.outputs = outputs;
    }

    /// A plain table, and below that of an interval the footer.
    fn print(&mut self, lines: &[Line], span: Span, interval: bool) -> Outcome<()> {
        let mut out = format!("\n{}", self.table(lines, lines, span.duration(), text::width()));
        if interval {
            out.push_str(&self.footer(lines, span));
        }
        self.view.outputs.say(&out);
        Ok(())
    }

    /// The live table: totals, with the rate of the last interval.
    fn redraw(&mut self, span: Span) {
        let Some((columns, _)) = self.screen.as_ref().map(Screen::size) else { return };
        let last = reading::lines(&self.now, &self.before, self.view.by_cpu);
        let table = self.table(&self.all(), &last, span.duration(), Some(columns));
        let out = format!("{}\n\n{table}\n{}", self.view.title(), self.footer(&last, span));
        let Some(screen) = &self.screen else { return };
        let drawn = screen.draw(&fit(&out, columns));
        self.view.outputs.said("cannot draw on the terminal", drawn);
    }

    /// `recent`: the lines that rates are of.
    fn table<'l>(&self, lines: &'l [Line], recent: &[Line], time: Duration, width: Option<usize>) -> String {
        let View { run, by_cpu, timed, programs, .. } = &self.view;
        if lines.is_empty() {
            return "No packet came to these programs. XDP sees what an interface receives, not what it sends.\n"
                .to_owned();
        }
        let row = |line: &'l Line| {
            let program = programs.get(line.program).map(|program| &program.foreign.loaded);
            let last = recent.iter().find(|other| other.same(line));
            Row {
                line,
                program: program.map_or_else(String::new, |loaded| format!("{} {}", loaded.name, loaded.id)),
                interface: self.view.place(line).map_or("-", |spot| &spot.place.interface.name).to_owned(),
                recent: last.map_or((0, line.bytes.map(|_| 0)), |last| (last.packets, last.bytes)),
            }
        };
        let rows: Vec<Row<'_>> = lines.iter().map(row).collect();
        let frame = Frame { by_cpu: *by_cpu, timed: *timed, time };
        table::render(frame, &rows, text::style(run.terminal), width)
    }

    fn footer(&mut self, last: &[Line], span: Span) -> String {
        let packets = last.iter().map(|line| line.packets).sum();
        let footing = Footing {
            rate: text::per_second(packets, span.duration()),
            cpu: self.meter.cpu_share(),
            memory: meter::memory(),
        };
        format!("{}\n", text::footer(&self.ledger(span.end), footing))
    }
}
