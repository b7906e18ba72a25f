//! What counting, timing and streaming cost an XDP program that drops.

mod report;
mod rival;
mod ways;

use super::{CPU, FLOWS, failed, progress};
use crate::args::bench::Xdp;
use crate::failure::{Exit, Failure, Outcome};
use crate::signals::Signals;
use plumb_kernel::probes::xdp::Statistics;
use plumb_kernel::support;
use plumb_lab::Lab;
use plumb_lab::flood::{Offers, offers};
use report::Rows;
use std::path::Path;
use std::time::Duration;
use ways::{Account, FEATURES, WAYS, Way};

/// Share of the packets that are run once more with the kernel's statistics on.
const FOR_STATISTICS: u32 = 4;

/// What one run showed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    /// Frames that came to the program, and the time that took.
    pub received: u64,
    pub took: Duration,
    /// What the program tells, where it is ours.
    pub account: Account,
    /// Run time per packet by the kernel's statistics.
    pub program_ns: Option<f64>,
}

/// Runs the bench and writes its rows.
pub fn run(asked: &Xdp) -> Outcome<Exit> {
    run_ways(asked, WAYS, &[FLOWS])
}

/// The same with feature records.
pub fn run_features(asked: &Xdp) -> Outcome<Exit> {
    run_ways(asked, FEATURES, &[1, FLOWS, 100_000])
}

fn run_ways(asked: &Xdp, ways: &'static [Way], flows: &[u32]) -> Outcome<Exit> {
    for flows in flows {
        run_flows(asked, ways, *flows)?;
    }
    Ok(Exit::Done)
}

fn run_flows(asked: &Xdp, all: &'static [Way], flows: u32) -> Outcome<Exit> {
    support::require("lab")?;
    support::require("xdp")?;
    let signals = Signals::install()?;
    let lab = Lab::new().map_err(failed)?;
    let ways = chosen(&lab, asked, all)?;
    let mut rows = Rows::new(&ways, asked);
    let measured = offers(&lab, flows, |offers| measure(&lab, &offers, asked, &signals, &ways, &mut rows));
    measured.map_err(failed)??;
    if signals.stopped() {
        return Ok(Exit::Done);
    }
    super::rows::write(asked.format, &rows.records(), report::text)
}

fn measure(
    lab: &Lab,
    offers: &Offers<'_>,
    asked: &Xdp,
    signals: &Signals,
    ways: &[&'static Way],
    rows: &mut Rows,
) -> Outcome<()> {
    // The first run warms caches and the page pool up.
    once(lab, offers, &asked.xdp_bench, ways[0], asked.packets / 10)?;
    for repeat in 0..asked.repeat as usize {
        for turn in 0..ways.len() {
            if signals.stopped() {
                return Ok(());
            }
            // In an order that moves by one with each repeat, so that drift hits all alike.
            let number = (turn + repeat) % ways.len();
            progress(&format!("repeat {}/{}: {}", repeat + 1, asked.repeat, ways[number].name));
            let mut measured = once(lab, offers, &asked.xdp_bench, ways[number], asked.packets)?;
            let statistics = Statistics::enable()?;
            measured.program_ns =
                once(lab, offers, &asked.xdp_bench, ways[number], asked.packets / FOR_STATISTICS)?.program_ns;
            drop(statistics);
            rows.add(number, measured);
        }
    }
    progress("");
    Ok(())
}

/// One run of one way.
fn once(lab: &Lab, offers: &Offers<'_>, rival: &Path, way: &Way, packets: u32) -> Outcome<Measured> {
    let receiver = lab.receiver();
    ways::with(lab, rival, way, |running| {
        let before = receiver.received().map_err(failed)?;
        let took = running.during(|| offers.send(packets, CPU).map_err(failed))?;
        let received = receiver.received().map_err(failed)? - before;
        let (time, runs) = running.statistics()?;
        #[allow(clippy::cast_precision_loss, reason = "a mean")]
        let program_ns = (runs > 0).then(|| time as f64 / runs as f64);
        Ok(Measured { received, took, account: Account::default(), program_ns })
    })
    .map(|(measured, account)| Measured { account, ..measured })
}

/// The asked ways, or all that start here; `bare` always runs.
fn chosen(lab: &Lab, asked: &Xdp, all: &'static [Way]) -> Outcome<Vec<&'static Way>> {
    let names = &asked.readers;
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|way| way.name == name.as_str())) {
        let known: Vec<&str> = all.iter().map(|way| way.name).collect();
        return Err(Failure::arguments(format!("no reader is called {unknown}"))
            .help(format!("there are {}", known.join(", "))));
    }
    let mut chosen = Vec::new();
    for (number, way) in all.iter().enumerate() {
        let wanted = names.is_empty() || number == 0 || names.iter().any(|name| name == way.name);
        if wanted && ways::starts(lab, &asked.xdp_bench, way)? {
            chosen.push(way);
        }
    }
    Ok(chosen)
}
