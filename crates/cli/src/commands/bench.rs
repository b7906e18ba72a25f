//! `plumb bench`: what observing costs, next to the alternatives.

mod compare;
mod drops;
mod latency;
mod readers;
mod reading;
mod rows;
mod running;
mod traffic;
mod xdp;

use crate::args::bench::{Bench, What};
use crate::failure::{Exit, Failure, Outcome};
use readers::Reader;
pub use reading::{READ, read};
use std::io::{IsTerminal, Write};

/// The CPU that packets are offered and dropped on; readers have the others.
const CPU: usize = 0;
/// Source ports of the offered packets.
const FLOWS: u32 = 1000;

/// Runs a bench and writes its rows.
pub fn run(bench: &Bench) -> Outcome<Exit> {
    match &bench.what {
        None => compare::run(&bench.compare),
        Some(What::Drops(asked)) => drops::run(asked),
        Some(What::Xdp(asked)) => xdp::run(asked),
        Some(What::Features(asked)) => xdp::run_features(asked),
        Some(What::Traffic(asked)) => traffic::run(asked),
        Some(What::Latency(asked)) => latency::run(asked),
    }
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
