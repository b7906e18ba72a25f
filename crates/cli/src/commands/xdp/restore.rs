//! Putting somebody else's program back, whatever becomes of us.
//!
//! A second process of ours holds the replaced program and waits until its standard input ends: we have closed it, or
//! we are gone. It keeps CAP_NET_ADMIN, where it has to attach by netlink, so that we need not.

use super::target::{Targets, cannot_enter};
use crate::args::xdp::{Mode as ModeWord, Restore};
use crate::failure::{Exit, Failure, Outcome};
use crate::{privileges, text};
use caps::Capability;
use plumb_kernel::probes::xdp::{Displaced, Mode, Restorer};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The hidden subcommand that waits and restores.
pub const RESTORE: &str = "xdp-restore";

/// How long our link may take to go away.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(2);

/// The process that will restore one program. Dropping it lets it begin.
pub struct Restoring {
    child: Child,
    program: u32,
}

impl Restoring {
    /// Starts the process in the namespace of the interface; returns when it holds the program.
    pub fn prepare(targets: &Targets, index: u32, ours: u32, displaced: &Displaced) -> Outcome<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.arg0("plumb").args([RESTORE, &index.to_string(), &ours.to_string()]);
        command.args([&displaced.program_id.to_string(), displaced.mode.name()]);
        command.args(displaced.link_id.map(|id| id.to_string()));
        // Ctrl-C is for the process group of the terminal.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let spawned = targets.netns.within(|| command.spawn())?.map_err(cannot_enter)?;
        let failed =
            |error| Failure::failed("cannot start the process that restores the XDP program").because(error);
        let mut child = spawned.map_err(failed)?;
        let mut ready = [0];
        let said = child.stdout.take().map_or(Ok(0), |mut out| out.read(&mut ready)).map_err(failed)?;
        let restoring = Self { child, program: displaced.program_id };
        if said == 0 {
            return Err(Failure::failed("the process that restores the XDP program ended early"));
        }
        Ok(restoring)
    }

    /// Lets it restore, now that our own program is detached; returns when it has.
    pub fn finish(mut self) {
        drop(self.child.stdin.take());
        let restored = self.child.wait().is_ok_and(|status| status.success());
        if restored {
            text::note(format_args!("XDP program {} is restored", self.program));
        }
    }
}

/// The hidden subcommand: holds the program, waits for the end of its input, restores.
pub fn restore(asked: &Restore) -> Outcome<Exit> {
    // A service that is stopped ends all of its processes, and restoring is what is left to do then.
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP, signal_hook::consts::SIGINT] {
        let flag = std::sync::Arc::default();
        signal_hook::flag::register(signal, flag)
            .map_err(|error| Failure::failed("cannot install signal handlers").because(error))?;
    }
    let mode = if asked.mode == ModeWord::Generic { Mode::Generic } else { Mode::Native };
    let restorer = Restorer::open(asked.program, asked.link, mode)?;
    let kept: &[Capability] = if asked.link.is_some() { &[] } else { &[Capability::CAP_NET_ADMIN] };
    privileges::drop_all_but(kept)?;
    let mut out = std::io::stdout().lock();
    let told = out.write_all(&[1]).and_then(|()| out.flush());
    told.map_err(|error| Failure::failed("cannot say that the XDP program is held").because(error))?;
    let mut input = std::io::stdin().lock();
    // Nothing is ever written: this ends with the pipe.
    let _ = std::io::copy(&mut input, &mut std::io::sink());
    let deadline = Instant::now() + PATIENCE;
    while !restorer.restore(asked.ifindex, asked.ours)? {
        if Instant::now() >= deadline {
            return Err(Failure::failed(format!("cannot restore XDP program {}", asked.program))
                .because(format!("program {} is still attached", asked.ours)));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(Exit::Done)
}
