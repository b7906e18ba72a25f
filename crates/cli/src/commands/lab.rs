//! `plumb lab`: a small network with faults, and a command that runs in it.

use crate::args::lab::Lab as Arguments;
use crate::child::{self, Beside};
use crate::failure::{Exit, Failure, Outcome};
use crate::signals::Signals;
use crate::text::{note, say, width};
use plumb_kernel::support;
use plumb_lab::faults::{self, Fault};
use plumb_lab::load::{Bulk, Load, Moved};
use plumb_lab::{KernelVersion, Lab};
use plumb_sinks::text::Style;
use plumb_sinks::text::table::{Head, Table};
use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Builds the network, runs CMD in it beside healthy traffic and the asked faults, and removes everything.
pub fn run(arguments: &Arguments) -> Outcome<Exit> {
    if arguments.list {
        return super::print(&list()?);
    }
    let faults = chosen(&arguments.fault)?;
    support::require("lab")?;
    let mut signals = Signals::install()?;
    let lab = Lab::new().map_err(|error| Failure::failed("cannot build the lab").because(error))?;
    let load = Load::start(&lab, arguments.rate)
        .map_err(|error| Failure::failed("cannot start the lab's traffic").because(error))?;
    let bulk = arguments.load.map(|rate| Bulk::start(&lab, rate)).transpose();
    let bulk = bulk.map_err(|error| Failure::failed("cannot start the lab's bulk traffic").because(error))?;
    let stop = AtomicBool::new(false);
    let (exit, injected) = std::thread::scope(|scope| {
        let injecting = scope.spawn(|| inject(&lab, &faults, arguments.rate, &stop));
        // Set whatever happens here, or the scope would wait for ever.
        let guard = StopGuard(&stop);
        let exit = match arguments.command.as_slice() {
            [] => wait(&lab, &mut signals),
            command => beside(&lab, command, &mut signals),
        };
        drop(guard);
        (exit, injecting.join())
    });
    drop(load);
    let moved = bulk.map(Bulk::stop).transpose();
    let exit = exit?;
    if let Some(Moved { sent, read }) =
        moved.map_err(|error| Failure::failed("the lab's bulk traffic ended early").because(error))?
    {
        note(format_args!("{sent} datagrams of bulk traffic were sent, {read} of them read"));
    }
    injected.map_err(|_| Failure::failed("the thread that injects faults ended early"))??;
    Ok(exit)
}

/// Says stop when it is dropped, also by a panic.
struct StopGuard<'a>(&'a AtomicBool);

impl Drop for StopGuard<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The faults that were asked for, each once; `all` are those that this kernel can show.
fn chosen(words: &[String]) -> Outcome<Vec<&'static Fault>> {
    let mut chosen: Vec<&'static Fault> = Vec::new();
    for word in words {
        let named: Vec<&'static Fault> = match word.as_str() {
            "all" => visible()?,
            name => vec![faults::find(name).map_err(|_| {
                Failure::arguments(format!("the lab has no fault {name}"))
                    .help("`plumb lab --list` shows them")
            })?],
        };
        for fault in named {
            if !chosen.iter().any(|other| other.name == fault.name) {
                chosen.push(fault);
            }
        }
    }
    Ok(chosen)
}

fn kernel() -> Outcome<KernelVersion> {
    KernelVersion::running()
        .map_err(|error| Failure::failed("cannot tell the kernel's version").because(error))
}

fn visible() -> Outcome<Vec<&'static Fault>> {
    let kernel = kernel()?;
    Ok(faults::all().filter(|fault| !(fault.expect)(kernel).is_empty()).collect())
}

fn list() -> Outcome<String> {
    let kernel = kernel()?;
    let mut table =
        Table::new([Head::text("fault"), Head::flexible("what it does"), Head::flexible("expected drops")]);
    for fault in faults::all() {
        let expected: Vec<String> = (fault.expect)(kernel)
            .iter()
            .map(|expect| format!("{} ({})", expect.reason, expect.symbol))
            .collect();
        let expected =
            if expected.is_empty() { "this kernel cannot show it".to_owned() } else { expected.join(", ") };
        table.row([fault.name, fault.what, &expected]);
    }
    Ok(table.render(width(), Style::default()))
}

/// Without CMD: says how to get in, and waits for Ctrl-C.
fn wait(lab: &Lab, signals: &mut Signals) -> Outcome<Exit> {
    let mut text = String::new();
    for (role, host) in [("sender", lab.sender()), ("receiver", lab.receiver())] {
        let name = host.netns.name();
        text.push_str(&format!(
            "{role}: {} and {} on {}; to enter: ip netns exec {name} $SHELL\n",
            host.v4, host.v6, host.interface
        ));
    }
    text.push_str("Ctrl-C removes both.\n");
    say(&text)?;
    while !signals.stopped() {
        signals.wait(None);
    }
    Ok(Exit::Done)
}

/// Runs CMD in the receiving host to its end, or until we are asked to end.
fn beside(lab: &Lab, command: &[OsString], signals: &mut Signals) -> Outcome<Exit> {
    let mut running = Beside::prepare_in(Some(lab.receiver().netns.path()), command)?;
    running.start()?;
    loop {
        if let Some(status) = running.ended() {
            return Ok(child::exit_of(status));
        }
        if signals.stopped() {
            running.stop(signals.interrupted());
            return Ok(Exit::Done);
        }
        signals.wait(None);
    }
}

/// Injects every fault each second until `stop`, at least once, so that together they offer `rate` packets a second. A
/// fault that fails is told at once and not tried again; the others go on.
fn inject(lab: &Lab, faults: &[&Fault], rate: u32, stop: &AtomicBool) -> Outcome<()> {
    let stopped = || stop.load(Ordering::Relaxed);
    let mut shares = Shares::default();
    let (mut working, mut failed) = (faults.to_vec(), Vec::new());
    while !working.is_empty() && !stopped() {
        let round = Instant::now();
        shares.begin(rate, working.len());
        working.retain(|fault| match offer(lab, fault, shares.next(), &stopped) {
            Ok(()) => true,
            Err(error) => {
                note(format_args!("cannot inject {}: {error}", fault.name));
                failed.push(fault.name);
                false
            }
        });
        // Short naps: the end of CMD must not wait for the second to pass.
        while round.elapsed() < Duration::from_secs(1) && !stopped() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::failed(format!("some faults could not be injected: {}", failed.join(", "))))
    }
}

/// What each fault offers in a second. What does not divide goes to other faults each second.
#[derive(Default)]
struct Shares {
    faults: u64,
    each: u64,
    /// So many faults offer one more.
    more: u64,
    /// Where the next fault stands in the turn; those before `more` offer more.
    turn: u64,
}

impl Shares {
    /// Shares out the `rate` of a second, of which each of so many faults gets one at least.
    fn begin(&mut self, rate: u32, faults: usize) {
        let (rate, faults) = (u64::from(rate), (faults as u64).max(1));
        // Those that come first now are those after the last ones that offered more.
        self.turn = if self.faults == faults { (self.turn + faults - self.more) % faults } else { 0 };
        (self.faults, self.each) = (faults, (rate / faults).max(1));
        self.more = rate.saturating_sub(self.each * faults);
    }

    fn next(&mut self) -> u64 {
        let share = self.each + u64::from(self.turn < self.more);
        self.turn = (self.turn + 1) % self.faults;
        share
    }
}

/// Injects a fault `times` times in parts, between which the end is looked for.
fn offer(lab: &Lab, fault: &Fault, times: u64, stopped: &impl Fn() -> bool) -> plumb_lab::Result<()> {
    const PART: u64 = 500;
    let mut left = times;
    while left > 0 && !stopped() {
        let part = left.min(PART);
        (fault.inject)(lab, part)?;
        left -= part;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Shares, chosen, list, visible};
    use crate::failure::Exit;

    #[test]
    fn faults_are_chosen_by_name_each_once() {
        let all = visible().unwrap();
        let first = all.first().unwrap().name;
        let words = ["all".to_owned(), first.to_owned()];
        assert_eq!(chosen(&words).unwrap().len(), all.len());
        assert_eq!(chosen(&["no-such".to_owned()]).unwrap_err().exit, Exit::Arguments);
        assert!(chosen(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_rate_is_shared_out_in_turns() {
        let mut shares = Shares::default();
        let mut second = |rate, faults| {
            shares.begin(rate, faults);
            (0..faults).map(|_| shares.next()).collect::<Vec<_>>()
        };
        assert_eq!(second(7, 4), [2, 2, 2, 1]);
        assert_eq!(second(7, 4), [2, 2, 1, 2]);
        assert_eq!(second(7, 4), [2, 1, 2, 2]);
        assert_eq!(second(9, 3), [3, 3, 3]);
        assert_eq!(second(1, 3), [1, 1, 1], "each at least once");
    }

    #[test]
    fn the_list_has_every_fault() {
        let list = list().unwrap();
        for fault in plumb_lab::faults::all() {
            assert!(list.contains(fault.name));
        }
    }
}
