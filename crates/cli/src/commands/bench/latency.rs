//! `plumb bench latency`: what following packets from hook to hook costs who talks over TCP.

mod rows;
mod talk;

use super::readers::{How, LATENCY, Reader};
use super::{chosen, failed, progress, running};
use crate::args::bench::Latency as Asked;
use crate::failure::{Exit, Outcome};
use crate::signals::Signals;
use crate::text::note;
use plumb_kernel::probes::xdp::Statistics;
use plumb_kernel::support;
use plumb_lab::Lab;
use plumb_records::bench::LatencyBench;
use std::time::Duration;
use talk::Moved;

/// Share of a run's time that is spent once more with the kernel's statistics on.
const FOR_STATISTICS: u32 = 5;

/// What one run of a reader showed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    exchanges: Moved,
    bulk: Moved,
    /// Share of a CPU that the reader's process had.
    cpu: Option<f64>,
    peak: Option<u64>,
    /// Runs of its programs per exchange, and nanoseconds for each, by the kernel's statistics.
    hooks: Option<(f64, f64)>,
    lost: Option<u64>,
    complete: Option<bool>,
}

/// Runs the bench and writes its rows.
pub fn run(asked: &Asked) -> Outcome<Exit> {
    let wanted = chosen(LATENCY, &asked.readers)?;
    support::require("lab")?;
    support::require("latency")?;
    let signals = Signals::install()?;
    let lab = Lab::new().map_err(failed)?;
    let readers: Vec<&Reader> = wanted.into_iter().filter(|reader| starts(reader)).collect();
    // Caches and neighbour entries are warm from here on.
    talk::exchanges(&lab, asked.duration / FOR_STATISTICS)?;
    let mut runs = vec![Vec::new(); readers.len()];
    for repeat in 0..asked.repeat as usize {
        for turn in 0..readers.len() {
            if signals.stopped() {
                return Ok(Exit::Done);
            }
            // In an order that moves by one with each repeat, so that drift hits all alike.
            let number = (turn + repeat) % readers.len();
            progress(&format!("repeat {}/{}: {}", repeat + 1, asked.repeat, readers[number].name));
            runs[number].push(once(&lab, readers[number], asked.duration)?);
        }
    }
    progress("");
    let row = |(number, reader): (usize, &&Reader)| rows::row(reader.name, &runs[number], &runs[0]);
    let rows: Vec<LatencyBench> = readers.iter().enumerate().map(row).collect();
    super::rows::write(asked.format, &rows, rows::text)
}

/// Whether a reader works on this machine; a rival that does not is told, with the reason.
fn starts(reader: &Reader) -> bool {
    let How::Bpftrace(..) = reader.how else { return true };
    let started = running::start(reader).and_then(running::Running::end);
    if let Err(why) = &started {
        note(format_args!("{} is left out: {why}", reader.name));
    }
    started.is_ok()
}

/// One run: exchanges, data in bulk, and exchanges once more with the kernel's statistics on.
fn once(lab: &Lab, reader: &Reader, duration: Duration) -> Outcome<Measured> {
    let running = running::start(reader)?;
    let before = running.cpu_time()?;
    let exchanges = talk::exchanges(lab, duration)?;
    let bulk = talk::bulk(lab, duration)?;
    let cpu = running.cpu_time()?.zip(before).map(|(after, before)| {
        after.saturating_sub(before).as_secs_f64() / (exchanges.lasted + bulk.lasted).as_secs_f64()
    });
    let hooks = hooks(lab, &running, duration / FOR_STATISTICS)?;
    let peak = running.memory()?.map(|(_, peak)| peak);
    let (account, _) = running.end()?;
    Ok(Measured { exchanges, bulk, cpu, peak, hooks, lost: account.lost, complete: account.complete })
}

#[allow(clippy::cast_precision_loss, reason = "means")]
fn hooks(lab: &Lab, running: &running::Running, duration: Duration) -> Outcome<Option<(f64, f64)>> {
    let _statistics = Statistics::enable()?;
    let before = running.program_runs()?;
    let exchanges = talk::exchanges(lab, duration)?;
    let after = running.program_runs()?;
    let (runs, time) = (after.runs - before.runs, after.time_ns - before.time_ns);
    Ok((runs > 0).then(|| (runs as f64 / exchanges.amount.max(1) as f64, time as f64 / runs as f64)))
}
