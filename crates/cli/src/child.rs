//! `-- CMD ARGS`: a command that keeps the privileges we were started with and begins only when we are attached.
//!
//! We drop our capabilities after attach, but CMD must start after attach with all of them. So a second copy of
//! ourselves is started early; it waits on a pipe and becomes CMD on one byte. End of file instead of the byte means
//! that we ended first: then CMD never runs. Where we are killed, the kernel ends CMD.

use crate::failure::{Exit, Failure, Outcome};
use crate::text::note;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, pipe2};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// The hidden subcommand that waits and becomes CMD, in another network namespace where it is given one.
pub const SUBCOMMAND: &str = "become";

/// How long CMD may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// How long CMD may take to end by itself after a Ctrl-C, which the terminal sends to it as well.
const OWN_END: Duration = Duration::from_millis(500);

/// A process of ours that is waited for and, where it has to be, ended.
pub struct Running {
    child: Child,
    ended: Option<ExitStatus>,
}

impl Running {
    /// Watches over `child`.
    pub fn new(child: Child) -> Self {
        Self { child, ended: None }
    }

    /// Its status, once it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }

    /// Ends it where it still runs: it gets a moment to end by itself where `by_itself`, then SIGTERM, then SIGKILL.
    pub fn stop(&mut self, by_itself: bool) {
        if by_itself && self.ends_within(OWN_END) || self.ended().is_some() {
            return;
        }
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // It may end in this moment, but its id stays taken until it is waited for.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        if !self.ends_within(GRACE) {
            let _ = self.child.kill();
            self.ended = self.child.wait().ok();
        }
    }

    fn ends_within(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        while self.ended().is_none() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }
}

impl Drop for Running {
    /// Reached without `stop` only where something of ours failed.
    fn drop(&mut self) {
        self.stop(false);
    }
}

/// CMD: waiting, running or ended.
pub struct Beside {
    start: Option<File>,
    running: Running,
}

impl Beside {
    /// Starts the process that will become `command`, which must not be empty. To be called on the main thread: the
    /// process ends with the thread that started it.
    pub fn prepare(command: &[OsString]) -> Outcome<Self> {
        Self::prepare_in(None, command)
    }

    /// The same; CMD runs in the network namespace that `netns` is a file of. The process itself goes there: one that
    /// a thread started inside would end with that thread.
    pub fn prepare_in(netns: Option<&Path>, command: &[OsString]) -> Outcome<Self> {
        Self::spawn(netns, command)
            .map_err(|error| Failure::failed("cannot start a process for the command").because(error))
    }

    fn spawn(netns: Option<&Path>, command: &[OsString]) -> std::io::Result<Self> {
        let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&read, FcntlArg::F_SETFD(FdFlag::empty()))?;
        let child = Command::new("/proc/self/exe")
            .arg0("plumb")
            .args([OsStr::new(SUBCOMMAND), OsStr::new(&read.as_raw_fd().to_string())])
            .args(netns)
            .arg("--")
            .args(command)
            .spawn()?;
        drop::<OwnedFd>(read);
        Ok(Self { start: Some(File::from(write)), running: Running::new(child) })
    }

    /// Lets CMD begin.
    pub fn start(&mut self) -> Outcome<()> {
        match self.start.take().map(|mut pipe| pipe.write_all(&[1])) {
            Some(Err(error)) => Err(Failure::failed("cannot start the command").because(error)),
            _ => Ok(()),
        }
    }

    /// The status of CMD, once it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.running.ended()
    }

    /// Ends CMD: see [`Running::stop`].
    pub fn stop(&mut self, by_itself: bool) {
        self.start = None;
        self.running.stop(by_itself);
    }
}

/// The exit code that stands for the status of a command, as shells have it.
pub fn exit_of(status: ExitStatus) -> Exit {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    match u8::try_from(code) {
        Ok(0) => Exit::Done,
        Ok(code) => Exit::Command(code),
        Err(_) => Exit::Failed,
    }
}

/// The hidden subcommand: waits on descriptor `pipe`, then becomes `command`, in the network namespace `netns` where
/// there is one. Returns only where CMD does not run.
pub fn wait_and_become(pipe: i32, netns: Option<&Path>, command: &[OsString]) -> Exit {
    // Outlives the exec, unless CMD gains privileges by it (begin_new_exec in fs/exec.c). The kernel goes by the thread
    // that started us, which is the main one and lives as long as its process.
    if let Err(error) = set_pdeathsig(Signal::SIGTERM) {
        note(format_args!("the command will go on where plumb is killed: {error}"));
    }
    // Opened anew because a descriptor number cannot safely be taken over; then the inherited one goes, so that CMD
    // does not see it.
    let opened = File::open(format!("/proc/self/fd/{pipe}"));
    let _ = nix::unistd::close(pipe);
    let mut byte = [0];
    match opened.and_then(|mut file| file.read(&mut byte)) {
        Ok(0) => return Exit::Done,
        Ok(_) => {}
        Err(error) => {
            note(format_args!("cannot wait for the start: {error}"));
            return Exit::Failed;
        }
    }
    let Some((program, arguments)) = command.split_first() else {
        return Exit::Done;
    };
    if let Some(Err(error)) = netns.map(plumb_lab::netns::enter_at) {
        note(format_args!("cannot run {} in the lab: {error}", program.display()));
        return Exit::Failed;
    }
    let error = Command::new(program).args(arguments).exec();
    note(format_args!("cannot run {}: {error}", shown(program)));
    exit_of_failed_start(&error)
}

/// A program's name, in quotes where there is nothing to see.
fn shown(program: &OsStr) -> String {
    if program.is_empty() { "\"\"".to_owned() } else { program.to_string_lossy().into_owned() }
}

/// The shell's codes for a command that is not found, or is found but cannot be run.
fn exit_of_failed_start(error: &std::io::Error) -> Exit {
    Exit::Command(if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 })
}
