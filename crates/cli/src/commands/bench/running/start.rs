//! How readers are started, and when they observe.

use super::super::readers::{How, Reader, Tells};
use super::folder::{Folder, broken};
use super::{Account, Held, Process, Running};
use crate::failure::{Failure, Outcome};
use crate::text::note;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use plumb_kernel::floor::Floor;
use plumb_kernel::session::Storage;
use plumb_lab::wait;
use std::fs::{self, File};
use std::io::{BufRead, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

/// How long a reader may take to attach: bpftrace takes half a minute on an emulated machine.
const PATIENCE: Duration = Duration::from_secs(60);

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
pub fn start_plumb(name: &str, words: &[String], output: Output) -> Outcome<Running> {
    let folder = Folder::named(name)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (mut child, draining) = spawn_plumb(&folder, &words, output)?;
    observing(&folder, &mut child)?;
    let held = Held::Process(Process { child, draining }, |_| Ok(Account::default()));
    Ok(Running { held, folder, attached: None })
}

/// What becomes of standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// It goes to a file.
    Whole,
    /// It goes through a pipe to a thread of the bench, which keeps the end of it.
    End,
}

/// Bytes of an output that are kept: more than its last line.
const KEPT: usize = 16 << 10;

/// Reads to the end, then writes the last whole lines to a file.
fn drain(mut from: impl Read, to: &Path) -> std::io::Result<()> {
    let (mut room, mut last) = (vec![0; 1 << 16], Vec::new());
    loop {
        let length = match from.read(&mut room)? {
            0 => break,
            length => length,
        };
        last.extend_from_slice(&room[..length]);
        let over = last.len().saturating_sub(KEPT);
        last.drain(..over);
    }
    let whole = last.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    fs::write(to, &last[whole..])
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

type Draining = Option<JoinHandle<std::io::Result<()>>>;

fn spawn_plumb(folder: &Folder, arguments: &[&str], output: Output) -> Outcome<(Child, Draining)> {
    let mut command = plumb_command(folder.path(), arguments);
    command.stderr(folder.create("stderr")?);
    match output {
        Output::Whole => Ok((spawn(command.stdout(folder.create("stdout")?))?, None)),
        Output::End => {
            let mut child = spawn(command.stdout(Stdio::piped()))?;
            let (pipe, file) = (child.stdout.take(), folder.file("stdout"));
            let draining = pipe.map(|pipe| std::thread::spawn(move || drain(pipe, &file)));
            Ok((child, draining))
        }
    }
}

/// Waits until it observes. What it says otherwise is about one run of many, whose losses are in the rows.
fn observing(folder: &Folder, child: &mut Child) -> Outcome<()> {
    let why = || fs::read_to_string(folder.file("stderr")).unwrap_or_default();
    until_ready(folder.path(), child).inspect_err(|_| why().lines().for_each(note))
}

fn plumb(folder: &Folder, arguments: &[&str]) -> Outcome<Held> {
    let (mut child, draining) = spawn_plumb(folder, arguments, Output::Whole)?;
    observing(folder, &mut child)?;
    Ok(Held::Process(Process { child, draining }, |folder| {
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
    Ok(Held::Process(Process { child, draining: None }, account))
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
    Ok(Held::Process(Process { child, draining: None }, |folder| {
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
