//! `plumb latency`: how long each stage of packets' way takes.

mod counting;
mod groups;
mod histogram;
mod interrupts;
mod streaming;
mod table;
mod waterfall;

use crate::args::latency::{Latency as Arguments, Mechanism as MechanismWord};
use crate::args::observing::Format as FormatWord;
use crate::child::Beside;
use crate::enrich::reasons::ReasonNames;
use crate::failure::{Exit, Failure, Outcome};
use crate::outputs::Outputs;
use crate::pipeline;
use crate::plan::filter::{describe, filter};
use crate::plan::{self, Run, Stdout};
use crate::signals::Signals;
use crate::{account, counted, tables, text};
use counting::{Told, Ways};
use groups::By;
use plumb_kernel::probes::latency::irq::Irqs;
use plumb_kernel::probes::latency::{Config, Latency, Mechanism, Outcomes};
use plumb_kernel::session::{Attached, Storage};
use plumb_kernel::support;
use plumb_records::column::Shown;
use plumb_records::filter::Filter;
use plumb_records::interrupt::Irq;
use plumb_records::latency::{Journey, Stage};
use plumb_records::ledger::Ledger;
use plumb_sinks::format::{Format, Layout};
use plumb_sinks::text::units;
use std::collections::BTreeSet;
use std::time::Duration;
use streaming::Writer;

/// The word for what this ledger counts.
const UNIT: &str = "packet";
/// The IP protocols whose packets are followed: TCP and UDP.
const FOLLOWED: [u8; 2] = [6, 17];
/// What no hook sees.
const NO_WIRE: &str = "time on the wire and in the device is in no stage: devices' time stamps are not read";
/// How often a reader on a timer looks.
const TIMER: Duration = Duration::from_millis(10);

/// Plans, attaches, observes, concludes.
pub fn run(arguments: &Arguments, verbose: bool) -> Outcome<Exit> {
    let events = arguments.each.events;
    let run = Run::of(&arguments.ends, &arguments.output, &arguments.command, events, verbose)?;
    let filter = filter(&arguments.filter)?;
    check(arguments, &filter)?;
    support::require("latency")?;
    if arguments.histogram && matches!(run.stdout, Stdout::Records(_)) {
        return Err(Failure::arguments("--histogram is a text, and standard output gets records")
            .help("write the records to a file: -o FILE"));
    }
    let by = By::resolve(&arguments.grouping)?;
    let filters = describe(&arguments.filter, &filter);
    let mut signals = Signals::install()?;
    let mut command = match run.command.as_slice() {
        [] => None,
        command => Some(Beside::prepare(command)?),
    };
    let (mut storage, mut irq_storage) = (Storage::new(), Storage::new());
    let mut irqs = match arguments.irq {
        true => Some(Irqs::load(&mut irq_storage, !events)?),
        false => None,
    };
    let asked = config(arguments, filter, &by);
    let mut latency = Latency::load(&mut storage, &asked, irqs.as_ref())?;
    let (reasons, skips_init) = tables::types();
    let mut outputs = Outputs::open(&run, layout(arguments, &by))?;
    if let Some(irqs) = &mut irqs {
        irqs.attach()?;
    }
    let names = by.names();
    latency.attach()?;
    let ready = pipeline::ready(&run, command.as_mut())?;
    let mut hooks = latency.mechanisms().to_vec();
    let mut missing = latency.missing().to_vec();
    if let Some(irqs) = &irqs {
        hooks.extend_from_slice(irqs.mechanisms());
        missing.extend_from_slice(irqs.missing());
    }
    let named = hooks.iter().map(|hook| (hook.hook.to_owned(), hook.mechanism.to_owned())).collect();
    let clock_offset = support::clock_offset_ns();
    let title = title(latency.mechanisms(), &filters);
    outputs.write_about(&account::session(filters, named, clock_offset));
    outputs.flush();
    account::programs(&run, &hooks);
    if run.verbose && by.asked() {
        text::note(format_args!("groups: {} of histograms", units::bytes(asked.group_bytes()?)));
    }
    missing.iter().for_each(text::note);
    if run.verbose || arguments.irq {
        text::note(NO_WIRE);
    }
    if skips_init {
        text::note(support::SKIPS_INIT);
    }
    if matches!(run.stdout, Stdout::Plain | Stdout::Summary) {
        outputs.say(&format!("{title}\n"));
    }
    let (seen, mut outputs, outcomes, lost) = if events {
        let writer = Writer::new(&run, outputs, ReasonNames::new(reasons), ready, clock_offset);
        writer.observe((&mut latency, &mut irqs), &mut signals, &mut command)?
    } else {
        let told = Told { by, names, title, histogram: arguments.histogram };
        let mut ways = Ways::new(&run, (latency, irqs), outputs, told, ready, clock_offset);
        let seen = counted::observe(&run, ready, &mut ways, &mut signals, &mut command)?;
        let (outputs, outcomes, lost) = ways.into_end();
        (seen, outputs, outcomes, lost)
    };
    if let Some(lost) = &lost {
        outputs.write_about(&interrupts::ledger(lost, seen.ledger.duration_ns));
        if events && run.stdout == Stdout::Plain {
            outputs.say(&interrupts::lost(lost));
        }
    }
    if let Some(command) = &mut command {
        command.stop(signals.interrupted());
    }
    hint(&seen.ledger, &outcomes);
    account::close(&mut outputs, &run, &seen.ledger, |ledger| {
        format!("{}; {}", text::sentence_about(UNIT, ledger), table::outcomes(&outcomes))
    })?;
    Ok(account::exit(&run, &seen.ledger, seen.end))
}

fn config(arguments: &Arguments, filter: Filter, by: &By) -> Config {
    let Arguments { each, following, grouping, .. } = arguments;
    Config {
        filter,
        sample: following.sample,
        journeys: following.table_size,
        keys: by.keys(),
        groups: grouping.groups,
        mechanism: following.mechanism.map(|word| match word {
            MechanismWord::Tracepoint => Mechanism::Tracepoint,
            MechanismWord::Fentry => Mechanism::Fentry,
            MechanismWord::Kprobe => Mechanism::Kprobe,
        }),
        events: each.events.then(|| each.slower_than.unwrap_or_default()),
        ring_size: following.ring_size,
        wakeup: plan::wakeup(following.wakeup, TIMER),
    }
}

/// What a format with one record kind holds.
fn layout(arguments: &Arguments, by: &By) -> Layout {
    if arguments.each.events {
        Layout { record: Journey::RECORD, columns: Journey::COLUMNS, shown: Shown::ALL }
    } else if arguments.irq {
        Layout { record: Irq::RECORD, columns: Irq::COLUMNS, shown: Shown::ALL }
    } else {
        Layout { record: Stage::RECORD, columns: Stage::COLUMNS, shown: by.shown }
    }
}

fn title(hooks: &[Attached], filters: &[String]) -> String {
    let mechanisms: BTreeSet<&str> = hooks.iter().map(|hook| hook.mechanism).collect();
    let mechanisms = mechanisms.into_iter().rev().collect::<Vec<_>>().join(", ");
    let kept = if filters.is_empty() { String::new() } else { format!(", {}", filters.join(", ")) };
    format!("Packets with data over TCP and UDP, from hook to hook ({mechanisms}){kept}")
}

/// What would help where packets were lost, or found no room.
fn hint(ledger: &Ledger, outcomes: &Outcomes) {
    let tell = |packets: u64, what: &str| {
        if packets > 0 {
            text::note(format_args!("{} {what}", units::counted(packets, UNIT)));
        }
    };
    tell(ledger.ungrouped, "found no room among the groups: a larger --groups or fewer --by keys would help");
    tell(
        ledger.lost_table_full,
        "found no room in the tables: a larger --table-size, or --sample, would help",
    );
    // The rest is lost sight of, which the summary tells.
    tell(
        ledger.lost_kernel.saturating_sub(outcomes.strayed),
        "found no room in the ring of --events, or were skipped by the kernel, as where a program interrupts \
         itself: a larger --ring-size or a faster output would help the first",
    );
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
    if let Some(other) = filter.protocols.iter().find(|protocol| !FOLLOWED.contains(&protocol.0)) {
        return Err(Failure::arguments(format!("plumb latency follows TCP and UDP, not {other}"))
            .help("give --proto tcp, udp or neither"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    /// A run that cannot see a packet says so rather than that none came.
    #[test]
    fn protocols_that_are_not_followed_are_bad_arguments() {
        let checked = |words: &str| {
            let words = ["plumb", "latency"].into_iter().chain(words.split_whitespace());
            let Command::Latency(arguments) = Cli::try_parse_from(words).unwrap().command else { panic!() };
            check(&arguments, &filter(&arguments.filter).unwrap())
        };
        assert!(checked("--proto tcp,17").is_ok() && checked("").is_ok());
        for words in ["--proto icmp", "--proto tcp,47"] {
            assert_eq!(checked(words).unwrap_err().exit, Exit::Arguments, "{words}");
        }
    }
}
