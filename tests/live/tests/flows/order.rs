//! Which CPU takes a packet does not change what is counted.

use anyhow::{Context, Result, ensure};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use plumb_kernel::probes::flows::{Config, End, Flows};
use plumb_kernel::session::Storage;
use plumb_lab::traffic::capture::{Capture, Frame};
use plumb_live::TestResult;
use plumb_live::features::corpus;
use plumb_live::machine::emulated;
use plumb_records::flow::Level;
use std::cell::RefCell;

/// Moves this thread.
fn go_to(cpu: usize) -> Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &cpus)?)
}

/// All flows of the frames, told in an order of their own; `cpu` says where each frame is taken.
fn flows(frames: &[Frame], mut cpu: impl FnMut(usize) -> usize) -> Result<Vec<String>> {
    let mut storage = Storage::new();
    let config = Config { capture: true, level: Level::Full, ..Config::default() };
    let program = Flows::load(&mut storage, &config)?;
    let told = RefCell::new(Vec::new());
    let tell = |entry: plumb_kernel::probes::flows::Entry<'_>, end: End| {
        told.borrow_mut().push(format!("{:?}", entry.numbers(end)));
    };
    let mut ring = program.reader(tell)?;
    let mut at = usize::MAX;
    for (number, frame) in frames.iter().enumerate() {
        let wanted = cpu(number);
        if wanted != at {
            go_to(wanted)?;
            at = wanted;
        }
        let time = frame.time.and_then(|time| u64::try_from(time).ok()).context("no time")?;
        program.run(time, frame.length, &frame.bytes)?;
        ring.drain()?;
    }
    drop(ring);
    program.finish(tell);
    let counters = program.counters();
    ensure!(
        counters.seen == frames.len() as u64 && counters.table_full + counters.lock_timeout == 0,
        "{counters:?}"
    );
    let mut told = told.into_inner();
    told.sort();
    Ok(told)
}

#[test]
fn cpus_do_not_change_flows() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut capture = Capture::open(&corpus(folder.path())?)?;
    let enough = if emulated() { 1000 } else { 4000 };
    let mut frames = Vec::new();
    while let Some(frame) = capture.frame()?.filter(|_| frames.len() < enough) {
        frames.push(frame);
    }
    let ours = sched_getaffinity(Pid::from_raw(0))?;
    let cpus: Vec<usize> = (0..CpuSet::count()).filter(|cpu| ours.is_set(*cpu).unwrap_or(false)).collect();
    ensure!(frames.len() == enough, "{} frames", frames.len());
    let expected = flows(&frames, |_| cpus[0])?;
    ensure!(expected.len() > enough / 20, "{} flows", expected.len());
    for seed in [1_usize, 2] {
        // Runs of different lengths on each CPU.
        let mixed = |number: usize| (number / (1 + seed * 3)).wrapping_mul(0x9e37_79b9 + seed) >> 7;
        let found = flows(&frames, |number| cpus[mixed(number) % cpus.len()])?;
        let differs = found.iter().zip(&expected).find(|(one, other)| one != other);
        ensure!(found == expected, "{} and {} flows: {differs:#?}", found.len(), expected.len());
    }
    sched_setaffinity(Pid::from_raw(0), &ours)?;
    Ok(())
}
