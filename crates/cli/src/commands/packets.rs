//! `plumb packets`: one record per packet.

mod capture;
mod streaming;
mod writer;

use crate::anonymizing::Anonymizer;
use crate::args::observing::Format as FormatWord;
use crate::args::packets::Packets as Arguments;
use crate::child::Beside;
use crate::failure::{Exit, Failure, Outcome};
use crate::hooks::view::View;
use crate::hooks::{Wanted, target};
use crate::outputs::Outputs;
use crate::plan::{self, Run, filter};
use crate::serving;
use crate::signals::Signals;
use plumb_kernel::hook::Hooks;
use plumb_kernel::probes::packets::{Config, Packets};
use plumb_kernel::session::Storage;
use plumb_kernel::support;
use plumb_records::column::Shown;
use plumb_records::packet::Packet;
use plumb_sinks::format::{Format, Layout};
use std::time::Duration;

/// How often a reader on a timer looks.
const TIMER: Duration = Duration::from_millis(1);

const LAYOUT: Layout = Layout { record: Packet::RECORD, columns: Packet::COLUMNS, shown: Shown::ALL };

/// Plans, attaches or reads, observes, concludes.
pub fn run(arguments: &Arguments, verbose: bool) -> Outcome<Exit> {
    let run = Run::of(&arguments.ends, &arguments.output, &arguments.command, true, verbose)?;
    let config = config(arguments)?;
    if arguments.read.is_some() {
        crate::capture::alone(&arguments.interface)?;
    }
    let anonymizer = Anonymizer::open(arguments.anonymizing.anonymize.as_ref())?;
    support::require("packets")?;
    match &arguments.read {
        Some(path) => capture::run(&run, &config, &anonymizer, path),
        None => live(&run, &config, &anonymizer, arguments),
    }
}

/// Attaches, observes, concludes.
fn live(run: &Run, config: &Config, anonymizer: &Anonymizer, arguments: &Arguments) -> Outcome<Exit> {
    let wanted = Wanted::of(&arguments.attaching)?;
    let targets = target::resolve(&arguments.interface, arguments.netns.as_deref())?;
    let mut signals = Signals::install()?;
    let mut command = match run.command.as_slice() {
        [] => None,
        command => Some(Beside::prepare(command)?),
    };
    let mut storage = Storage::new();
    let packets = Packets::load(&mut storage, &Config { hooks: wanted.hooks(), ..config.clone() })?;
    let mut outputs = Outputs::open(run, LAYOUT)?;
    outputs.serve(serving::open(&arguments.serving, vec![("packets".to_owned(), LAYOUT)])?);
    let hooked = wanted.attach(targets, packets.programs())?;
    let mut view = View::new(run, anonymizer, hooked, outputs);
    view.begin("Packets", &packets.facts(), config.ring_bytes(), &config.filter, &mut command)?;
    let seen = streaming::observe(&packets, &mut view, &mut signals, &mut command)?;
    if let Some(command) = &mut command {
        command.stop(signals.interrupted());
    }
    view.conclude(&packets.others()?, &seen)
}

fn config(arguments: &Arguments) -> Outcome<Config> {
    let file = arguments.output.output.as_ref().map(|output| output.format);
    if file == Some(Format::Pcapng) || arguments.output.format == Some(FormatWord::Pcapng) {
        return Err(Failure::arguments("plumb packets writes what headers say, not packets for pcapng")
            .help("use json or csv"));
    }
    Ok(Config {
        filter: filter::headers(&arguments.headers)?,
        sample: arguments.sample,
        ring_size: arguments.reading.ring_size,
        wakeup: plan::wakeup(arguments.reading.wakeup, TIMER),
        hooks: Hooks::XDP,
        capture: arguments.read.is_some(),
        drop: false,
    })
}
