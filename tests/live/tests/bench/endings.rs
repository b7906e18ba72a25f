//! However the bench ends, nothing stays.

use super::scene::{bench, low_rate};
use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use plumb_live::{TestResult, wait_for};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// So that the interrupt comes in the midst of it.
const AFTER: Duration = Duration::from_millis(200);

/// Names in a folder that hold `part`.
fn names(folder: &str, part: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.contains(part))
        .collect()
}

/// Processes with `part` among their words.
fn processes(part: &str) -> Vec<String> {
    let words =
        |pid: &String| fs::read_to_string(Path::new("/proc").join(pid).join("cmdline")).unwrap_or_default();
    let numbers =
        names("/proc", "").into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    numbers.filter(|pid| words(pid).contains(part)).collect()
}

fn nothing_stays(pid: u32, output: &Path) -> Result<()> {
    let namespaces = names("/run/netns", &format!("plumb-{pid}-"));
    ensure!(namespaces.is_empty(), "namespaces: {namespaces:?}");
    let folders = names(&std::env::temp_dir().to_string_lossy(), &format!("plumb-bench-{pid}-"));
    ensure!(folders.is_empty(), "folders: {folders:?}");
    // Programs hang on descriptors of processes and on interfaces of namespaces, and nothing is pinned.
    let readers = processes(&format!("plumb-bench-{pid}-"));
    ensure!(readers.is_empty(), "processes: {readers:?}");
    let folder = output.parent().context("a folder")?;
    let pages = names(&folder.to_string_lossy(), ".html");
    ensure!(pages.is_empty(), "files: {pages:?}");
    Ok(())
}

/// Interrupts the bench a little after `moment` has come: its process alone, or with its children as a terminal does.
fn interrupted(reader: &str, whole_group: bool, moment: impl Fn(u32) -> bool) -> TestResult {
    let folder = tempfile::tempdir()?;
    let output = folder.path().join("report.html");
    let path = output.to_str().context("a path")?;
    let mut running = bench(low_rate(), &["--readers", reader, "--for", "2s", "-o", path])?.spawn()?;
    let pid = running.pid();
    wait_for("the bench to be under way", || {
        ensure!(!running.ended()?, "it ended before: {}", running.read("stderr"));
        Ok(moment(pid))
    })?;
    std::thread::sleep(AFTER);
    if whole_group {
        killpg(Pid::from_raw(i32::try_from(pid)?), Signal::SIGINT)?;
    } else {
        running.signal(Signal::SIGINT)?;
    }
    let finished = running.wait()?;
    ensure!(finished.status.success(), "{}: {}", finished.status, finished.stderr);
    ensure!(finished.stdout.is_empty(), "{}", finished.stdout);
    nothing_stays(pid, &output)
}

#[test]
fn an_interrupt_while_the_network_is_made_leaves_nothing() -> TestResult {
    interrupted("flows", false, |pid| !names("/run/netns", &format!("plumb-{pid}-")).is_empty())
}

#[test]
fn an_interrupt_while_a_reader_reads_leaves_nothing() -> TestResult {
    for (reader, whole_group) in
        [("af_packet_recv", false), ("af_xdp", true), ("flows", false), ("flows", true)]
    {
        let ready = |pid| std::env::temp_dir().join(format!("plumb-bench-{pid}-{reader}/ready")).exists();
        interrupted(reader, whole_group, ready)?;
    }
    Ok(())
}
