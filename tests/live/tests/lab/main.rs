//! `plumb lab` as people run it: what it returns, how it ends, and that nothing of it is left.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use plumb_kernel::support;
use plumb_live::{Finished, Plumb, Running, TestResult, binary, wait_for};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const FAULTS: &[&str] = &["lab", "--fault", "udp-closed-port,nft-drop", "--rate", "20"];

/// A lab that runs, with the namespaces that it made: names, and inodes.
struct Built {
    plumb: Running,
    names: Vec<String>,
    inodes: BTreeSet<u64>,
}

impl Built {
    /// `plumb ARGS`, once it has printed `line` to standard output.
    fn start(args: &[&str], line: &str) -> Result<Self> {
        let mut plumb = Plumb::new(args)?.spawn()?;
        wait_for("the lab to stand", || {
            ensure!(!plumb.ended()?, "plumb lab ended: {}", plumb.read("stderr"));
            Ok(plumb.read("stdout").contains(line))
        })?;
        let names = named(plumb.pid());
        ensure!(names.len() == 2, "two hosts: {names:?}");
        let inode = |name: &String| Ok(fs::metadata(Path::new("/run/netns").join(name))?.ino());
        let inodes = names.iter().map(inode).collect::<Result<_>>()?;
        Ok(Self { plumb, names, inodes })
    }

    /// Waits for its end, and for that of everything that it made.
    fn gone(self) -> Result<Finished> {
        let finished = self.plumb.wait()?;
        ensure!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
        ensure!(self.names.iter().all(|name| !exists(name)), "{:?} are removed", self.names);
        nobody_in(&self.inodes)?;
        Ok(finished)
    }
}

/// The namespaces of the lab of process `pid`.
fn named(pid: u32) -> Vec<String> {
    let entries = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with(&format!("plumb-{pid}-"))).collect()
}

fn exists(name: &str) -> bool {
    Path::new("/run/netns").join(name).exists()
}

/// Waits until no thread is in these namespaces, so that they and their links are gone.
fn nobody_in(inodes: &BTreeSet<u64>) -> TestResult {
    let within = |pid: &Path| {
        let threads = fs::read_dir(pid.join("task")).into_iter().flatten().flatten();
        threads
            .filter_map(|thread| fs::metadata(thread.path().join("ns/net")).ok())
            .any(|netns| inodes.contains(&netns.ino()))
    };
    wait_for("the lab's threads and processes to end", || {
        let processes = fs::read_dir("/proc")?.flatten();
        Ok(!processes.into_iter().any(|process| within(&process.path())))
    })
}

#[test]
fn the_command_runs_in_the_receiving_host_and_its_status_is_returned() -> TestResult {
    let args = [FAULTS, &["--", "sh", "-c", "ip -br address show lab0; exit 7"]].concat();
    let finished = Plumb::new(&args)?.finish()?;
    ensure!(finished.status.code() == Some(7), "{}: {}", finished.status, finished.stderr);
    ensure!(finished.stdout.contains("198.18.0.2/24"), "{}", finished.stdout);
    ensure!(finished.stderr.is_empty(), "{}", finished.stderr);
    Plumb::new(&["lab", "--", "/no/such/command"])?
        .finish()?
        .failed_with(127, &["cannot run /no/such/command", "No such file"])
}

#[test]
fn signals_end_it_with_nothing_left() -> TestResult {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let alone = Built::start(FAULTS, "Ctrl-C removes both.")?;
        alone.plumb.signal(signal)?;
        let finished = alone.gone()?;
        ensure!(finished.status.code() == Some(0), "{signal}: {}: {}", finished.status, finished.stderr);

        let beside =
            Built::start(&[FAULTS, &["--", "sh", "-c", "echo runs; exec sleep 1000"]].concat(), "runs")?;
        beside.plumb.signal(signal)?;
        let finished = beside.gone()?;
        ensure!(finished.status.code() == Some(0), "{signal}: {}: {}", finished.status, finished.stderr);
    }
    Ok(())
}

#[test]
fn a_killed_lab_takes_its_command_along_and_the_next_one_removes_the_rest() -> TestResult {
    let plumb = binary()?;
    let plumb = plumb.to_str().context("a path")?;
    let args = [FAULTS, &["--", plumb, "drops", "-v", "--format", "json", "--events"]].concat();
    let built = Built::start(&args, "\"record\":\"drop\"")?;
    let ids = built.plumb.programs()?;
    let loaded = || support::programs().into_iter().filter(|program| ids.contains(&program.id));
    ensure!(loaded().count() == ids.len(), "{ids:?} are loaded");
    let Built { plumb, names, inodes } = built;
    plumb.signal(Signal::SIGKILL)?;
    plumb.wait()?;
    nobody_in(&inodes)?;
    // The kernel frees them after a grace period.
    wait_for("the kernel to free the programs", || Ok(loaded().next().is_none()))?;
    ensure!(names.iter().all(|name| exists(name)), "a killed lab removes nothing");
    let next = Plumb::new(&["lab", "--", "true"])?.finish()?;
    ensure!(next.status.success(), "{}", next.stderr);
    ensure!(names.iter().all(|name| !exists(name)), "{names:?} are left");
    Ok(())
}

#[test]
fn two_labs_stand_beside_each_other() -> TestResult {
    let [first, second] = [FAULTS, FAULTS].map(|args| Built::start(args, "Ctrl-C removes both."));
    let (first, second) = (first?, second?);
    ensure!(first.inodes.is_disjoint(&second.inodes), "{:?} {:?}", first.names, second.names);
    first.plumb.signal(Signal::SIGINT)?;
    ensure!(first.gone()?.status.success(), "the first ends well");
    ensure!(second.names.iter().all(|name| exists(name)), "{:?} stay", second.names);
    second.plumb.signal(Signal::SIGINT)?;
    ensure!(second.gone()?.status.success(), "the second ends well");
    Ok(())
}
