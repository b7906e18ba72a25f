//! `plumb bench` by itself: readers of packets at the same offered load.

mod about;
mod chart;
mod contender;
mod fit;
mod load;
mod once;
mod page;
mod row;
mod text;
mod verdict;

use super::{failed, progress};
use crate::args::Report;
use crate::args::compare::Compare;
use crate::failure::{Exit, Outcome};
use crate::signals::Signals;
use crate::text::note;
use about::About;
use contender::Contender;
use load::Network;
use once::Run;
use page::Page;
use plumb_kernel::support;
use plumb_lab::Lab;
use plumb_lab::traffic::Rate;
use plumb_records::bench::{ReaderBench, ReaderFit};

/// What everything else is measured against.
const NONE: &str = "none";
/// The classic way.
const BASELINE: &str = "af_packet_recv";

/// All runs of a bench: by rate, by reader, by repeat.
struct Runs {
    contenders: Vec<&'static Contender>,
    rates: Vec<Rate>,
    runs: Vec<Vec<Vec<Run>>>,
}

/// What is told of them.
struct Result {
    rows: Vec<ReaderBench>,
    fits: Vec<ReaderFit>,
    warnings: Vec<String>,
}

/// Runs the bench and writes its rows.
pub fn run(asked: &Compare) -> Outcome<Exit> {
    let contenders = contender::chosen(&asked.readers)?;
    support::require("lab")?;
    support::require("packets")?;
    let page = asked.output.as_deref().map(Page::create).transpose()?;
    let signals = Signals::install()?;
    let lab = Lab::new().map_err(failed)?;
    let network = Network::new(&lab, asked)?;
    let runs = measure(&network, asked, contenders, &signals)?;
    if signals.stopped() {
        return Ok(Exit::Done);
    }
    let result = Result {
        rows: row::rows(&runs, f64::from(asked.size)),
        fits: fit::fits(&runs),
        warnings: row::warnings(&runs),
    };
    result.warnings.iter().for_each(note);
    if let Some(page) = page {
        page.write(&result, &About::of(asked))?;
    }
    match asked.format {
        Report::Text => crate::commands::print(&text::text(&result)),
        Report::Json => {
            let rows = super::rows::json(&result.rows)? + &super::rows::json(&result.fits)?;
            crate::commands::print(&rows)
        }
    }
}

fn measure(
    network: &Network<'_>,
    asked: &Compare,
    contenders: Vec<&'static Contender>,
    signals: &Signals,
) -> Outcome<Runs> {
    let mut runs = vec![vec![Vec::new(); contenders.len()]; asked.rates.len()];
    for (rate, runs) in asked.rates.iter().zip(&mut runs) {
        for repeat in 0..asked.repeat as usize {
            for turn in 0..contenders.len() {
                // In an order that moves by one with each repeat, so that drift hits all alike.
                let number = (turn + repeat) % contenders.len();
                let name = contenders[number].name;
                progress(&format!("{rate}, repeat {}/{}: {name}", repeat + 1, asked.repeat));
                let run = match once::once(network, contenders[number], *rate, asked, signals) {
                    // A terminal's Ctrl-C ends the reader too, and what fails then is no failure.
                    Err(_) if signals.stopped() => None,
                    run => run?,
                };
                match run {
                    Some(run) => runs[number].push(run),
                    None => return Ok(Runs { contenders, rates: Vec::new(), runs: Vec::new() }),
                }
            }
        }
    }
    progress("");
    Ok(Runs { contenders, rates: asked.rates.clone(), runs })
}
