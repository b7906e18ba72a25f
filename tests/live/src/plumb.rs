//! The binary under test as a child process.

use crate::Records;
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use plumb_kernel::support;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take, on an emulated machine too.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command line of `plumb`, before it runs.
pub struct Plumb {
    command: Command,
    folder: TempDir,
}

/// A `plumb` that has attached.
pub struct Running {
    child: Child,
    folder: TempDir,
}

/// A `plumb` that has ended.
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The binary that `PLUMB_BIN` names.
pub fn binary() -> Result<PathBuf> {
    std::env::var_os("PLUMB_BIN").map(PathBuf::from).context("PLUMB_BIN names the binary under test")
}

impl Plumb {
    /// `plumb ARGS`; output goes to files, so that nothing waits for this process to read.
    pub fn new(args: &[&str]) -> Result<Self> {
        Self::through(Command::new(binary()?), args)
    }

    /// The same started by another program, such as `setpriv`, whose words are in `command` already.
    pub fn through(mut command: Command, args: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = |name: &str| File::create(folder.path().join(name));
        command.args(args).stdin(Stdio::null()).stdout(file("stdout")?).stderr(file("stderr")?);
        Ok(Self { command, folder })
    }

    /// The command, for a test that changes more of it.
    pub fn command(&mut self) -> &mut Command {
        &mut self.command
    }

    /// Where its output and its ready file lie.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts and returns once everything is attached. The ready file goes before `--`.
    pub fn start(mut self) -> Result<Running> {
        let ready = self.folder.path().join("ready");
        let args: Vec<_> = self.command.get_args().map(ToOwned::to_owned).collect();
        let mut command = Command::new(self.command.get_program());
        let (before, after) = args.split_at(args.iter().position(|arg| arg == "--").unwrap_or(args.len()));
        command.args(before).arg("--ready-file").arg(&ready).args(after);
        let open = |name: &str| File::options().append(true).open(self.folder.path().join(name));
        command.stdin(Stdio::null()).stdout(open("stdout")?).stderr(open("stderr")?).process_group(0);
        for (name, value) in self.command.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        self.command = command;
        let mut running = Running { child: self.command.spawn()?, folder: self.folder };
        wait_for("plumb to attach", || {
            if let Some(status) = running.child.try_wait()? {
                bail!("plumb ended before it attached ({status}): {}", running.read("stderr"));
            }
            Ok(ready.exists())
        })?;
        Ok(running)
    }

    /// Starts, and waits for nothing.
    pub fn spawn(mut self) -> Result<Running> {
        let child = self.command.process_group(0).spawn()?;
        Ok(Running { child, folder: self.folder })
    }

    /// Runs to its end.
    pub fn finish(self) -> Result<Finished> {
        self.spawn()?.wait()
    }
}

impl Running {
    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to `stdout` or `stderr` so far.
    pub fn read(&self, name: &str) -> String {
        fs::read(self.folder.path().join(name))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The kernel's ids of its programs; it was started with `-v`. The one that sees drops is the last.
    pub fn programs(&self) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        wait_for("plumb -v to name its programs", || {
            let text = self.read("stderr");
            let named = text.lines().filter_map(|line| line.split_once(": program ")?.1.split(',').next());
            ids = named.map(|id| id.parse().context("a program's id")).collect::<Result<_>>()?;
            Ok(text.lines().any(|line| line.starts_with("plumb: kfree_skb by ") && line.ends_with("code")))
        })?;
        Ok(ids)
    }

    /// The whole lines that it has written to standard output from byte `from` on.
    pub fn lines_since(&self, from: usize) -> Result<String> {
        let mut file = File::open(self.folder.path().join("stdout"))?;
        file.seek(SeekFrom::Start(from as u64))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
        Ok(text)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.child.id())?), signal)?)
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Ctrl-C, and the end of it.
    pub fn stop(self) -> Result<Finished> {
        self.signal(Signal::SIGINT)?;
        self.wait()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Result<Finished> {
        let mut status = None;
        wait_for("plumb to end", || {
            status = self.child.try_wait()?;
            Ok(status.is_some())
        })?;
        let status = status.context("ended")?;
        // What is told of every run on a machine is no part of how this one went.
        let of_the_run = |line: &&str| !line.contains(support::SKIPS_INIT);
        let stderr = self.read("stderr").split_inclusive('\n').filter(of_the_run).collect();
        Ok(Finished { status, stdout: self.read("stdout"), stderr })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Finished {
    /// The records on standard output, of a run that ended well and whose ledger balances.
    pub fn records(&self) -> Result<Records> {
        ensure!(self.status.success(), "{}: {}", self.status, self.stderr);
        let records = Records::parse(&self.stdout)?;
        records.check_balance()?;
        Ok(records)
    }

    /// Asserts an exit code and one line on standard error that holds all of `words`.
    pub fn failed_with(&self, code: i32, words: &[&str]) -> Result<()> {
        ensure!(self.status.code() == Some(code), "{:?} instead of {code}: {}", self.status, self.stderr);
        let lines: Vec<_> = self.stderr.lines().collect();
        ensure!(lines.len() == 1, "one line, not {}: {}", lines.len(), self.stderr);
        for word in words {
            ensure!(self.stderr.contains(word), "no {word:?} in: {}", self.stderr);
        }
        Ok(())
    }
}

/// Asks until the answer is yes; an error once the patience is over.
pub fn wait_for(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !holds()? {
        ensure!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
