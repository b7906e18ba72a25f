//! Outputs that do not take what they are given, what signals do then, and what a reader can rely on.

use crate::lifecycle::{EVENTS, GROUPS, on_receiver, ours, provoke};
use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use plumb_lab::Lab;
use plumb_live::{PACKETS, Plumb, Records, TestResult, binary, wait_for};
use std::fs::{self, File};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A `plumb` whose standard output is a pipe that nobody reads. Killed when dropped.
struct Unread {
    child: Child,
    folder: TempDir,
}

impl Unread {
    fn start(lab: &Lab, args: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let ready = folder.path().join("ready");
        let mut command = Command::new(binary()?);
        command.args(args).args(["--netns", lab.receiver().netns.name(), "--ready-file"]).arg(&ready);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.stderr(File::create(folder.path().join("stderr"))?).spawn()?;
        let mut unread = Self { child, folder };
        wait_for("plumb to attach", || {
            ensure!(unread.child.try_wait()?.is_none(), "{}", unread.stderr());
            Ok(ready.exists())
        })?;
        Ok(unread)
    }

    fn stderr(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number before `words` in `text`.
fn number_before(text: &str, words: &str) -> Result<u64> {
    let before = text.split(words).next().filter(|before| before.len() < text.len());
    let before = before.with_context(|| format!("no {words:?} in: {text}"))?;
    let digits = before.rsplit(' ').next().unwrap_or_default().replace(',', "");
    digits.parse().with_context(|| format!("no number before {words:?} in: {text}"))
}

#[test]
fn a_first_signal_ends_a_run_whose_reader_is_stuck() -> TestResult {
    // Several times what a pipe holds.
    const MANY: u64 = 1500;
    let lab = Lab::new()?;
    for (args, signal) in
        [(EVENTS, Signal::SIGINT), (EVENTS, Signal::SIGTERM), (&["drops", "--events"], Signal::SIGINT)]
    {
        let mut plumb = Unread::start(&lab, args)?;
        ensure!(provoke(&lab, MANY)? >= MANY);
        kill(Pid::from_raw(i32::try_from(plumb.child.id())?), signal)?;
        let asked = Instant::now();
        let mut status = None;
        wait_for("plumb to end", || {
            status = plumb.child.try_wait()?;
            Ok(status.is_some())
        })?;
        let (status, stderr) = (status.context("ended")?, plumb.stderr());
        ensure!(asked.elapsed() < Duration::from_secs(10), "it took {:?}", asked.elapsed());
        ensure!(status.code() == Some(1), "{status}: {stderr}");
        ensure!(stderr.contains("cannot write to standard output"), "{stderr}");
        let mut text = String::new();
        plumb.child.stdout.take().context("a pipe")?.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let written = if args == EVENTS {
            let written = Records::parse(whole)?.of("drop").count() as u64;
            ensure!(number_before(&stderr, " records are whole")? == written, "{written}: {stderr}");
            written
        } else {
            // Below the title a line for each.
            whole.lines().count() as u64 - 1
        };
        let lost = number_before(&stderr, " lost on the way out")?;
        ensure!(written > 0 && written + lost >= MANY, "{written} and {lost} of {MANY}");
        ensure!(number_before(&stderr, " written one by one")? == written, "{written}: {stderr}");
    }
    Ok(())
}

#[test]
fn a_file_beside_a_stuck_text_has_everything() -> TestResult {
    const MANY: u64 = 1500;
    let lab = Lab::new()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("drops.jsonl");
    let path = file.to_str().context("a temporary path")?;
    let mut plumb = Unread::start(&lab, &["drops", "--events", "--format", "text", "-o", path])?;
    let dropped = provoke(&lab, MANY)?;
    kill(Pid::from_raw(i32::try_from(plumb.child.id())?), Signal::SIGINT)?;
    wait_for("plumb to end", || Ok(plumb.child.try_wait()?.is_some()))?;
    let records = Records::parse(&fs::read_to_string(&file)?)?;
    records.check_balance()?;
    let counts = (records.of("drop").count() as u64, records.account("emitted")?);
    ensure!(counts == (dropped, dropped), "{counts:?} of {dropped}: {}", plumb.stderr());
    ensure!(number_before(&plumb.stderr(), " written one by one")? == dropped, "{}", plumb.stderr());
    Ok(())
}

#[test]
fn a_file_at_the_limit_of_its_size_is_a_full_one() -> TestResult {
    let lab = Lab::new()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("drops.jsonl");
    let mut command = Command::new("bash");
    command.args(["-c", "ulimit -f 16; exec \"$0\" \"$@\""]).arg(binary()?);
    let args = ["drops", "--events", "--netns", lab.receiver().netns.name(), "-o"];
    let path = file.to_str().context("a temporary path")?;
    let plumb = Plumb::through(command, &[&args[..], &[path]].concat())?.start()?;
    provoke(&lab, 200)?;
    let finished = plumb.wait()?;
    ensure!(finished.status.code() == Some(1), "{}: {}", finished.status, finished.stderr);
    ensure!(finished.stderr.contains("File too large"), "{}", finished.stderr);
    let text = fs::read_to_string(&file)?;
    ensure!(text.ends_with('\n') && text.len() <= 16 * 1024, "{} bytes", text.len());
    let written = Records::parse(&text)?.of("drop").count() as u64;
    ensure!(number_before(&finished.stderr, " records are whole")? == written, "{}", finished.stderr);
    Ok(())
}

#[test]
fn a_named_pipe_needs_a_reader() -> TestResult {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("drops.jsonl");
    mkfifo(&file, Mode::S_IRWXU)?;
    let finished = Plumb::new(&["drops", "-o", file.to_str().context("a temporary path")?])?.finish()?;
    finished.failed_with(1, &["drops.jsonl", "nothing reads from this pipe", "reader"])
}

#[test]
fn csv_without_records_has_its_columns() -> TestResult {
    for (args, columns) in [
        (&["--by", "flow"][..], &["reason", "packets", "src_ip", "dst_port"][..]),
        (&["--events"], &["time", "reason", "src_ip", "stack"]),
    ] {
        let none = ["drops", "--format", "csv", "--for", "50ms", "--comm", "nobody-has-this"];
        let finished = Plumb::new(&[&none[..], args].concat())?.finish()?;
        ensure!(finished.status.success(), "{}", finished.stderr);
        let lines: Vec<&str> = finished.stdout.lines().collect();
        let names: Vec<&str> = lines.first().context("a header")?.split(',').collect();
        ensure!(lines.len() == 1 && columns.iter().all(|name| names.contains(name)), "{}", finished.stdout);
    }
    Ok(())
}

#[test]
fn each_ledger_is_of_the_run_so_far() -> TestResult {
    let lab = Lab::new()?;
    let plumb = on_receiver(&lab, &[GROUPS, &["--interval", "20ms", "--ledger"]].concat())?.start()?;
    let mut dropped = 0;
    for _ in 0..2 {
        dropped += provoke(&lab, PACKETS)?;
        wait_for("a ledger that has them", || {
            let text = plumb.lines_since(0)?;
            let records = Records::parse(&text)?;
            Ok(records.ledger().is_ok_and(|ledger| ledger["aggregated"].as_u64() >= Some(dropped)))
        })?;
    }
    let finished = plumb.stop()?;
    ensure!(ours(&finished)? == dropped, "the intervals' groups sum to the last ledger: {}", finished.stdout);
    let records = finished.records()?;
    let ledgers: Vec<_> = records.of("ledger").collect();
    for name in ["seen", "aggregated", "records", "duration_ns"] {
        let values: Vec<_> = ledgers.iter().map(|ledger| ledger[name].as_u64()).collect();
        ensure!(values.is_sorted() && values.len() > 2, "{name}: {values:?}");
    }
    Ok(())
}

/// Whether a process runs; one that waits for its parent to notice its end does not.
fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn the_command_ends_with_a_plumb_that_is_killed() -> TestResult {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("pid");
    let script = format!("echo $$ >{}; exec sleep 1000", file.display());
    let plumb = Plumb::new(&["drops", "--", "sh", "-c", &script])?.start()?;
    wait_for("the command to run", || Ok(fs::read_to_string(&file).is_ok_and(|pid| pid.ends_with('\n'))))?;
    let pid = fs::read_to_string(&file)?;
    ensure!(runs(pid.trim()), "{pid} runs");
    plumb.signal(Signal::SIGKILL)?;
    plumb.wait()?;
    wait_for("the command to end", || Ok(!runs(pid.trim())))
}

#[test]
fn an_ignored_hangup_stays_ignored_and_an_ignored_interrupt_is_taken() -> TestResult {
    let lab = Lab::new()?;
    let mut command = Command::new("bash");
    command.args(["-c", "trap '' HUP INT; exec \"$0\" \"$@\""]).arg(binary()?);
    let args = [EVENTS, &["--netns", lab.receiver().netns.name()]].concat();
    let plumb = Plumb::through(command, &args)?.start()?;
    plumb.signal(Signal::SIGHUP)?;
    let dropped = provoke(&lab, PACKETS)?;
    plumb.signal(Signal::SIGINT)?;
    let finished = plumb.wait()?;
    ensure!(ours(&finished)? == dropped, "{dropped}: {}", finished.stdout);
    Ok(())
}
