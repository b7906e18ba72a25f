//! `plumb drops`: where the kernel drops packets, why, and whose they are.

mod config;
mod counting;
mod groups;
mod streaming;
mod table;
mod view;

use crate::args::drops::Drops as Arguments;
use crate::child::Beside;
use crate::enrich::Names;
use crate::enrich::reasons::ReasonNames;
use crate::enrich::symbols::Symbols;
use crate::failure::{Exit, Failure, Outcome};
use crate::outputs::Outputs;
use crate::pipeline;
use crate::plan::{self, Run};
use crate::signals::Signals;
use crate::tables::Tables;
use crate::text;
use config::Asked;
use plumb_kernel::Error;
use plumb_kernel::probes::drops::{Drops, Late, NoiseRule, PreemptCount};
use plumb_kernel::session::Storage;
use plumb_kernel::support;
use plumb_records::column::Shown;
use plumb_records::drop::{Drop, DropGroup};
use plumb_records::enrich::Kallsyms;
use plumb_records::noise;
use plumb_sinks::format::Layout;
use view::{View, conclude, hint};

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
    let unknown = drops.context_refused().map(unknown_context).into_iter().chain(unknown_netns(&asked));
    for missing in tables.missing.iter().cloned().chain(unknown) {
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

/// A namespace that we may not enter is known by its inode alone.
fn unknown_netns(asked: &Asked) -> Option<String> {
    let filter = &asked.config.filter;
    let (inode, None) = (filter.netns?, filter.netns_cookie) else { return None };
    Some(format!(
        "network namespace {inode} is told by its inode, which a later one may have too: entering it to know better needs CAP_SYS_ADMIN"
    ))
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
        netns: tables.netns,
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
