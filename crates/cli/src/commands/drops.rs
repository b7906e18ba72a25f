//! `plumb drops`: where the kernel drops packets, why, and whose they are.

mod config;
mod counting;
mod groups;
mod streaming;
mod table;

use crate::args::drops::Drops as Arguments;
use crate::child::{self, Beside};
use crate::clock::{Moment, Span};
use crate::enrich::Names;
use crate::enrich::netns::NetnsNames;
use crate::enrich::reasons::ReasonNames;
use crate::enrich::symbols::Symbols;
use crate::failure::{Exit, Failure, Outcome};
use crate::outputs::Outputs;
use crate::pipeline::{self, End};
use crate::plan::{self, Run, Stdout};
use crate::signals::Signals;
use crate::tables::Tables;
use crate::{meter, text};
use config::Asked;
use plumb_kernel::Error;
use plumb_kernel::probes::drops::{Config, Drops, Group, Late, NoiseRule, PreemptCount};
use plumb_kernel::session::Storage;
use plumb_kernel::support;
use plumb_records::column::Shown;
use plumb_records::drop::{Drop, DropGroup};
use plumb_records::enrich::Kallsyms;
use plumb_records::ledger::Ledger;
use plumb_records::noise;
use plumb_records::session::Session;
use plumb_sinks::format::Layout;

/// Plans, attaches, observes, concludes.
pub fn run(arguments: &Arguments, verbose: bool) -> Outcome<Exit> {
    let capture = plan::captures(&arguments.observing);
    let events = arguments.events.events || capture;
    let run = Run::resolve(&arguments.observing, events, verbose)?;
    let asked = config::resolve(arguments, events, capture)?;
    support::require("drops")?;
    let mut signals = Signals::install()?;
    let mut command = match run.command.as_slice() {
        [] => None,
        command => Some(Beside::prepare(command)?),
    };
    let mut storage = Storage::new();
    let (mut drops, tables) = load(&mut storage, &asked)?;
    let outputs = Outputs::open(&run, layout(events, &asked))?;
    drops.attach(&late(&asked, &tables))?;
    let ready = pipeline::ready(&run, command.as_mut())?;
    for missing in tables.missing.iter().cloned().chain(drops.context_refused().map(unknown_context)) {
        text::note(missing);
    }
    let mut view = View { run: &run, asked: &asked, names: names(tables), outputs, ready };
    view.open(&drops);
    let outside = Outside { signals: &mut signals, command: command.as_mut() };
    let observe = if events { streaming::observe } else { counting::observe };
    let seen = observe(&mut drops, &mut view, outside)?;
    if let Some(command) = &mut command {
        command.stop(signals.interrupted());
    }
    let skipped = drops.recursion_misses();
    hint(&seen.ledger, skipped);
    conclude(arguments, view, &seen, skipped)
}

/// Loads the probe; meanwhile another thread reads what names are made of. It has ended when this returns, so that
/// no thread keeps our privileges.
fn load<'obj>(storage: &'obj mut Storage, asked: &Asked) -> Outcome<(Drops<'obj>, Tables)> {
    std::thread::scope(|scope| {
        let reader = scope.spawn(Tables::read);
        let drops = Drops::load(storage, &asked.config);
        let tables = reader
            .join()
            .map_err(|_| Failure::failed("the thread that reads the kernel's symbols ended early"));
        Ok((drops?, tables?))
    })
}

/// What a format with one record kind holds.
fn layout(events: bool, asked: &Asked) -> Layout {
    if events {
        Layout { record: Drop::RECORD, columns: Drop::COLUMNS, shown: Shown::ALL }
    } else {
        Layout { record: DropGroup::RECORD, columns: DropGroup::COLUMNS, shown: asked.shown }
    }
}

/// What needs the kernel's symbols.
fn late(asked: &Asked, tables: &Tables) -> Late {
    let mut noise =
        if asked.hide_noise { noise::resolve(&tables.reasons, &tables.symbols) } else { Vec::new() };
    if noise.len() > Late::NOISE_MAX {
        text::note(format_args!(
            "{} kinds of noise are shown: at most {} are hidden",
            noise.len() - Late::NOISE_MAX,
            Late::NOISE_MAX
        ));
        noise.truncate(Late::NOISE_MAX);
    }
    let rule = |found: noise::Match| NoiseRule {
        addresses: found.location,
        reason: found.reason,
        socket_family: found.family,
    };
    Late { preempt_count: preempt_count(&tables.symbols), noise: noise.into_iter().map(rule).collect() }
}

fn unknown_context(why: &Error) -> String {
    format!("in_softirq is unknown, so that pid and comm may name a bystander: {why}")
}

/// `pcpu_hot` first: kernels that have it have no `__preempt_count`.
fn preempt_count(symbols: &Kallsyms) -> Option<PreemptCount> {
    let bases = symbols.variable("__per_cpu_offset")?;
    let hot = symbols.variable("pcpu_hot").map(|hot| PreemptCount::PcpuHot(hot, bases));
    hot.or_else(|| symbols.variable("__preempt_count").map(|counter| PreemptCount::Variable(counter, bases)))
}

fn names(tables: Tables) -> Names {
    Names {
        locations: Symbols::new(tables.symbols, tables.symbols_source),
        reasons: ReasonNames::new(tables.reasons),
        netns: NetnsNames::read(),
        interfaces: tables.interfaces,
        families: Default::default(),
        clock_offset: support::clock_offset_ns(),
        places: Default::default(),
    }
}

/// What can end a run from outside.
pub struct Outside<'a> {
    signals: &'a mut Signals,
    command: Option<&'a mut Beside>,
}

/// What a run shows, and to whom.
pub struct View<'a> {
    run: &'a Run,
    asked: &'a Asked,
    names: Names,
    outputs: Outputs,
    ready: Moment,
}

/// How a run went.
pub struct Seen {
    end: End,
    ledger: Ledger,
}

impl View<'_> {
    /// The first record and the first line: what is watched, by which mechanism.
    fn open(&mut self, drops: &Drops<'_>) {
        let hooks = drops.mechanisms();
        let host = support::host();
        self.outputs.write_about(&Session {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: host.name,
            kernel: host.kernel,
            boot_id: host.boot_id,
            command: std::env::args_os()
                .map(|word| word.to_string_lossy().into_owned())
                .collect::<Vec<_>>()
                .join(" "),
            filters: self.asked.filters.clone(),
            mechanisms: hooks.iter().map(|hook| (hook.hook.to_owned(), hook.mechanism.to_owned())).collect(),
            clock_offset_ns: self.names.clock_offset,
        });
        self.outputs.flush();
        if self.run.verbose {
            for hook in hooks {
                text::note(format_args!(
                    "{} by {}: program {}, {} bytes of BPF, {} bytes of machine code",
                    hook.hook, hook.mechanism, hook.id, hook.bpf_bytes, hook.jited_bytes
                ));
            }
            text::note(sizes(&self.asked.config));
        }
        if matches!(self.run.stdout, Stdout::Plain | Stdout::Summary) {
            let title = self.title(drops);
            self.outputs.say(&format!("{title}\n"));
        }
    }

    fn title(&self, drops: &Drops<'_>) -> String {
        let hooks: Vec<String> =
            drops.mechanisms().iter().map(|hook| format!("{} by {}", hook.hook, hook.mechanism)).collect();
        let noise = if self.asked.hide_noise { ", noise hidden" } else { "" };
        let filters = if self.asked.filters.is_empty() {
            "every namespace and interface".to_owned()
        } else {
            self.asked.filters.join(", ")
        };
        format!("Dropped packets ({}): {filters}{noise}", hooks.join(", "))
    }

    /// Interfaces and namespaces that were watched, or that packets were of, and are gone: drops of theirs are reported
    /// under the name that they had, and there will be no more. And how many locations have no name.
    fn tell_unknown(&self, groups: &[Group]) {
        let filter = &self.asked.config.filter;
        let watched = filter.interfaces.iter().map(|(netns, index)| (*netns, *index, None));
        let netns = filter.netns.map(|netns| (netns, 0, None));
        let seen = groups
            .iter()
            .map(|group| (group.netns().unwrap_or(0), group.ifindex().unwrap_or(0), group.interface()));
        let events = self.names.places().map(|(netns, index)| (netns, index, None));
        let gone = self.names.gone(watched.chain(netns).chain(seen).chain(events));
        if !gone.is_empty() {
            let gone: Vec<String> = gone.into_iter().collect();
            text::note(format_args!("gone meanwhile: {}", gone.join(", ")));
        }
        let unnamed = self.names.locations.unnamed();
        if unnamed > 0 {
            text::note(format_args!(
                "{unnamed} addresses of code have no symbol: null as a location, a number in a stack"
            ));
        }
    }

    /// The ledger so far or, where `whole`, of the run. While programs run the counters are not of one moment, so what
    /// was seen then is what has an account.
    fn ledger(&self, drops: &Drops<'_>, end: Moment, whole: bool) -> Ledger {
        let counted = drops.ledger();
        let mut ledger = Ledger {
            records: self.outputs.records(),
            duration_ns: Span { start: self.ready, end }.nanoseconds(),
            cost_cpu_ns: meter::cpu_time().map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
            peak_rss_bytes: meter::peak_memory(),
            ..counted
        };
        if !whole {
            ledger.seen = ledger.accounted();
        }
        ledger
    }
}

/// What the kernel side has room for.
fn sizes(config: &Config) -> String {
    if config.events {
        return format!("ring: {} bytes", config.ring_bytes());
    }
    format!("table: {} groups of {} bytes on each CPU", config.capacity(), config.stride())
}

/// What was lost, and what would help.
fn hint(ledger: &Ledger, skipped: u64) {
    let no_room = ledger.lost_kernel.saturating_sub(skipped);
    if no_room > 0 {
        text::note(format_args!(
            "{no_room} packets found no room in the ring: a larger --ring-size or a faster output would help"
        ));
    }
    if skipped > 0 {
        text::note(format_args!(
            "{skipped} packets were freed while the program was already running on that CPU: the kernel skips those, before any filter"
        ));
    }
    if ledger.ungrouped > 0 {
        text::note(format_args!(
            "{} packets found no room in the table: a larger --table-size or fewer --by keys would help",
            ledger.ungrouped
        ));
    }
}

/// Writes the ledger, tells people, and decides on the exit code: a failure of ours comes before what was asked to
/// fail, and that before CMD's own status.
fn conclude(arguments: &Arguments, mut view: View<'_>, seen: &Seen, skipped: u64) -> Outcome<Exit> {
    let ledger = &seen.ledger;
    view.outputs.write_about(ledger);
    view.outputs.flush();
    view.outputs.sum_up(view.run, &text::sentence(ledger), ledger.complete);
    view.outputs.result()?;
    if !ledger.balances() {
        return Err(
            Failure::failed("the account of packets does not balance").because(text::sentence(ledger))
        );
    }
    // Whether a skipped packet would have passed a filter nobody knows.
    let strangers = if view.asked.filters.is_empty() { 0 } else { skipped };
    let dropped = ledger.seen.saturating_sub(ledger.filtered + strangers);
    let time = std::time::Duration::from_nanos(ledger.duration_ns);
    if let Some(most) = arguments.reasons.fail_over
        && most.exceeded(dropped, time)
    {
        text::note(format_args!("{dropped} packets were dropped, more than --fail-over {most} allows"));
        return Ok(Exit::Failed);
    }
    if view.run.strict && !ledger.complete {
        text::note(format_args!("the output is incomplete, and --strict was given"));
        return Ok(Exit::Incomplete);
    }
    Ok(match seen.end {
        End::Command(status) => child::exit_of(status),
        End::Time | End::Count | End::Asked | End::Output => Exit::Done,
    })
}
