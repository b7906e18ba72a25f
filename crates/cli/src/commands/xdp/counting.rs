//! Actions, counted by the programs and read each interval or once, at the end.

use super::run::{Seen, View};
use super::sample::{self, Part, Sample};
use super::table::{self, Frame, Row};
use crate::child::Beside;
use crate::clock::{Moment, Span};
use crate::failure::{Failure, Outcome};
use crate::meter::{self, Meter};
use crate::pipeline::{End, Observed, Stop, observe as run_loop};
use crate::plan::Stdout;
use crate::screen::{Screen, fit};
use crate::signals::Signals;
use crate::text::{self, Footing};
use plumb_kernel::probes::xdp::{self, Action, Fault, Xdp};
use plumb_records::xdp::{XdpAction, XdpActionRow, XdpFault};
use plumb_sinks::text::units;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// How often interfaces are looked after.
const LOOK: Duration = Duration::from_millis(250);
/// Intervals that a row's history shows.
const HISTORY: usize = 16;

struct Counting<'a, 'obj, 'view> {
    programs: &'a mut [Xdp<'obj>],
    view: &'a mut View<'view>,
    now: Vec<Sample>,
    before: Vec<Sample>,
    faults_before: BTreeMap<Fault, u64>,
    /// Packets of the last intervals by interface, action and CPU.
    history: HashMap<(usize, usize, Option<u32>), Vec<u64>>,
    meter: Meter,
    screen: Option<Screen>,
    /// Records written or rows shown, for --count.
    rows: u64,
    none_left: bool,
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
    let screen = match run.stdout {
        Stdout::Live => Some(
            Screen::take(signals)
                .map_err(|error| Failure::failed("cannot use the terminal").because(error))?,
        ),
        _ => None,
    };
    let mut counting = Counting {
        programs,
        view,
        now: Vec::new(),
        before: Vec::new(),
        faults_before: BTreeMap::new(),
        history: HashMap::new(),
        meter: Meter::start(),
        screen,
        rows: 0,
        none_left: false,
    };
    // Nothing is read yet: what has come since the attach belongs to the first interval.
    counting.redraw(Span { start: ready, end: ready });
    let (end, begun) = run_loop(run, ready, signals, command.as_mut(), &mut counting)?;
    counting.programs.iter_mut().for_each(Xdp::detach);
    xdp::quiesce();
    let detached = Moment::now();
    // What the screen showed before comes back, and the last table goes below it.
    counting.screen = None;
    counting.finish(Span { start: begun, end: detached })?;
    let Counting { programs, view, now, .. } = counting;
    // What is not in every output by now is lost.
    view.outputs.flush();
    let mut ledger = view.ledger(programs, &now, detached);
    let lost = view.outputs.lost().min(ledger.aggregated);
    ledger.aggregated -= lost;
    ledger.lost_user += lost;
    Ok(Seen { end, ledger: ledger.closed() })
}

impl Observed for Counting<'_, '_, '_> {
    fn wait(&mut self, until: Moment, stop: &mut Stop<'_>) -> Outcome<()> {
        while !stop.asked() && !until.left().is_zero() && !self.none_left {
            stop.sleep(until.min(Moment::now().after(LOOK)), self.screen.as_ref());
            self.none_left = self.view.look(self.programs);
        }
        Ok(())
    }

    fn tick(&mut self, span: Span) -> Outcome<()> {
        self.read()?;
        let parts = sample::parts(&self.now, &self.before, self.view.asked.by_cpu);
        if self.view.run.periodic && self.view.outputs.takes_records() {
            self.write(&parts, span, true);
        } else {
            self.rows += parts.len() as u64;
        }
        self.remember(&parts);
        if self.view.run.stdout == Stdout::Plain {
            self.print(&parts, span, true);
        }
        self.redraw(span);
        if self.view.run.ledger {
            let ledger = self.view.ledger(self.programs, &self.now, span.end).closed();
            self.view.outputs.write_about(&ledger);
        }
        self.faults_before = self.view.faults();
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

impl Counting<'_, '_, '_> {
    fn read(&mut self) -> Outcome<()> {
        self.before = std::mem::replace(&mut self.now, sample::read(self.programs)?);
        Ok(())
    }

    fn remember(&mut self, parts: &[Part]) {
        for history in self.history.values_mut() {
            history.push(0);
        }
        for part in parts {
            let history = self.history.entry((part.target, part.action, part.cpu)).or_insert_with(|| vec![0]);
            if let Some(last) = history.last_mut() {
                *last = part.count.packets;
            }
        }
        for history in self.history.values_mut().filter(|history| history.len() > HISTORY) {
            history.remove(0);
        }
    }

    /// Detached: what is left of the last interval, or the whole run.
    fn finish(&mut self, rest: Span) -> Outcome<()> {
        self.read()?;
        let by_cpu = self.view.asked.by_cpu;
        let whole = Span { start: self.view.ready, end: rest.end };
        let all = sample::parts(&self.now, &[], by_cpu);
        if self.view.run.periodic {
            let parts = sample::parts(&self.now, &self.before, by_cpu);
            self.write(&parts, rest, true);
            if self.view.run.stdout == Stdout::Plain {
                self.print(&parts, rest, true);
                return Ok(());
            }
        } else {
            self.faults_before.clear();
            self.write(&all, whole, false);
        }
        match self.view.run.stdout {
            Stdout::Live | Stdout::Plain | Stdout::Summary => self.print(&all, whole, false),
            Stdout::Records(_) => {}
        }
        Ok(())
    }

    /// Writes the records of an interval, or of the whole run.
    fn write(&mut self, parts: &[Part], span: Span, interval: bool) {
        let faults = self.faults_since();
        let time = interval.then(|| self.view.time(span.start.0));
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
            self.rows += 1;
        }
        for (fault, packets) in faults {
            let target = targets.all.iter().find(|target| target.program.id == fault.program);
            outputs.write_about(&XdpFault {
                time,
                duration_ns,
                interface: target.map(|target| target.name.as_str()),
                ifindex: Some(fault.ifindex),
                netns: Some(fault.netns),
                program_id: Some(fault.program),
                kind: Some(fault.kind),
                cause: Some(&fault.cause),
                packets,
            });
        }
    }

    fn faults_since(&self) -> BTreeMap<Fault, u64> {
        let mut faults = self.view.faults();
        for (fault, packets) in &mut faults {
            *packets -= self.faults_before.get(fault).copied().unwrap_or(0).min(*packets);
        }
        faults.retain(|_, packets| *packets > 0);
        faults
    }

    /// A plain table, and below that of an interval the footer.
    fn print(&mut self, parts: &[Part], span: Span, interval: bool) {
        let rows = parts.iter().map(|part| Row {
            part,
            recent: (part.count.packets, part.count.bytes),
            history: &[],
        });
        let mut out = format!("\n{}", self.table(&rows.collect::<Vec<_>>(), span.duration(), text::width()));
        if interval {
            out.push_str(&self.footer(parts, span));
        }
        self.view.outputs.say(&out);
    }

    /// The live table: totals, with the rate of the last interval.
    fn redraw(&mut self, span: Span) {
        let Some(screen) = &self.screen else { return };
        let (columns, _) = screen.size();
        let by_cpu = self.view.asked.by_cpu;
        let (all, last) =
            (sample::parts(&self.now, &[], by_cpu), sample::parts(&self.now, &self.before, by_cpu));
        let recent = |part: &Part| {
            let same = |other: &&Part| {
                (other.target, other.action, other.cpu) == (part.target, part.action, part.cpu)
            };
            last.iter().find(same).map_or((0, 0), |part| (part.count.packets, part.count.bytes))
        };
        let history = |part: &Part| {
            self.history.get(&(part.target, part.action, part.cpu)).map_or(&[][..], Vec::as_slice)
        };
        let rows: Vec<Row<'_>> =
            all.iter().map(|part| Row { part, recent: recent(part), history: history(part) }).collect();
        let mut out = format!("{}\n\n", self.view.title());
        out.push_str(&self.table(&rows, span.duration(), Some(columns)));
        out.push('\n');
        out.push_str(&self.footer(&last, span));
        let Some(screen) = &self.screen else { return };
        let drawn = screen.draw(&fit(&out, columns));
        self.view.outputs.said("cannot draw on the terminal", drawn);
    }

    fn table(&self, rows: &[Row<'_>], time: Duration, width: Option<usize>) -> String {
        let View { run, asked, targets, .. } = &*self.view;
        let names: Vec<String> = targets.all.iter().map(|target| target.name.clone()).collect();
        let mut out = if rows.is_empty() {
            "No packet came. The program sees what an interface receives, not what it sends.\n".to_owned()
        } else {
            let frame = Frame { interfaces: &names, by_cpu: asked.by_cpu, timed: asked.config.time, time };
            table::render(&frame, rows, text::style(run.terminal), width)
        };
        for (fault, packets) in self.faults_since() {
            let target = targets.all.iter().find(|target| target.program.id == fault.program);
            let name = target.map_or("-", |target| target.name.as_str());
            out.push_str(&format!("{name}: {} {}: {}\n", fault.kind, fault.cause, units::count(packets)));
        }
        out
    }

    fn footer(&mut self, last: &[Part], span: Span) -> String {
        let packets = last.iter().map(|part| part.count.packets).sum();
        let footing = Footing {
            rate: text::per_second(packets, span.duration()),
            cpu: self.meter.cpu_share(),
            memory: meter::memory(),
        };
        format!("{}\n", text::footer(&self.view.ledger(self.programs, &self.now, span.end), footing))
    }
}

/// Name of our program, as the kernel lists it.
const PROGRAM: &str = "xdp_run";
