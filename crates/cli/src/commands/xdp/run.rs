//! `plumb xdp run`: plans, attaches, observes, concludes.

use super::asked::{self, Asked};
use super::restore::Restoring;
use super::sample::{self, Sample};
use super::{attaching, counting, faulty, streaming};
use crate::args::xdp::Run as Arguments;
use crate::child::Beside;
use crate::clock::{Moment, Span};
use crate::failure::{Exit, Failure, Outcome};
use crate::hooks::target::{self, Targets};
use crate::outputs::Outputs;
use crate::pipeline::{self, Seen};
use crate::plan::{Run, Stdout};
use crate::signals::Signals;
use crate::{account, text};
use plumb_kernel::probes::xdp::{
    self, Action, Config, Fault, Faults, Mode, NotSent, Shared, Transport, Unsent, Xdp,
};
use plumb_kernel::session::{Attached, Storage};
use plumb_kernel::support;
use plumb_records::column::Time;
use plumb_records::ledger::Ledger;
use plumb_sinks::text::{clean, units};
use std::collections::BTreeMap;

/// The word for what this ledger counts.
const UNIT: &str = "packet";
/// What a run shows, and to whom.
pub struct View<'a> {
    pub run: &'a Run,
    pub asked: &'a Asked,
    pub targets: Targets,
    pub outputs: Outputs,
    pub ready: Moment,
    clock_offset: i64,
    /// What two readings of the clock tell of nothing.
    pub clock_cost_ns: Option<u64>,
    faults: Option<Faults<'a>>,
    unsent: Option<Unsent<'a>>,
    /// What became of interfaces, where that is shown below the live table.
    pub news: Vec<String>,
}

/// Plans, attaches, observes, concludes.
pub fn run(arguments: &Arguments, verbose: bool) -> Outcome<Exit> {
    let run =
        Run::of(&arguments.ends, &arguments.output, &arguments.command, arguments.telling.events, verbose)?;
    let asked = asked::resolve(arguments)?;
    support::require("xdp")?;
    let mut targets = target::resolve(&arguments.interface, arguments.netns.as_deref())?;
    let mut signals = Signals::install()?;
    let mut command = match run.command.as_slice() {
        [] => None,
        command => Some(Beside::prepare(command)?),
    };
    let mut storages: Vec<Storage> = targets.all.iter().map(|_| Storage::new()).collect();
    // Declared before the programs, so that they restore after those are gone, whatever happens.
    let mut restoring = Vec::new();
    let (mut programs, shared) = load(&mut storages, &asked.config)?;
    for (target, program) in targets.all.iter_mut().zip(&programs) {
        target.program = program.facts();
    }
    let clock_cost_ns = if asked.config.time { Some(xdp::clock_cost_ns()?.round() as u64) } else { None };
    let outputs = Outputs::open(&run, asked::layout(&asked))?;
    let (mut room, mut unsent_room) = (Storage::new(), Storage::new());
    let faults = Faults::attach(&mut room, false);
    let unsent = (asked.config.action == Action::Tx).then(|| Unsent::attach(&mut unsent_room)).transpose();
    attaching::attach(&mut targets, &mut programs, &asked, &mut restoring)?;
    let mut view = View {
        run: &run,
        asked: &asked,
        targets,
        outputs,
        ready: Moment::now(),
        clock_offset: support::clock_offset_ns(),
        clock_cost_ns,
        faults: None,
        unsent: None,
        news: Vec::new(),
    };
    match faults {
        Ok(faults) => view.faults = Some(faults),
        Err(error) => text::note(format_args!("exceptions are not counted: {error}")),
    }
    match unsent {
        Ok(unsent) => view.unsent = unsent,
        Err(error) => text::note(format_args!("frames that cannot be sent back are not counted: {error}")),
    }
    let seen = if asked.config.events.is_some() {
        streaming::observe(&mut programs, &shared, &mut view, &mut signals, &mut command)?
    } else {
        counting::observe(&mut programs, &mut view, &mut signals, &mut command)?
    };
    let restored = restore(restoring, &view.targets);
    if let Some(command) = &mut command {
        command.stop(signals.interrupted());
    }
    let exit = conclude(view, &seen)?;
    Ok(if restored { exit } else { Exit::Failed })
}

/// Gives back what gave way; false where something of it is not back.
fn restore(restoring: Vec<Restoring>, targets: &Targets) -> bool {
    let deleted = |number: usize| targets.all[number].told == Some(target::Gone::Deleted);
    restoring.into_iter().fold(true, |all, one| {
        let deleted = deleted(one.number);
        one.finish(deleted) && all
    })
}

/// Loads a program for each interface; nothing is attached yet.
fn load<'obj>(storages: &'obj mut [Storage], config: &Config) -> Outcome<(Vec<Xdp<'obj>>, Shared)> {
    let mut programs: Vec<Xdp<'obj>> = Vec::new();
    let mut shared: Option<Shared> = None;
    for (number, storage) in storages.iter_mut().enumerate() {
        let number = u16::try_from(number).map_err(|_| Failure::arguments("too many interfaces"))?;
        let program = Xdp::load(storage, config, number, shared.as_ref())?;
        if shared.is_none() {
            shared = Some(program.share(config)?);
        }
        programs.push(program);
    }
    let shared = shared.ok_or_else(|| Failure::arguments("no interface was given"))?;
    Ok((programs, shared))
}

impl View<'_> {
    /// Everything is attached: privileges go, CMD begins, and the first record and line say what runs.
    pub fn begin(&mut self, command: &mut Option<Beside>) -> Outcome<()> {
        self.ready = pipeline::ready(self.run, command.as_mut())?;
        let mut hooks: Vec<Attached> = self.targets.all.iter().map(|target| target.program.clone()).collect();
        hooks.extend(self.faults.iter().flat_map(|faults| faults.mechanisms().iter().cloned()));
        hooks.extend(self.unsent.iter().map(|unsent| unsent.mechanism().clone()));
        let names = self.targets.all.iter().map(|target| format!("interface {}", target.name));
        let mut mechanisms: Vec<(String, String)> = self.targets.all.iter().map(place).collect();
        let others = hooks.iter().filter(|hook| hook.hook != "xdp");
        mechanisms.extend(others.map(|hook| (hook.hook.to_owned(), hook.mechanism.to_owned())));
        let session = account::session(names.collect(), mechanisms, self.clock_offset);
        self.outputs.write_about(&session);
        self.outputs.flush();
        account::programs(self.run, &hooks);
        let buffer = self.asked.config.buffer_bytes().filter(|_| self.run.verbose);
        match (buffer, self.asked.config.events) {
            (Some(bytes), Some(Transport::Perf)) => {
                text::note(format_args!("perf buffers: {bytes} bytes for each CPU"));
            }
            (Some(bytes), _) => text::note(format_args!("ring: {bytes} bytes")),
            (None, _) => {}
        }
        if matches!(self.run.stdout, Stdout::Plain | Stdout::Summary) {
            let title = self.title();
            self.outputs.say(&format!("{title}\n"));
        }
        Ok(())
    }

    /// What runs, where, in which mode.
    pub fn title(&self) -> String {
        let places: Vec<String> = self
            .targets
            .all
            .iter()
            .map(|target| {
                let (hook, mode) = place(target);
                format!("{} ({mode}, program {})", hook.trim_start_matches("xdp/"), target.program.id)
            })
            .collect();
        let Config { action, drop_share, .. } = &self.asked.config;
        let verdict = match drop_share {
            0.0 => action.name().to_owned(),
            // Without the digits that the division by 100 has left behind.
            share => format!("DROP {}%, else {}", (share * 1e12).round() / 1e10, action.name()),
        };
        let clock = self.clock_cost_ns.map(|cost| format!(", the clock's own cost {cost} ns"));
        format!("XDP {verdict} on {}{}", places.join(", "), clock.unwrap_or_default())
    }

    /// Tells which interfaces are gone; true where none is left.
    pub fn look(&mut self, programs: &[Xdp<'_>]) -> bool {
        let news = self.targets.look(programs.iter().map(Xdp::whereabouts));
        if self.run.stdout == Stdout::Live {
            // A line among those of the live table would be drawn over.
            self.news.extend(news.iter().map(|news| clean(news)));
        } else {
            news.iter().for_each(text::note);
        }
        self.targets.none_left()
    }

    /// Exceptions of our programs so far.
    pub fn faults(&self) -> BTreeMap<Fault, u64> {
        let all = self.faults.as_ref().map(Faults::read).unwrap_or_default();
        let ours = |id: u32| self.targets.all.iter().any(|target| target.program.id == id);
        let exceptions = all.into_iter().filter(|(fault, _)| ours(fault.program));
        exceptions.chain(self.not_sent()).collect()
    }

    /// Frames that were not sent back, of our interfaces where they were at the start.
    fn not_sent(&self) -> impl Iterator<Item = (Fault, u64)> {
        let Targets { all, netns_cookie, .. } = &self.targets;
        let fault = move |frames: NotSent| {
            let here = Some(frames.netns_cookie) == *netns_cookie;
            let target = all.iter().find(|target| here && target.index == frames.ifindex)?;
            let NotSent { netns_cookie: netns, ifindex, cause, .. } = frames;
            let fault = Fault { netns, ifindex, program: target.program.id, kind: "tx", cause };
            Some((fault, frames.packets))
        };
        self.unsent.iter().flat_map(Unsent::read).filter_map(fault)
    }

    /// When a moment was, in the world's time.
    pub fn time(&self, monotonic_ns: u64) -> Time {
        Moment(monotonic_ns).time(self.clock_offset)
    }

    /// The account of counts so far, or of the whole run where `now` was read after its end.
    pub fn ledger(&self, programs: &[Xdp<'_>], now: &[Sample], end: Moment) -> Ledger {
        let all = sample::sum(now);
        let (run_time, runs) =
            programs.iter().map(Xdp::statistics).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let mut ledger = Ledger {
            seen: all.packets,
            cost_bpf_ns: (runs > 0).then_some(run_time),
            ..account::cost(&self.outputs, Span { start: self.ready, end })
        };
        if self.asked.config.events.is_some() {
            ledger.emitted = all.emitted;
            ledger.lost_kernel = all.lost;
        } else {
            ledger.aggregated = all.packets;
        }
        ledger
    }
}

/// The hook on an interface, and the mode that it is in.
fn place(target: &target::Target) -> (String, String) {
    (format!("xdp/{}", target.name), target.mode.map_or("none", Mode::name).to_owned())
}

/// Writes the ledger, tells people, and decides on the exit code.
fn conclude(mut view: View<'_>, seen: &Seen) -> Outcome<Exit> {
    view.faults.iter().for_each(faulty::unroomed);
    let ledger = &seen.ledger;
    if ledger.lost_kernel > 0 {
        text::note(format_args!(
            "{} found no room on their way to us: a larger --ring-size or a faster output would help",
            units::counted(ledger.lost_kernel, UNIT)
        ));
    }
    account::close(&mut view.outputs, view.run, ledger, |ledger| text::sentence_about(UNIT, ledger))?;
    Ok(account::exit(view.run, ledger, seen.end))
}
