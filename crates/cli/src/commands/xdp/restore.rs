//! Putting somebody else's program back, whatever becomes of us.
//!
//! A second process of ours holds the program, and the link that it was in, before we take its place, and waits until its
//! standard input ends: we have closed it, or we are gone. It keeps CAP_NET_ADMIN, where it has to attach by netlink, so
//! that we need not. What became of it is one line on its standard output, or on standard error where we are gone.

use super::target::{Targets, cannot_enter};
use crate::args::xdp::{Mode as ModeWord, Restore};
use crate::failure::{Exit, Failure, Outcome};
use crate::{privileges, text};
use caps::Capability;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use plumb_kernel::probes::xdp::{Held, Mode, Restorer, Standing};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// The hidden subcommand that waits and restores.
pub const RESTORE: &str = "xdp-restore";

/// How long our link may take to go away.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the process of a run that has just ended may take.
const TAKEN: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(2);

/// What the process says first.
const HELD: &str = "held";
/// What it says last, before the words for people: nothing is left to do; there is no such interface; it failed.
const DONE: &str = "done";
const NO_INTERFACE: &str = "none";
const FAILED: &str = "failed";

/// The process that will restore one program. Dropping it lets it do so, and waits.
pub struct Restoring {
    /// What gives way: see [`Held::displace`].
    pub held: Held,
    /// Number of the interface among those of the run.
    pub number: usize,
    /// The program has given way, and that was told.
    pub told: bool,
    interface: String,
    process: Option<(Child, BufReader<ChildStdout>)>,
}

impl Restoring {
    /// Starts the process in the namespace of the run's interface `number`, for when `ours` takes the place of `held`.
    /// Returns when it holds everything; nothing is changed yet.
    pub fn prepare(targets: &Targets, number: usize, ours: BorrowedFd<'_>, held: Held) -> Outcome<Self> {
        let failed =
            |error| Failure::failed("cannot start the process that restores the XDP program").because(error);
        let target = &targets.all[number];
        let inherited: io::Result<Vec<OwnedFd>> =
            std::iter::once(ours).chain(held.descriptors()).map(inheritable).collect();
        let inherited = inherited.map_err(failed)?;
        let mut command = Command::new("/proc/self/exe");
        command.arg0("plumb").args([RESTORE, &target.name, &target.index.to_string(), held.mode.name()]);
        command.args(inherited.iter().map(|descriptor| descriptor.as_raw_fd().to_string()));
        // Ctrl-C is for the process group of the terminal.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let spawned = targets.netns.within(|| command.spawn())?.map_err(cannot_enter)?;
        let mut child = spawned.map_err(failed)?;
        let mut out =
            child.stdout.take().map(BufReader::new).ok_or_else(|| failed(ErrorKind::Other.into()))?;
        let mut said = String::new();
        let heard = out.read_line(&mut said);
        let failure = match (heard, said.trim_end()) {
            (Ok(_), HELD) => {
                let process = Some((child, out));
                return Ok(Self { held, number, told: false, interface: target.name.clone(), process });
            }
            (Ok(0), _) => Failure::failed("the process that restores the XDP program ended early"),
            (Ok(_), reason) => Failure::failed(reason),
            (Err(error), _) => failed(error),
        };
        // It does nothing where nothing has given way.
        drop(child.stdin.take());
        let _ = child.wait();
        Err(failure)
    }

    /// Lets it restore, now that our own program is detached; says what became of it when it has. `deleted`: there is no
    /// interface any more. False where the program should be back and is not.
    pub fn finish(mut self, deleted: bool) -> bool {
        self.end(deleted)
    }

    fn end(&mut self, deleted: bool) -> bool {
        let Some((mut child, mut out)) = self.process.take() else { return true };
        // The link is closed with the last who holds it.
        let in_its_link = self.held.in_its_link();
        self.held.close_links();
        drop(child.stdin.take());
        let mut said = String::new();
        let heard = out.read_to_string(&mut said);
        let _ = child.wait();
        let program = named(self.held.id, &self.held.name);
        let (word, sentence) = said.trim_end().split_once(' ').filter(|_| heard.is_ok()).unwrap_or_default();
        match word {
            DONE if self.told => text::note(sentence),
            DONE => {}
            NO_INTERFACE if deleted => {
                text::note(format_args!("{}: XDP {program} is gone with the interface", self.interface));
            }
            NO_INTERFACE | FAILED => {
                text::note(sentence);
                return false;
            }
            // It did not come to say anything; but in a link the detaching has restored it.
            _ if in_its_link => {
                if self.told {
                    text::note(restored(&self.interface, &program));
                }
            }
            _ => {
                let why = "the process that was to do it has ended before";
                text::note(not_restored(&self.interface, &program, why));
                return false;
            }
        }
        true
    }
}

impl Drop for Restoring {
    fn drop(&mut self) {
        self.end(false);
    }
}

/// A copy that an exec does not close.
fn inheritable(descriptor: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let copy = descriptor.try_clone_to_owned()?;
    fcntl(&copy, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(copy)
}

fn named(id: u32, name: &str) -> String {
    format!("program {id} {name}").trim_end().to_owned()
}

fn restored(interface: &str, program: &str) -> String {
    format!("{interface}: XDP {program} is restored")
}

fn not_restored(interface: &str, program: &str, why: &str) -> String {
    format!("{interface}: XDP {program} is not restored: {why}; attach it again by what had attached it")
}

/// The hidden subcommand: holds the program, waits for the end of its input, restores.
pub fn restore(asked: &Restore) -> Outcome<Exit> {
    let mut out = io::stdout();
    let (mut restorer, _sole) = match hold(asked) {
        Ok(held) => held,
        Err(failure) => {
            let _ = writeln!(out, "{failure}");
            return Ok(failure.exit);
        }
    };
    let told = writeln!(out, "{HELD}").and_then(|()| out.flush());
    told.map_err(|error| Failure::failed("cannot say that the XDP program is held").because(error))?;
    // Nothing is ever written: this ends with the pipe.
    let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
    let (word, sentence) = act(&mut restorer, &asked.interface);
    let heard = writeln!(out, "{word} {sentence}").and_then(|()| out.flush());
    // Killed, our run cannot tell it.
    if heard.is_err() && word != DONE {
        text::note(sentence);
    }
    Ok(if word == DONE { Exit::Done } else { Exit::Failed })
}

/// Takes what was inherited, and gives up what is not needed. One process for each interface: a second one would put
/// back the program of a run that may have ended by then.
fn hold(asked: &Restore) -> Outcome<(Restorer, UnixListener)> {
    // A service that is stopped ends all of its processes, and restoring is what is left to do then.
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP, signal_hook::consts::SIGINT] {
        let flag = std::sync::Arc::default();
        signal_hook::flag::register(signal, flag)
            .map_err(|error| Failure::failed("cannot install signal handlers").because(error))?;
    }
    let mode = if asked.mode == ModeWord::Generic { Mode::Generic } else { Mode::Native };
    let restorer = Restorer::inherit(asked.ours, asked.theirs, &asked.links, asked.ifindex, mode)?;
    for number in asked.links.iter().chain([&asked.ours, &asked.theirs]) {
        let _ = nix::unistd::close(*number);
    }
    let sole = sole(asked.ifindex).map_err(|error| {
        let taken = error.kind() == ErrorKind::AddrInUse;
        let failure = Failure::failed("cannot take the place of a program");
        if taken {
            failure.because("another plumb has done so already").help("end that one first")
        } else {
            failure.because(error)
        }
    })?;
    let kept: &[Capability] = if asked.links.is_empty() { &[Capability::CAP_NET_ADMIN] } else { &[] };
    privileges::drop_all_but(kept)?;
    Ok((restorer, sole))
}

/// A name in the interface's network namespace that only one process can have, and that goes with it.
fn sole(ifindex: u32) -> io::Result<UnixListener> {
    let name = SocketAddr::from_abstract_name(format!("plumb-xdp-restore/{ifindex}"))?;
    let deadline = Instant::now() + TAKEN;
    loop {
        match UnixListener::bind_addr(&name) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < deadline => {
                std::thread::sleep(PAUSE);
            }
            bound => return bound,
        }
    }
}

/// Restores: a word for our run, and a sentence for people.
fn act(restorer: &mut Restorer, interface: &str) -> (&'static str, String) {
    let deadline = Instant::now() + PATIENCE;
    let standing = loop {
        match restorer.restore() {
            Ok(Standing::Ours) if Instant::now() < deadline => std::thread::sleep(PAUSE),
            standing => break standing,
        }
    };
    let (id, name) = restorer.program();
    let program = named(id, name);
    let failed = |why: &str| (FAILED, not_restored(interface, &program, why));
    match standing {
        Ok(Standing::Restored) => (DONE, restored(interface, &program)),
        Ok(Standing::Nothing) => {
            let why = "who had attached it has ended, or detached it";
            (DONE, format!("{interface}: XDP {program} is not restored: {why}"))
        }
        Ok(Standing::NoInterface) => {
            let why = "the interface is not in its network namespace any more";
            (NO_INTERFACE, not_restored(interface, &program, why))
        }
        Ok(Standing::Other(other)) => {
            let why = format!("program {other} has been attached meanwhile, and stays");
            (FAILED, format!("{interface}: XDP {program} is not restored: {why}"))
        }
        Ok(Standing::Ours) => failed("our program is attached still"),
        Err(error) => failed(&error.to_string()),
    }
}
