//! A reader while it runs: started, waited for, measured and ended.

mod folder;
mod start;

pub use folder::Folder;
pub use start::{Output, plumb_command, start, start_plumb, until_ready};

use crate::failure::{Failure, Outcome};
use folder::broken;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use plumb_lab::process::{self, ProgramRuns};
use std::fs;
use std::io::{self, BufRead};
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What one run showed.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    pub offered: u32,
    pub took: Duration,
    /// CPU time of the reader; `None` where it is no process.
    pub cpu: Option<Duration>,
    /// Resident memory and its peak after each half.
    pub memory: Vec<Option<(u64, u64)>>,
    /// Minor page faults after each half.
    pub faults: Vec<Option<u64>>,
    /// From its start until it observed; `None` where it makes no ready file.
    pub attached: Option<Duration>,
    /// From the signal to its exit.
    pub ended: Option<Duration>,
    pub received: Option<u64>,
    pub lost: Option<u64>,
}

/// What a reader says that it saw.
#[derive(Clone, Copy, Debug, Default)]
pub struct Account {
    pub received: Option<u64>,
    pub lost: Option<u64>,
    /// Whether it says that nothing is missing.
    pub complete: Option<bool>,
}

/// A reader that observes.
pub struct Running {
    held: Held,
    folder: Folder,
    attached: Option<Duration>,
}

enum Held {
    Nothing,
    /// A thread holds the empty programs until this end of a channel goes.
    Floor(std::sync::mpsc::Sender<()>, std::thread::JoinHandle<()>),
    Process(Process, fn(&Folder) -> Outcome<Account>),
}

/// A child that does not outlive this, whatever happens.
struct Process {
    child: Child,
    /// Whoever reads its output.
    draining: Option<JoinHandle<io::Result<()>>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What a reader's process has used so far.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// When this was read.
    pub at: Instant,
    /// CPU time.
    pub cpu: Duration,
    /// In user space and in the kernel, as sampled.
    pub sampled: [Duration; 2],
    /// How often it slept, and how often another one took its CPU.
    pub switches: [u64; 2],
}

/// A reader that has ended.
pub struct Ended {
    folder: Folder,
    /// From the signal to the exit.
    pub took: Duration,
    /// CPU time in between.
    pub cpu: Duration,
}

impl Ended {
    /// The records that it wrote to standard output.
    pub fn records(&self) -> Outcome<impl Iterator<Item = serde_json::Value>> {
        let lines = self.folder.lines("stdout")?.lines().map_while(Result::ok);
        Ok(lines.filter_map(|line| serde_json::from_str(&line).ok()))
    }
}

impl Running {
    fn process(&self) -> Option<u32> {
        match &self.held {
            Held::Process(process, _) => Some(process.child.id()),
            Held::Nothing | Held::Floor(..) => None,
        }
    }

    /// CPU time of the reader's process so far.
    pub fn cpu_time(&self) -> Outcome<Option<Duration>> {
        self.process().map(process::cpu_time).transpose().map_err(super::failed)
    }

    /// Its resident memory, now and at most.
    pub fn memory(&self) -> Outcome<Option<(u64, u64)>> {
        self.process().map(process::memory).transpose().map_err(super::failed)
    }

    /// Its minor page faults so far.
    pub fn minor_faults(&self) -> Outcome<Option<u64>> {
        self.process().map(process::minor_faults).transpose().map_err(super::failed)
    }

    /// Runs of its programs so far: zero where it has none.
    pub fn program_runs(&self) -> Outcome<ProgramRuns> {
        let process = match &self.held {
            Held::Nothing => return Ok(ProgramRuns::default()),
            Held::Floor(..) => std::process::id(),
            Held::Process(process, _) => process.child.id(),
        };
        process::program_runs(process).map_err(super::failed)
    }

    /// How long it took to attach, where it tells.
    pub fn attached(&self) -> Option<Duration> {
        self.attached
    }

    /// Ends it and reads its account; how long a process took to end.
    pub fn end(self) -> Outcome<(Account, Option<Duration>)> {
        match self.held {
            Held::Nothing => Ok((Account::default(), None)),
            Held::Floor(hold, thread) => {
                drop(hold);
                let _ = thread.join();
                Ok((Account::default(), None))
            }
            Held::Process(process, account) => {
                let ended = interrupt(process, self.folder)?;
                Ok((account(&ended.folder)?, Some(ended.took)))
            }
        }
    }

    /// Ends its process, and tells what that took; `None` where it has none.
    pub fn finish(self) -> Outcome<Option<Ended>> {
        match self.held {
            Held::Process(process, _) => interrupt(process, self.folder).map(Some),
            Held::Nothing | Held::Floor(..) => Ok(None),
        }
    }

    /// What its process has used so far; `None` where it has none.
    pub fn usage(&self) -> Outcome<Option<Usage>> {
        let used = |pid| {
            let (cpu, at) = (process::cpu_time(pid)?, Instant::now());
            Ok(Usage { at, cpu, sampled: process::user_and_system(pid)?, switches: process::switches(pid)? })
        };
        self.process().map(used).transpose().map_err(super::failed)
    }

    /// The id of its process.
    pub fn id(&self) -> Option<u32> {
        self.process()
    }
}

/// Ctrl-C, and the end of it.
fn interrupt(mut process: Process, folder: Folder) -> Outcome<Ended> {
    let id = process.child.id();
    let pid = Pid::from_raw(i32::try_from(id).unwrap_or(i32::MAX));
    let (asked, before) = (Instant::now(), process::cpu_time(id).map_err(super::failed)?);
    let _ = kill(pid, Signal::SIGINT);
    // Its CPU time is known until it is waited for.
    let gone = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
    gone.map_err(|error| broken("a reader".into(), error))?;
    let took = asked.elapsed();
    let cpu = process::cpu_time(id).map_err(super::failed)?.saturating_sub(before);
    let status = process.child.wait().map_err(|error| broken("a reader".into(), error))?;
    if let Some(draining) = process.draining.take() {
        let drained = draining.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        drained.map_err(|error| broken("a reader's output".into(), error))?;
    }
    if !status.success() && status.signal() != Some(Signal::SIGINT as i32) {
        let said = fs::read_to_string(folder.file("stderr")).unwrap_or_default();
        let why = said.lines().last().map_or_else(|| status.to_string(), str::to_owned);
        return Err(Failure::failed("a reader of the bench failed").because(why));
    }
    Ok(Ended { folder, took, cpu })
}
