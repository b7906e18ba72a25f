//! How long a record takes from the drop to a reader of plumb's output, while little happens: what the way of waking up
//! decides.

use super::super::readers::{How, Reader};
use super::super::running::{Folder, plumb_command, until_ready};
use crate::failure::{Failure, Outcome};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use plumb_kernel::support::{clock_offset_ns, monotonic_ns};
use plumb_lab::flood::Flood;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

/// Packets, one at a time: each is offered when the one before has been read.
const PACKETS: usize = 100;
/// How long a record may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Median and 99th percentile of the delay, in nanoseconds.
pub fn of(flood: &Flood<'_>, reader: &Reader, cpu: usize) -> Outcome<(u64, u64)> {
    let How::Plumb(arguments) = reader.how else {
        return Err(Failure::failed("only plumb tells when a packet dropped"));
    };
    let folder = Folder::named(reader.name)?;
    // To standard output instead of to a file.
    let to_file = arguments.iter().position(|word| *word == "-o").unwrap_or(arguments.len());
    let words: Vec<&str> = arguments
        .iter()
        .enumerate()
        .filter(|(at, _)| !(to_file..to_file + 2).contains(at))
        .map(|(_, word)| *word)
        .collect();
    let mut child = plumb_command(folder.path(), &words)
        .args(["--reason", "NO_SOCKET"])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::failed("cannot start plumb").because(error))?;
    let read = until_ready(folder.path(), &mut child).and_then(|()| {
        let output = child.stdout.take().ok_or_else(|| Failure::failed("plumb has no standard output"))?;
        delays(flood, cpu, BufReader::new(output), child.id())
    });
    let _ = child.wait();
    let mut delays = read?;
    delays.sort_unstable();
    let at =
        |share: usize| delays.get((delays.len() * share / 100).min(delays.len().saturating_sub(1))).copied();
    at(50).zip(at(99)).ok_or_else(|| Failure::failed("plumb wrote no event"))
}

/// Offers packets from this thread while another one reads, so that a record's arrival is seen when it happens.
fn delays(flood: &Flood<'_>, cpu: usize, output: impl BufRead + Send, plumb: u32) -> Outcome<Vec<u64>> {
    let (arrived, arrivals) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let offset = clock_offset_ns();
            for line in output.lines().map_while(Result::ok) {
                let now = i64::try_from(monotonic_ns()).unwrap_or(i64::MAX) + offset;
                if let Some(dropped) = dropped_at(&line)
                    && arrived.send(u64::try_from(now - dropped).unwrap_or(0)).is_err()
                {
                    return;
                }
            }
        });
        let one = || {
            flood.send(1, cpu).map_err(super::super::failed)?;
            let delay = arrivals.recv_timeout(PATIENCE);
            delay.map_err(|error| Failure::failed("plumb wrote no event").because(error))
        };
        let delays = (0..PACKETS).map(|_| one()).collect();
        // Whatever happened: the reading thread waits for the end of plumb's output.
        let _ = kill(Pid::from_raw(i32::try_from(plumb).unwrap_or(i32::MAX)), Signal::SIGINT);
        delays
    })
}

/// Nanoseconds since the epoch of a `drop` record.
fn dropped_at(line: &str) -> Option<i64> {
    let record: serde_json::Value = serde_json::from_str(line).ok()?;
    let time = record["time"].as_str().filter(|_| record["record"] == "drop")?;
    i64::try_from(time.parse::<jiff::Timestamp>().ok()?.as_nanosecond()).ok()
}
