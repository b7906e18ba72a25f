//! `plumb latency`: how long each stage of packets' way takes.

mod counting;
mod table;

use crate::args::latency::Latency as Arguments;
use crate::args::observing::Format as FormatWord;
use crate::child::Beside;
use crate::failure::{Exit, Failure, Outcome};
use crate::outputs::Outputs;
use crate::pipeline;
use crate::plan::filter::{describe, filter};
use crate::plan::{Run, Stdout};
use crate::signals::Signals;
use crate::{account, text};
use counting::Ways;
use plumb_kernel::probes::latency::{Config, Latency};
use plumb_kernel::session::Storage;
use plumb_kernel::support;
use plumb_records::column::Shown;
use plumb_records::filter::Filter;
use plumb_records::latency::Stage;
use plumb_sinks::format::{Format, Layout};

/// The word for what this ledger counts.
const UNIT: &str = "packet";

/// Plans, attaches, observes, concludes.
pub fn run(arguments: &Arguments, verbose: bool) -> Outcome<Exit> {
    let run = Run::of(&arguments.ends, &arguments.output, &arguments.command, false, verbose)?;
    let filter = filter(&arguments.filter)?;
    check(arguments, &filter)?;
    support::require("latency")?;
    let filters = describe(&arguments.filter, &filter);
    let mut signals = Signals::install()?;
    let mut command = match run.command.as_slice() {
        [] => None,
        command => Some(Beside::prepare(command)?),
    };
    let config =
        Config { filter, sample: arguments.following.sample, journeys: arguments.following.table_size };
    let mut storage = Storage::new();
    let mut latency = Latency::load(&mut storage, &config)?;
    let layout = Layout { record: Stage::RECORD, columns: Stage::COLUMNS, shown: Shown::ALL };
    let mut outputs = Outputs::open(&run, layout)?;
    latency.attach()?;
    let ready = pipeline::ready(&run, command.as_mut())?;
    let hooks = latency.mechanisms();
    let named = hooks.iter().map(|hook| (hook.hook.to_owned(), hook.mechanism.to_owned())).collect();
    let clock_offset = support::clock_offset_ns();
    let title = title(&filters);
    outputs.write_about(&account::session(filters, named, clock_offset));
    outputs.flush();
    account::programs(&run, hooks);
    for missing in latency.missing() {
        text::note(missing);
    }
    if matches!(run.stdout, Stdout::Plain | Stdout::Summary) {
        outputs.say(&format!("{title}\n"));
    }
    let mut ways = Ways::new(&run, latency, outputs, title, ready, clock_offset);
    let seen = crate::counted::observe(&run, ready, &mut ways, &mut signals, &mut command)?;
    if let Some(command) = &mut command {
        command.stop(signals.interrupted());
    }
    let (mut outputs, outcomes) = ways.into_end();
    let sentence = format!("{}; {}", text::sentence_about(UNIT, &seen.ledger), table::outcomes(&outcomes));
    account::close(&mut outputs, &run, &seen.ledger, sentence)?;
    Ok(account::exit(&run, &seen.ledger, seen.end))
}

fn title(filters: &[String]) -> String {
    let kept = if filters.is_empty() { String::new() } else { format!(", {}", filters.join(", ")) };
    format!("Packets with data over TCP and UDP, from hook to hook (tp_btf){kept}")
}

/// Refuses what would have no effect.
fn check(arguments: &Arguments, filter: &Filter) -> Outcome<()> {
    let output = &arguments.output;
    let file = output.output.as_ref().map(|output| output.format);
    if file == Some(Format::Pcapng) || output.format == Some(FormatWord::Pcapng) {
        return Err(
            Failure::arguments("plumb latency captures no packets for pcapng").help("use json or csv")
        );
    }
    let words = [
        ("--pid", filter.pids.len()),
        ("--comm", filter.comms.len()),
        ("--cgroup", filter.cgroups.len()),
        ("--uid", filter.uids.len()),
    ];
    match words.into_iter().find(|(_, given)| *given > 0) {
        Some((word, _)) => Err(Failure::arguments(format!(
            "{word} has no meaning where a packet is taken up: its socket is not known yet"
        ))
        .help("filter by addresses and ports")),
        None => Ok(()),
    }
}
