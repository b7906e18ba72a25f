//! A reader while it runs: started, waited for, measured and ended.

use super::readers::{How, Reader, Tells};
use crate::failure::{Failure, Outcome};
use crate::text::note;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, mkfifo};
use plumb_kernel::floor::Floor;
use plumb_kernel::session::Storage;
use plumb_lab::process::{self, ProgramRuns};
use plumb_lab::wait;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// How long a reader may take to attach: bpftrace takes half a minute on an emulated machine.
const PATIENCE: Duration = Duration::from_secs(60);

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
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let _ = self.0.kill();
            let _ = self.0.wait();
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

/// A folder of its own for a run's files, removed with it.
pub struct Folder(PathBuf);

impl Folder {
    /// An empty one in the system's folder for temporary files.
    pub fn named(name: &str) -> Outcome<Self> {
        let path = std::env::temp_dir().join(format!("plumb-bench-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).map_err(|error| broken(path.display().to_string(), error))?;
        Ok(Self(path))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn create(&self, name: &str) -> Outcome<File> {
        File::create(self.file(name)).map_err(|error| broken(name.to_owned(), error))
    }

    fn lines(&self, name: &str) -> Outcome<BufReader<File>> {
        Ok(BufReader::new(File::open(self.file(name)).map_err(|error| broken(name.to_owned(), error))?))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn broken(what: String, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    Failure::failed(format!("the bench cannot use {what}")).because(error)
}

/// Starts a reader; returns when it observes.
pub fn start(reader: &Reader) -> Outcome<Running> {
    let folder = Folder::named(reader.name)?;
    let begun = SystemTime::now();
    let held = match reader.how {
        How::Nothing => Held::Nothing,
        How::Floor(hooks) => floor(hooks)?,
        How::Plumb(arguments) => plumb(&folder, arguments)?,
        How::Bpftrace(script, tells) => bpftrace(&folder, script, tells)?,
        How::Perf => perf(&folder)?,
    };
    // When the file was made, rather than when it was found.
    let ready = fs::metadata(folder.file("ready")).and_then(|file| file.modified());
    let attached = ready.ok().and_then(|ready| ready.duration_since(begun).ok());
    Ok(Running { held, folder, attached })
}

fn floor(hooks: Floor) -> Outcome<Held> {
    let (attached, when_attached) = std::sync::mpsc::channel();
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let mut storage = Storage::new();
        let floor = hooks.attach(&mut storage);
        let _ = attached.send(floor.as_ref().err().cloned());
        // Ends when the sender is dropped.
        let _ = held.recv();
    });
    match when_attached.recv() {
        Ok(None) => Ok(Held::Floor(hold, thread)),
        Ok(Some(error)) => Err(error.into()),
        Err(error) => Err(Failure::failed("the thread with the empty programs ended").because(error)),
    }
}

/// Starts this binary with these words, which write what they have to tell to standard output; returns when it observes.
pub fn start_plumb(name: &str, words: &[String]) -> Outcome<Running> {
    let folder = Folder::named(name)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let held = plumb(&folder, &words)?;
    Ok(Running { held, folder, attached: None })
}

/// The command of this binary, with `--ready-file` and the folder's names in place.
pub fn plumb_command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    let file = folder.join("events").display().to_string();
    command.args(arguments.iter().map(|word| word.replace("{file}", &file)));
    command.arg("--ready-file").arg(folder.join("ready")).stdin(Stdio::null());
    command
}

/// Waits until a plumb that was started with [`plumb_command`] has attached.
pub fn until_ready(folder: &Path, child: &mut Child) -> Outcome<()> {
    until("plumb to attach", child, || Ok(folder.join("ready").exists()))
}

fn plumb(folder: &Folder, arguments: &[&str]) -> Outcome<Held> {
    let mut command = plumb_command(&folder.0, arguments);
    let mut child = spawn(command.stdout(folder.create("stdout")?).stderr(folder.create("stderr")?))?;
    // What it says otherwise is about one run of many, whose losses are in the rows.
    let why = || fs::read_to_string(folder.file("stderr")).unwrap_or_default();
    until_ready(&folder.0, &mut child).inspect_err(|_| why().lines().for_each(note))?;
    Ok(Held::Process(Process(child), |folder| {
        let file = if folder.file("events.jsonl").exists() { "events.jsonl" } else { "stdout" };
        let last = folder.lines(file)?.lines().map_while(Result::ok).last().unwrap_or_default();
        let ledger: serde_json::Value =
            serde_json::from_str(&last).map_err(|error| broken("plumb's ledger".into(), error))?;
        let number = |name: &str| ledger[name].as_u64();
        let lost = [number("lost_kernel"), number("lost_user"), number("lost_table_full")];
        let received = number("aggregated").zip(number("emitted")).map(|(groups, events)| groups + events);
        let complete = ledger["complete"].as_bool();
        Ok(Account { received, lost: lost.into_iter().sum(), complete })
    }))
}

fn bpftrace(folder: &Folder, script: &str, tells: Tells) -> Outcome<Held> {
    let mut command = Command::new("bpftrace");
    // Its default of 64 pages loses most lines of a flood.
    command.env("BPFTRACE_PERF_RB_PAGES", "4096").args(["-e", script]).stdin(Stdio::null());
    let mut child = spawn(command.stdout(folder.create("stdout")?).stderr(folder.create("stderr")?))?;
    until("bpftrace to attach", &mut child, || {
        let text = fs::read_to_string(folder.file("stdout")).unwrap_or_default();
        Ok(text.contains("tick"))
    })
    .map_err(|failure| {
        let told = fs::read_to_string(folder.file("stderr")).unwrap_or_default();
        match told.lines().rfind(|line| line.contains("ERROR: ")) {
            Some(why) => failure.because(why),
            None => failure,
        }
    })?;
    let printed: fn(&Folder) -> Outcome<Account> = |folder| {
        let lines = folder.lines("stdout")?.lines().map_while(Result::ok);
        let count = lines.filter(|line| line.starts_with("drop ")).count() as u64;
        Ok(Account { received: Some(count), ..Account::default() })
    };
    let counted: fn(&Folder) -> Outcome<Account> = |folder| {
        let lines = folder.lines("stdout")?.lines().map_while(Result::ok);
        let counts = lines.filter(|line| line.starts_with("@[")).filter_map(|line| {
            line.rsplit_once(": ").and_then(|(_, count)| count.trim().parse::<u64>().ok())
        });
        Ok(Account { received: Some(counts.sum()), ..Account::default() })
    };
    let account = match tells {
        Tells::Lines => printed,
        Tells::Counts => counted,
        Tells::Nothing => |_: &Folder| Ok(Account::default()),
    };
    Ok(Held::Process(Process(child), account))
}

fn perf(folder: &Folder) -> Outcome<Held> {
    for name in ["control", "answer"] {
        mkfifo(&folder.file(name), Mode::S_IRUSR | Mode::S_IWUSR)
            .map_err(|error| broken(name.to_owned(), error))?;
    }
    let channel = format!("fifo:{},{}", folder.file("control").display(), folder.file("answer").display());
    let mut command = Command::new("perf");
    command.args(["record", "--quiet", "--all-cpus", "--event", "skb:kfree_skb", "--delay=-1"]);
    command.arg(format!("--control={channel}")).arg("--output").arg(folder.file("data")).stdin(Stdio::null());
    let child = spawn(command.stdout(Stdio::null()).stderr(folder.create("stderr")?))?;
    let answered = || -> std::io::Result<()> {
        File::options().write(true).open(folder.file("control"))?.write_all(b"enable\n")?;
        let mut answer = [0; 4];
        File::open(folder.file("answer"))?.read_exact(&mut answer)
    };
    answered().map_err(|error| broken("perf's control channel".into(), error))?;
    Ok(Held::Process(Process(child), |folder| {
        let stats =
            Command::new("perf").args(["report", "--stats", "--input"]).arg(folder.file("data")).output();
        let stats = stats.map_err(|error| broken("perf report".into(), error))?;
        let text = String::from_utf8_lossy(&stats.stdout).into_owned();
        let number = |name: &str| -> Option<u64> {
            let line = text.lines().find(|line| line.contains(name))?;
            line.split_once(':')?.1.split_ascii_whitespace().next()?.parse().ok()
        };
        Ok(Account { received: number("SAMPLE events"), ..Account::default() })
    }))
}

fn spawn(command: &mut Command) -> Outcome<Child> {
    command.spawn().map_err(|error| broken(command.get_program().to_string_lossy().into_owned(), error))
}

fn until(what: &str, child: &mut Child, mut ready: impl FnMut() -> Outcome<bool>) -> Outcome<()> {
    let looked = wait::until(what, PATIENCE, || {
        if ready().unwrap_or(false) {
            return Ok(Some(true));
        }
        Ok(child.try_wait().ok().flatten().map(|_| false))
    });
    match looked {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::failed(format!("{what}: it ended instead"))),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(Failure::failed("a reader of the bench does not start").because(error))
        }
    }
}

impl Running {
    fn process(&self) -> Option<u32> {
        match &self.held {
            Held::Process(child, _) => Some(child.0.id()),
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
            Held::Process(child, _) => child.0.id(),
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
    let id = process.0.id();
    let pid = Pid::from_raw(i32::try_from(id).unwrap_or(i32::MAX));
    let (asked, before) = (Instant::now(), process::cpu_time(id).map_err(super::failed)?);
    let _ = kill(pid, Signal::SIGINT);
    // Its CPU time is known until it is waited for.
    let gone = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
    gone.map_err(|error| broken("a reader".into(), error))?;
    let took = asked.elapsed();
    let cpu = process::cpu_time(id).map_err(super::failed)?.saturating_sub(before);
    let status = process.0.wait().map_err(|error| broken("a reader".into(), error))?;
    if !status.success() && status.signal() != Some(Signal::SIGINT as i32) {
        let said = fs::read_to_string(folder.file("stderr")).unwrap_or_default();
        let why = said.lines().last().map_or_else(|| status.to_string(), str::to_owned);
        return Err(Failure::failed("a reader of the bench failed").because(why));
    }
    Ok(Ended { folder, took, cpu })
}
