//! The run loop, the same for every observing command: ready, start CMD, wait and tick, end.
//!
//! One thread does it all. Before it: the plan, the output files, and attach. After it: detach, the last reads, the
//! ledger.

use crate::args::values::Place;
use crate::child::Beside;
use crate::clock::{Moment, Span};
use crate::failure::{Failure, Outcome};
use crate::plan::Run;
use crate::privileges;
use crate::screen::Screen;
use crate::signals::Signals;
use caps::Capability;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use plumb_records::ledger::Ledger;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::process::ExitStatus;

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The time of --for is over.
    Time,
    /// The records of --count are written.
    Count,
    /// A signal asked for it.
    Asked,
    /// CMD ended.
    Command(ExitStatus),
    /// The output takes no more: its reader is gone, or it failed.
    Output,
}

/// How a run went.
pub struct Seen {
    /// What ended it.
    pub end: End,
    /// The account of the packets.
    pub ledger: Ledger,
}

/// What a command does in the loop.
pub trait Observed {
    /// Takes what comes until `until`; returns early where `stop` says so.
    fn wait(&mut self, until: Moment, stop: &mut Stop<'_>) -> Outcome<()>;
    /// An interval is over.
    fn tick(&mut self, span: Span) -> Outcome<()>;
    /// Whether the output wants no more.
    fn over(&self) -> Option<End>;
}

/// What can end a wait from outside.
pub struct Stop<'a> {
    signals: &'a mut Signals,
    command: Option<&'a mut Beside>,
    ended: Option<End>,
}

impl Stop<'_> {
    /// Whether the run is to end. Cheap: asked after every batch of events.
    pub fn asked(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = if self.signals.stopped() {
                Some(End::Asked)
            } else if self.signals.child_changed() {
                self.command.as_mut().and_then(|command| command.ended()).map(End::Command)
            } else {
                None
            };
        }
        self.ended.is_some()
    }

    /// Sleeps until then, or until a signal comes. Ctrl-Z gets the terminal back that `screen` has.
    pub fn sleep(&mut self, until: Moment, screen: Option<&Screen>) {
        while !self.asked() && !until.left().is_zero() {
            self.signals.wait((until != NEVER).then(|| until.left()));
            if let Some(screen) = screen
                && self.signals.suspend_asked()
            {
                screen.suspend(self.signals);
            }
        }
    }
}

/// Further away than any run is long.
const NEVER: Moment = Moment(u64::MAX);

/// Everything is attached: says so, gives up what privileges are no longer needed, and lets CMD begin. Returns the
/// moment of readiness.
pub fn ready(run: &Run, command: Option<&mut Beside>) -> Outcome<Moment> {
    // The next file of a rotated output, or the name of one that is whole, may lie in a folder that only root may write to.
    let writes_later = run.output.as_ref().is_some_and(|(output, rotate)| {
        rotate.is_some() || output.place != Place::File || output.format.is_sealed()
    });
    let kept: &[Capability] = if writes_later { &[Capability::CAP_DAC_OVERRIDE] } else { &[] };
    if let Some(path) = &run.ready_file {
        privileges::drop_all_but(&[Capability::CAP_DAC_OVERRIDE])?;
        // Not waiting for a pipe's reader: no signal would end that.
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).custom_flags(OFlag::O_NONBLOCK.bits());
        options.open(path).map_err(|error| {
            let pipe = error.raw_os_error() == Some(Errno::ENXIO as i32);
            let failure = Failure::failed(format!("cannot create {}", path.display())).because(error);
            if pipe { failure.help("a pipe needs its reader first") } else { failure }
        })?;
    }
    privileges::drop_all_but(kept)?;
    let ready = Moment::now();
    if let Some(command) = command {
        command.start()?;
    }
    Ok(ready)
}

/// Observes from `ready` until something ends the run. Returns what did, and when the interval that is not yet ticked
/// began.
pub fn observe(
    run: &Run,
    ready: Moment,
    signals: &mut Signals,
    command: Option<&mut Beside>,
    observed: &mut dyn Observed,
) -> Outcome<(End, Moment)> {
    let mut stop = Stop { signals, command, ended: None };
    let deadline = run.duration.map_or(NEVER, |time| ready.after(time));
    let mut begun = ready;
    let mut next = run.interval.map_or(NEVER, |time| ready.after(time));
    // What was written before the first wait may have found that nobody takes it.
    if let Some(end) = observed.over() {
        return Ok((end, begun));
    }
    loop {
        observed.wait(deadline.min(next), &mut stop)?;
        let now = Moment::now();
        let end = if stop.asked() { stop.ended } else { observed.over() };
        let late = (now >= deadline).then_some(End::Time);
        if let Some(end) = end.or(late) {
            return Ok((end, begun));
        }
        if let Some(interval) = run.interval
            && now >= next
        {
            observed.tick(Span { start: begun, end: now })?;
            begun = now;
            next = next.beat_after(now, interval);
        }
    }
}
