//! Signals become a flag and a readable descriptor, so that the run loop sleeps without polling.

use crate::failure::{Failure, Outcome};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use plumb_sinks::stream::StopRequest;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH, SIGXFSZ};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The signals that end a run: the first one politely, a second one at once.
const STOPPING: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];

/// What a write that blocks watches: signals are the process's own, and so is this.
static ASKED: OnceLock<StopRequest> = OnceLock::new();

/// What is readable once a signal asked for the end; `None` where signals still end the process by themselves.
pub fn stop_request() -> Option<StopRequest> {
    ASKED.get().cloned()
}

/// What the signals of this process said. Made once, before anything else starts.
pub struct Signals {
    stop: Arc<AtomicBool>,
    interrupted: Arc<AtomicBool>,
    child: Arc<AtomicBool>,
    suspend: Arc<AtomicBool>,
    wake: UnixStream,
    /// Its other end, for signals that are taken over later.
    waker: UnixStream,
}

impl Signals {
    /// Takes over SIGINT, SIGTERM, SIGHUP and SIGQUIT; SIGCHLD and SIGWINCH merely end a wait. SIGPIPE is ignored already,
    /// by the runtime, so that a closed pipe is an error of the write; SIGXFSZ is taken, so that a file at its limit
    /// (`ulimit -f`) is one too.
    pub fn install() -> Outcome<Self> {
        Self::register().map_err(|error| Failure::failed("cannot install signal handlers").because(error))
    }

    fn register() -> std::io::Result<Self> {
        let [stop, interrupted, child, suspend] = std::array::from_fn(|_| Arc::new(AtomicBool::new(false)));
        let (wake, write) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let (asked, ask) = UnixStream::pair()?;
        for signal in STOPPING.into_iter().filter(|signal| !left_ignored(*signal)) {
            // Registered first, so that it acts on the second signal: the first one sets the flag after it.
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))?;
            signal_hook::flag::register(signal, Arc::clone(&stop))?;
            for end in [&write, &ask] {
                signal_hook::low_level::pipe::register(signal, end.try_clone()?)?;
            }
        }
        let _ = ASKED.set(StopRequest::new(asked.into()));
        for signal in [SIGINT, SIGQUIT].into_iter().filter(|signal| !left_ignored(*signal)) {
            signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
        }
        // A handler is gone after exec: CMD is ended by it as ever.
        signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
        signal_hook::flag::register(SIGCHLD, Arc::clone(&child))?;
        for signal in [SIGCHLD, SIGWINCH] {
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
        }
        Ok(Self { stop, interrupted, child, suspend, wake, waker: write })
    }

    /// Whether the run was asked to end.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The same as a flag, for those who look often.
    pub fn flag(&self) -> &AtomicBool {
        &self.stop
    }

    /// Ctrl-Z does not stop us any more but is asked for with [`Signals::suspend_asked`], until the flag that is returned is
    /// set.
    pub fn catch_suspend(&mut self) -> std::io::Result<Arc<AtomicBool>> {
        let by_default = Arc::new(AtomicBool::new(false));
        if !left_ignored(SIGTSTP) {
            signal_hook::flag::register_conditional_default(SIGTSTP, Arc::clone(&by_default))?;
            signal_hook::flag::register(SIGTSTP, Arc::clone(&self.suspend))?;
            signal_hook::low_level::pipe::register(SIGTSTP, self.waker.try_clone()?)?;
        }
        Ok(by_default)
    }

    /// Whether Ctrl-Z was pressed since the last question.
    pub fn suspend_asked(&self) -> bool {
        self.suspend.swap(false, Ordering::Relaxed)
    }

    /// Whether it was Ctrl-C or Ctrl-\ that asked for it, which the terminal sends to CMD as well.
    pub fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Whether a child may have ended since the last question.
    pub fn child_changed(&self) -> bool {
        self.child.load(Ordering::Relaxed) && self.child.swap(false, Ordering::Relaxed)
    }

    /// Sleeps until `timeout` has passed (`None`: for ever) or a signal arrives.
    pub fn wait(&mut self, timeout: Option<Duration>) {
        if self.stopped() {
            return;
        }
        let timeout = timeout.map_or(PollTimeout::NONE, |time| {
            // Rounded up: a wait that ends early would only be asked for again.
            PollTimeout::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(PollTimeout::MAX)
        });
        let mut waiting = [PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)];
        // EINTR means that a signal arrived: what a wait is for.
        let _ = poll(&mut waiting, timeout);
        self.clear();
    }

    fn clear(&mut self) {
        let mut bytes = [0; 64];
        while self.wake.read(&mut bytes).is_ok_and(|read| read == bytes.len()) {}
    }
}

/// SIGHUP stays ignored where whoever started us ignores it: that is what nohup is for; so do SIGQUIT and SIGTSTP. SIGINT is taken all the same, as
/// tcpdump does: a shell script starts its background jobs with SIGINT ignored, and `kill -INT` is how it ends them.
fn left_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    [SIGHUP, SIGQUIT, SIGTSTP].contains(&signal) && ignores(&status, signal)
}

/// Whether the `SigIgn` mask of a status file has the signal: bit 0 is signal 1.
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::ignores;
    use signal_hook::consts::{SIGHUP, SIGPIPE};

    #[test]
    fn the_mask_of_ignored_signals() {
        let status = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000001000\n";
        assert!(ignores(status, SIGPIPE));
        assert!(!ignores(status, SIGHUP));
        assert!(!ignores("SigIgn:\tx", SIGHUP));
    }
}
