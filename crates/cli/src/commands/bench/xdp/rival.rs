//! xdp-bench of xdp-tools, where it starts.

use super::super::failed;
use crate::failure::Outcome;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use plumb_kernel::probes::xdp;
use plumb_lab::{Lab, wait};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long it may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// It, while it runs; killed with this.
pub struct Rival(Child);

impl Rival {
    /// Starts it; `None` where it is not there or attaches nothing.
    pub fn start(lab: &Lab, rival: &Path) -> Outcome<Option<Self>> {
        let receiver = lab.receiver();
        let mut command = Command::new(rival);
        command.args(["drop", "-m", "native", receiver.interface]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(mut child) = receiver.spawn(&mut command) else { return Ok(None) };
        let attached = wait::until("xdp-bench to attach", PATIENCE, || {
            if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
                return Ok(Some(false));
            }
            Ok(occupied(lab)?.then_some(true))
        });
        let rival = Self(child);
        match attached {
            Ok(true) => Ok(Some(rival)),
            Ok(false) | Err(_) => Ok(None),
        }
    }

    /// Ends it, and waits until its program is detached.
    pub fn end(mut self, lab: &Lab) -> Outcome<()> {
        if let Ok(pid) = i32::try_from(self.0.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
        }
        let gone = wait::until("xdp-bench to end", PATIENCE, || {
            Ok((!occupied(lab)? && matches!(self.0.try_wait(), Ok(Some(_)))).then_some(()))
        });
        gone.map_err(failed)
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn occupied(lab: &Lab) -> plumb_lab::Result<bool> {
    let receiver = lab.receiver();
    receiver.run(|| Ok(xdp::occupant(receiver.ifindex)?.is_some()))
}
