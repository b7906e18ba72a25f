//! `plumb bench`: what observing costs, next to the alternatives.

mod compare;
mod delay;
mod latency;
mod readers;
mod reading;
mod report;
mod running;
mod traffic;
mod xdp;

use crate::args::Report;
use crate::args::bench::{Bench, Drops, What};
use crate::failure::{Exit, Failure, Outcome};
use crate::signals::Signals;
use plumb_kernel::support;
use plumb_lab::Lab;
use plumb_lab::flood::{Flood, dropped, flood};
use readers::{READERS, Reader};
pub use reading::{READ, read};
use report::Rows;
use running::Measured;
use std::io::{IsTerminal, Write};

/// The CPU that packets are offered and dropped on; readers have the others.
const CPU: usize = 0;
/// Source ports of the offered packets.
const FLOWS: u32 = 1000;

/// Runs a bench and writes its rows.
pub fn run(bench: &Bench) -> Outcome<Exit> {
    match &bench.what {
        None => compare::run(&bench.compare),
        Some(What::Drops(drops)) => observe(drops),
        Some(What::Xdp(asked)) => xdp::run(asked),
        Some(What::Features(asked)) => xdp::run_features(asked),
        Some(What::Traffic(asked)) => traffic::run(asked),
        Some(What::Latency(asked)) => latency::run(asked),
    }
}

fn observe(asked: &Drops) -> Outcome<Exit> {
    let readers = chosen(READERS, &asked.readers)?;
    support::require("lab")?;
    support::require("drops")?;
    let signals = Signals::install()?;
    let lab = Lab::new().map_err(failed)?;
    let mut rows = Rows::new(&readers, asked);
    let measured = flood(&lab, FLOWS, |flood| measure(&lab, flood, asked, &readers, &signals, &mut rows));
    measured.map_err(failed)??;
    if signals.stopped() {
        return Ok(Exit::Done);
    }
    match asked.format {
        Report::Text => super::print(&rows.text()),
        Report::Json => super::print(&rows.json()?),
    }
}

fn measure(
    lab: &Lab,
    flood: &Flood<'_>,
    asked: &Drops,
    readers: &[&'static Reader],
    signals: &Signals,
    rows: &mut Rows,
) -> Outcome<()> {
    // The first run warms caches, neighbour entries and the page pool up.
    flood.send(asked.packets / 10, CPU).map_err(failed)?;
    for repeat in 0..asked.repeat as usize {
        for turn in 0..readers.len() {
            if signals.stopped() {
                return Ok(());
            }
            let number = (turn + repeat) % readers.len();
            progress(&format!("repeat {}/{}: {}", repeat + 1, asked.repeat, readers[number].name));
            rows.add(number, once(lab, flood, readers[number], asked.packets)?);
        }
    }
    progress("");
    for (number, reader) in readers.iter().enumerate().filter(|(_, reader)| reader.delay) {
        rows.delay(number, delay::of(flood, reader, CPU)?);
    }
    Ok(())
}

/// One run of one reader: half of the packets, a look at its memory, the other half, another look.
fn once(lab: &Lab, flood: &Flood<'_>, reader: &Reader, packets: u32) -> Outcome<Measured> {
    let before = dropped(lab.receiver()).map_err(failed)?;
    let running = running::start(reader)?;
    let mut measured = Measured { offered: packets, ..Measured::default() };
    let cpu = running.cpu_time()?;
    for _ in 0..2 {
        measured.took += flood.send(packets / 2, CPU).map_err(failed)?;
        measured.memory.push(running.memory()?);
        measured.faults.push(running.minor_faults()?);
    }
    measured.cpu = running.cpu_time()?.zip(cpu).map(|(after, before)| after.saturating_sub(before));
    let came = dropped(lab.receiver()).map_err(failed)? - before;
    measured.attached = running.attached();
    let (account, ended) = running.end()?;
    measured.ended = ended;
    measured.received = account.received;
    measured.lost = account.lost.or(account.received.map(|received| came.saturating_sub(received)));
    Ok(measured)
}

/// `none` and the readers of these names, or all whose program is installed.
fn chosen(all: &'static [Reader], names: &[String]) -> Outcome<Vec<&'static Reader>> {
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|reader| reader.name == name.as_str())) {
        let known: Vec<&str> = all.iter().map(|reader| reader.name).collect();
        return Err(Failure::arguments(format!("no reader is called {unknown:?}"))
            .help(format!("readers are: {}", known.join(", "))));
    }
    let wanted = |reader: &&Reader| {
        reader.name == "none"
            || if names.is_empty() {
                reader.installed()
            } else {
                names.iter().any(|name| name == reader.name)
            }
    };
    Ok(all.iter().filter(wanted).collect())
}

fn failed(error: plumb_lab::Error) -> Failure {
    Failure::failed("cannot run the bench").because(error)
}

/// What runs now, on one line of a terminal that is written over.
fn progress(text: &str) {
    let mut terminal = std::io::stderr().lock();
    if terminal.is_terminal() {
        let _ = write!(terminal, "\r{text:<50}\r").and_then(|()| terminal.flush());
    }
}
