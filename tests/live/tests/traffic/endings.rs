//! How a run ends, and that nothing is left of it.

use crate::scene::{number, sent, traffic, within};
use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use plumb_kernel::support;
use plumb_live::machine::emulated;
use plumb_live::{Running, TestResult, wait_for};
use std::fs;
use std::time::{Duration, Instant};

/// Programs that make and watch frames, whoever runs them.
fn programs() -> Vec<u32> {
    let ours =
        |name: &str| ["traffic_craft", "traffic_replay", "traffic_xmit", "traffic_redir"].contains(&name);
    support::programs().into_iter().filter(|program| ours(&program.name)).map(|program| program.id).collect()
}

fn gone(before: &[u32]) -> TestResult {
    wait_for("the kernel to free the programs", || Ok(programs().iter().all(|id| before.contains(id))))
}

#[test]
fn a_signal_ends_it_at_once_and_leaves_nothing() -> TestResult {
    within(|lab| {
        let target = lab.receiver().v4.to_string();
        for (rate, way) in [("max", "live"), ("1", "live"), ("max", "packet"), ("1", "packet")] {
            let before = programs();
            let come = lab.receiver().nstat("UdpNoPorts")?;
            let running =
                traffic(lab, &["--dst", &target, "--rate", rate, "--transport", way, "--threads", "2"])?
                    .start()?;
            plumb_lab::wait::for_count("datagrams", come + 1, || lab.receiver().nstat("UdpNoPorts"))?;
            let start = Instant::now();
            running.signal(Signal::SIGINT)?;
            let finished = running.wait()?;
            let took = start.elapsed();
            ensure!(
                took < Duration::from_millis(if emulated() { 5000 } else { 250 }),
                "{rate} {way}: {took:?}"
            );
            let record = sent(&finished)?;
            ensure!(number(&record, "offered")? > 0, "{record}");
            gone(&before)?;
        }
        Ok(())
    })
}

#[test]
fn kill_leaves_nothing() -> TestResult {
    within(|lab| {
        let before = programs();
        let target = lab.receiver().v4.to_string();
        let running = traffic(lab, &["--dst", &target, "--rate", "1k", "--transport", "live"])?.start()?;
        ensure!(programs().len() > before.len(), "no program of ours is loaded");
        running.signal(Signal::SIGKILL)?;
        running.wait()?;
        gone(&before)
    })
}

/// All capability sets of all threads.
fn capabilities(running: &Running) -> Result<u64> {
    let mut sets = 0;
    for task in fs::read_dir(format!("/proc/{}/task", running.pid()))? {
        let status = fs::read_to_string(task?.path().join("status"))?;
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            let line = status.lines().find_map(|line| line.strip_prefix(set)).context(set)?;
            sets |= u64::from_str_radix(line.trim(), 16)?;
        }
    }
    Ok(sets)
}

#[test]
fn it_sends_without_privileges() -> TestResult {
    within(|lab| {
        let target = lab.receiver().v4.to_string();
        for way in crate::scene::WAYS {
            let before = lab.receiver().nstat("UdpNoPorts")?;
            let running = traffic(lab, &["--dst", &target, "--rate", "500", "--transport", way])?.start()?;
            wait_for("capabilities to go", || Ok(capabilities(&running)? == 0))?;
            plumb_lab::wait::for_count("datagrams", before + 100, || lab.receiver().nstat("UdpNoPorts"))?;
            sent(&running.stop()?)?;
        }
        Ok(())
    })
}
