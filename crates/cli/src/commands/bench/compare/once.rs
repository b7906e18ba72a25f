//! One run of one reader at one rate.

use super::super::failed;
use super::super::running::{self, Usage};
use super::contender::Contender;
use super::load::{Load, Network, Sent};
use super::verdict::{self, Account};
use crate::args::compare::Compare;
use crate::failure::{Failure, Outcome};
use crate::signals::Signals;
use nix::sched::sched_setaffinity;
use nix::unistd::Pid;
use plumb_lab::machine::{Busy, Machine};
use plumb_lab::process;
use plumb_lab::traffic::Rate;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What comes before the measured time: caches, the page pool and a reader's table are warm then.
const WARM: Duration = Duration::from_millis(250);
/// How long the first packets may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a wait looks whether it was asked to end.
const LOOK: Duration = Duration::from_millis(20);

/// What one run showed. Shares are of one CPU.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// In the measured time.
    pub offered_per_s: f64,
    /// In the whole run.
    pub sent: Sent,
    /// What the reader tells of the whole run; `None` of `none`.
    pub account: Option<Account>,
    /// CPU time of its process, and the parts of it that were in user space and in the kernel.
    pub process: Option<f64>,
    pub parts: Option<[f64; 2]>,
    /// How often a second it slept, and how often another one took its CPU.
    pub switches: Option<[f64; 2]>,
    pub busy: Busy,
    /// Processes that are no part of the bench.
    pub others: f64,
    pub peak: Option<u64>,
    /// From the signal to the exit.
    pub end: Option<(Duration, Duration)>,
}

/// A moment of a run.
struct Moment {
    sent: (Instant, u64),
    usage: Option<Usage>,
    machine: (Instant, Machine),
    all: (Instant, HashMap<u32, Duration>),
}

/// Starts the reader, offers load, measures in its midst, ends the reader. `None` where a signal came.
pub fn once(
    network: &Network<'_>,
    contender: &Contender,
    rate: Rate,
    asked: &Compare,
    signals: &Signals,
) -> Outcome<Option<Run>> {
    let work = || with_reader(network, contender, rate, asked, signals);
    if contender.attaches_xdp() { work() } else { network.accepting(work) }
}

fn with_reader(
    network: &Network<'_>,
    contender: &Contender,
    rate: Rate,
    asked: &Compare,
    signals: &Signals,
) -> Outcome<Option<Run>> {
    let receiver = network.lab.receiver();
    let running = contender.words(receiver.interface).map(|words| {
        // A child is where its parent is: in the receiver's namespace, on the CPUs that are not the generator's.
        let start = || {
            let _ = sched_setaffinity(Pid::from_raw(0), &network.others);
            Ok(running::start_plumb(contender.name, &words, contender.output()))
        };
        receiver.run(start).map_err(failed)?
    });
    let running = running.transpose()?;
    let reader = running.as_ref();
    let (measured, sent) = network.offer(rate, |load| window(load, reader, asked.duration, signals))?;
    let Some(mut run) = measured else { return Ok(None) };
    run.sent = sent;
    if let Some(running) = running {
        run.peak = running.memory()?.map(|(_, peak)| peak);
        let ended = running.finish()?.ok_or_else(|| Failure::failed("the reader has no process"))?;
        run.end = Some((ended.took, ended.cpu));
        run.account = Some(verdict::account(contender.how, &ended, sent, asked)?);
    }
    Ok(Some(run))
}

/// Two moments, and what came between them; `None` where a signal came.
fn window(
    load: &Load<'_>,
    reader: Option<&running::Running>,
    time: Duration,
    signals: &Signals,
) -> Outcome<Option<Run>> {
    // The kernel may be long about the first frames: programs for XDP are changed one at a time in the whole system
    // (bpf_dispatcher_change_prog in kernel/bpf/dispatcher.c).
    let begun = Instant::now();
    while load.sent().1 == 0 && begun.elapsed() < PATIENCE && wait(LOOK, signals) {}
    if !wait(WARM, signals) {
        return Ok(None);
    }
    let before = moment(load, reader)?;
    if !wait(time, signals) {
        return Ok(None);
    }
    let after = moment(load, reader)?;
    Ok(Some(between(&before, &after, reader.and_then(running::Running::id))))
}

/// Whether the time passed without a signal.
fn wait(time: Duration, signals: &Signals) -> bool {
    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if signals.stopped() || left.is_zero() {
            return !signals.stopped();
        }
        std::thread::sleep(left.min(LOOK));
    }
}

/// Looks at everything. Each number has its own moment, as close to it as can be.
fn moment(load: &Load<'_>, reader: Option<&running::Running>) -> Outcome<Moment> {
    let usage = reader.map(running::Running::usage).transpose()?.flatten();
    let sent = load.sent();
    let machine = Machine::now().map_err(failed)?;
    Ok(Moment {
        sent,
        usage,
        machine: (Instant::now(), machine),
        all: (Instant::now(), process::all_cpu_times()),
    })
}

#[allow(clippy::cast_precision_loss, reason = "rates")]
fn between(before: &Moment, after: &Moment, reader: Option<u32>) -> Run {
    let seconds = |from: Instant, to: Instant| (to - from).as_secs_f64().max(f64::EPSILON);
    let busy_time = after.machine.0 - before.machine.0;
    let used = before.usage.zip(after.usage);
    let share = |now: Duration, then: Duration, time: f64| now.saturating_sub(then).as_secs_f64() / time;
    let known = |pid: &u32| *pid == std::process::id() || Some(*pid) == reader;
    let others = after.all.1.iter().filter(|(pid, _)| !known(pid)).map(|(pid, time)| {
        // One that began in between is all in it.
        time.saturating_sub(before.all.1.get(pid).copied().unwrap_or_default()).as_secs_f64()
    });
    Run {
        offered_per_s: (after.sent.1 - before.sent.1) as f64 / seconds(before.sent.0, after.sent.0),
        process: used.map(|(then, now)| share(now.cpu, then.cpu, seconds(then.at, now.at))),
        parts: used.map(|(then, now)| parts(&then, &now)),
        switches: used.map(|(then, now)| {
            [0, 1].map(|kind| {
                now.switches[kind].saturating_sub(then.switches[kind]) as f64 / seconds(then.at, now.at)
            })
        }),
        busy: after.machine.1.since(&before.machine.1, busy_time),
        others: others.sum::<f64>() / seconds(before.all.0, after.all.0),
        ..Run::default()
    }
}

/// The shares of user and system time, which are sampled, of what the process used, which is measured.
fn parts(then: &Usage, now: &Usage) -> [f64; 2] {
    let [user, system] =
        [0, 1].map(|part| now.sampled[part].saturating_sub(then.sampled[part]).as_secs_f64());
    let used = now.cpu.saturating_sub(then.cpu).as_secs_f64() / (now.at - then.at).as_secs_f64();
    let all = user + system;
    if all > 0.0 { [user, system].map(|part| used * part / all) } else { [f64::NAN; 2] }
}
