//! `plumb bench drops`: what watching dropped packets costs.

mod delay;
mod report;

use super::readers::{READERS, Reader};
use super::running::{self, Measured};
use super::{CPU, FLOWS, chosen, failed, progress};
use crate::args::bench::Drops;
use crate::failure::{Exit, Outcome};
use crate::signals::Signals;
use plumb_kernel::support;
use plumb_lab::Lab;
use plumb_lab::flood::{Flood, dropped, flood};
use report::Rows;

/// Runs the bench and writes its rows.
pub fn run(asked: &Drops) -> Outcome<Exit> {
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
    super::rows::write(asked.format, &rows.records(), report::text)
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
