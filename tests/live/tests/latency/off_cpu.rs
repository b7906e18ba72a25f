//! A reader that was woken and gets no CPU.

use crate::delays::{median, near, nowhere_else};
use crate::scene::{MESSAGE, Scene, seen, stage};
use anyhow::{Context, Result, ensure};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::{Pid, gettid};
use plumb_live::machine::{emulated, two_cpus};
use plumb_live::{TestResult, wait_for};
use std::io::{Read, Write};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_millis(20);
const TIMES: usize = 15;
/// Where the sender runs, and where the reader and who takes its CPU do.
const CPUS: [usize; 2] = [0, 1];

/// Gives this thread a CPU and a real-time priority: the higher one runs.
fn settle(cpu: usize, priority: u32) -> TestResult {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &set)?;
    let words = ["--fifo", "--pid", &priority.to_string(), &gettid().to_string()];
    let status = Command::new("chrt").args(words).status().context("chrt")?;
    ensure!(status.success(), "chrt {words:?}: {status}");
    Ok(())
}

/// Whether a thread of this process sleeps.
fn sleeps(thread: Pid) -> Result<bool> {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat"))?;
    Ok(stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('S')))
}

#[test]
fn a_reader_that_gets_no_cpu_is_a_wait_to_run() -> TestResult {
    two_cpus()?;
    let scene = Scene::new()?;
    seen(|| waits(&scene))
}

fn waits(scene: &Scene) -> TestResult {
    let (mut client, mut server) = scene.connect(false)?;
    let plumb = scene.plumb(&["--dport", "7007"])?.start()?;
    let taken = AtomicBool::new(false);
    let (to_taker, turns) = channel::<()>();
    let (to_sender, read) = channel::<Instant>();
    let (tell_reader, reader_is) = channel::<Pid>();
    let mut waited = thread::scope(|scope| {
        let taken = &taken;
        let taker = scope.spawn(move || -> TestResult {
            settle(CPUS[1], 3)?;
            for () in turns {
                taken.store(true, Ordering::SeqCst);
                while taken.load(Ordering::SeqCst) {
                    std::hint::spin_loop();
                }
            }
            Ok(())
        });
        let reader = scope.spawn(move || -> TestResult {
            settle(CPUS[1], 2)?;
            tell_reader.send(gettid())?;
            for _ in 0..TIMES {
                server.read_exact(&mut [0; MESSAGE])?;
                to_sender.send(Instant::now())?;
            }
            Ok(())
        });
        let sender = scope.spawn(move || -> Result<Vec<Duration>> {
            settle(CPUS[0], 1)?;
            let reader = reader_is.recv()?;
            let mut waited = Vec::new();
            for _ in 0..TIMES {
                wait_for("the reader to wait", || sleeps(reader))?;
                to_taker.send(())?;
                wait_for("its CPU to be taken", || Ok(taken.load(Ordering::SeqCst)))?;
                let sent = Instant::now();
                let written = client.write_all(&[7; MESSAGE]);
                thread::sleep(WAIT);
                taken.store(false, Ordering::SeqCst);
                written?;
                waited.push(read.recv()? - sent);
            }
            Ok(waited)
        });
        let waited = sender.join().expect("a sender");
        reader.join().expect("a reader").and(taker.join().expect("who takes the CPU")).and(waited)
    })?;
    let records = plumb.stop()?.records()?;
    waited.sort();
    let real = waited[TIMES / 2];
    // Before 6.3 nothing tells when a socket can be read, and for whom.
    let known = records.of("stage").any(|stage| stage["to"] == "readable");
    let (from, to) = if known { ("woken", "running") } else { ("socket", "copied") };
    let waiting = stage(&records, "rx", from, to)?;
    // An emulated machine may take longer to wake a reader than that counts as one event.
    let enough = if emulated() { TIMES / 2 } else { TIMES };
    ensure!(waiting["samples"].as_u64() >= Some(enough as u64), "{waiting}");
    ensure!(near(median(waiting)?, real), "{waiting}, not {real:?}");
    nowhere_else(&records, "rx", from, to, real)?;
    nowhere_else(&records, "tx", "", "", real)
}
