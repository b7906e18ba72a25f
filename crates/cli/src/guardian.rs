//! A second process of ours that undoes what would outlive us, whatever becomes of us.
//!
//! It holds what that takes before anything changes, and waits until its standard input ends: we have closed it, or we are
//! gone. What became of it is one line on its standard output, or on standard error where we are gone.

use crate::failure::{Exit, Failure, Outcome};
use crate::hooks::target::cannot_enter;
use crate::plan::netns::Netns;
use crate::text;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};

/// What the process says first.
const HELD: &str = "held";
/// What it says last, before the words for people: nothing is left to do, or it failed.
pub const DONE: &str = "done";
pub const FAILED: &str = "failed";

/// The process, which waits. Dropping this lets it do its work, and waits for that.
pub struct Guardian {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Guardian {
    /// Starts `plumb WORDS NUMBERS` in a network namespace, where the numbers are those of inherited copies of `descriptors`.
    /// Returns when it holds everything. `task` says what it does.
    pub fn start<'a>(
        netns: &Netns,
        words: &[&str],
        descriptors: impl Iterator<Item = BorrowedFd<'a>>,
        task: &str,
    ) -> Outcome<Self> {
        let failed = |error| Failure::failed(format!("cannot start the process that {task}")).because(error);
        let inherited: Vec<OwnedFd> =
            descriptors.map(inheritable).collect::<io::Result<_>>().map_err(failed)?;
        let mut command = Command::new("/proc/self/exe");
        command.arg0("plumb").args(words);
        command.args(inherited.iter().map(|descriptor| descriptor.as_raw_fd().to_string()));
        // Ctrl-C is for the process group of the terminal.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let spawned = netns.within(|| command.spawn())?.map_err(cannot_enter)?;
        let mut child = spawned.map_err(failed)?;
        let out = child.stdout.take().map(BufReader::new).ok_or_else(|| failed(ErrorKind::Other.into()))?;
        let mut guardian = Self { child, out };
        let mut said = String::new();
        let heard = guardian.out.read_line(&mut said);
        match (heard, said.trim_end()) {
            (Ok(_), HELD) => Ok(guardian),
            (Ok(0), _) => Err(Failure::failed(format!("the process that {task} ended early"))),
            (Ok(_), _) => Err(refusal(&said)),
            (Err(error), _) => Err(failed(error)),
        }
    }

    /// Lets it do its work; what it said: a word such as [`DONE`], a space and a sentence, or nothing where it was ended
    /// before it could.
    pub fn end(mut self) -> String {
        self.finish()
    }

    fn finish(&mut self) -> String {
        drop(self.child.stdin.take());
        let mut said = String::new();
        let heard = self.out.read_to_string(&mut said);
        let _ = self.child.wait();
        if heard.is_ok() { said } else { String::new() }
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        self.finish();
    }
}

/// A copy that an exec does not close.
fn inheritable(descriptor: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let copy = descriptor.try_clone_to_owned()?;
    fcntl(&copy, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(copy)
}

/// Its exit code and why it does not hold what it should.
fn refusal(said: &str) -> Failure {
    let said = said.trim_end();
    let (code, why) = said.split_once(' ').unwrap_or(("", said));
    let exit = [Exit::Arguments, Exit::Unsupported, Exit::Privileges];
    let exit = exit.into_iter().find(|exit| exit.code().to_string() == code);
    let mut failure = Failure::failed(why);
    failure.exit = exit.unwrap_or(Exit::Failed);
    failure
}

/// The process itself: holds, waits for the end of its input, acts. The outcome of acting is a word and a sentence.
pub fn guard<T>(
    hold: impl FnOnce() -> Outcome<T>,
    act: impl FnOnce(T) -> (&'static str, String),
) -> Outcome<Exit> {
    let mut out = io::stdout();
    let held = match withstand().and_then(|()| hold()) {
        Ok(held) => held,
        Err(failure) => {
            let _ = writeln!(out, "{} {failure}", failure.exit.code());
            return Ok(failure.exit);
        }
    };
    let told = writeln!(out, "{HELD}").and_then(|()| out.flush());
    told.map_err(|error| Failure::failed("cannot say that everything is held").because(error))?;
    // Nothing is ever written: this ends with the pipe.
    let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
    let (word, sentence) = act(held);
    let heard = writeln!(out, "{word} {sentence}").and_then(|()| out.flush());
    // Killed, our run cannot tell it.
    if heard.is_err() && word != DONE {
        text::note(sentence);
    }
    Ok(if word == DONE { Exit::Done } else { Exit::Failed })
}

/// A service that is stopped ends all of its processes, and undoing is what is left to do then.
fn withstand() -> Outcome<()> {
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP, signal_hook::consts::SIGINT] {
        let flag = std::sync::Arc::default();
        signal_hook::flag::register(signal, flag)
            .map_err(|error| Failure::failed("cannot install signal handlers").because(error))?;
    }
    Ok(())
}
