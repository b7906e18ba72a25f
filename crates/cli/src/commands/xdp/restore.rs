//! Putting somebody else's program back, whatever becomes of us.
//!
//! A second process of ours holds the program, and the link that it was in, before we take its place, and waits until its
//! standard input ends: we have closed it, or we are gone. It keeps CAP_NET_ADMIN, where it has to attach by netlink, so
//! that we need not. What became of it is one line on its standard output, or on standard error where we are gone.

use crate::args::xdp::{Mode as ModeWord, Restore};
use crate::failure::{Exit, Failure, Outcome};
use crate::guardian::{self, DONE, FAILED, Guardian};
use crate::hooks::target::Targets;
use crate::{privileges, text};
use caps::Capability;
use plumb_kernel::probes::xdp::{Held, Mode, Restorer, Standing};
use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::{Duration, Instant};

/// The hidden subcommand that waits and restores.
pub const RESTORE: &str = "xdp-restore";

/// How long our link may take to go away.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the process of a run that has just ended may take.
const TAKEN: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(2);

/// What the process says last, beside [`DONE`] and [`FAILED`]: there is no such interface.
const NO_INTERFACE: &str = "none";

/// The process that will restore one program. Dropping it lets it do so, and waits.
pub struct Restoring {
    /// What gives way: see [`Held::displace`].
    pub held: Held,
    /// Number of the interface among those of the run.
    pub number: usize,
    /// The program has given way, and that was told.
    pub told: bool,
    interface: String,
    process: Option<Guardian>,
}

impl Restoring {
    /// Starts the process in the namespace of the run's interface `number`, for when `ours` takes the place of `held`.
    /// Returns when it holds everything; nothing is changed yet.
    pub fn prepare(targets: &Targets, number: usize, ours: BorrowedFd<'_>, held: Held) -> Outcome<Self> {
        let target = &targets.all[number];
        let words = [RESTORE, &target.name, &target.index.to_string(), held.mode.name()];
        let descriptors = std::iter::once(ours).chain(held.descriptors());
        // It does nothing where nothing has given way.
        let process = Guardian::start(&targets.netns, &words, descriptors, "restores the XDP program")?;
        Ok(Self { held, number, told: false, interface: target.name.clone(), process: Some(process) })
    }

    /// Lets it restore, now that our own program is detached; says what became of it when it has. `deleted`: there is no
    /// interface any more. False where the program should be back and is not.
    pub fn finish(mut self, deleted: bool) -> bool {
        self.end(deleted)
    }

    fn end(&mut self, deleted: bool) -> bool {
        let Some(process) = self.process.take() else { return true };
        // The link is closed with the last who holds it.
        let in_its_link = self.held.in_its_link();
        self.held.close_links();
        let said = process.end();
        let program = named(self.held.id, &self.held.name);
        let (word, sentence) = said.trim_end().split_once(' ').unwrap_or_default();
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
    guardian::guard(|| hold(asked), |(mut restorer, _sole)| act(&mut restorer, &asked.interface))
}

/// Takes what was inherited, and gives up what is not needed. One process for each interface: a second one would put
/// back the program of a run that may have ended by then.
fn hold(asked: &Restore) -> Outcome<(Restorer, UnixListener)> {
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
