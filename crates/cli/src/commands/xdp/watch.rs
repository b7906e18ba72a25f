//! `plumb xdp stats` and `plumb xdp time`: programs that others have loaded, as they are.

mod attach;
mod choose;
mod news;
mod reading;
mod spot;
mod table;
mod view;

use crate::args::xdp::{By, Watch as Arguments};
use crate::child::Beside;
use crate::clock::Moment;
use crate::failure::{Exit, Failure, Outcome};
use crate::outputs::Outputs;
use crate::plan::{Run, Stdout};
use crate::signals::Signals;
use crate::text::note;
use news::Known;
use plumb_kernel::probes::xdp::{Fault, Faults, Foreign, Inventory, Names, Watch};
use plumb_kernel::session::{Attached, Storage};
use plumb_kernel::{Error, support};
use plumb_records::xdp::XdpAction;
use plumb_sinks::format::{Format, Layout};
use reading::{Reading, Sum};
use spot::Spot;
use view::View;

use super::sample::Sample;

/// A program and how it is seen.
pub struct Watched<'obj> {
    pub foreign: Foreign,
    pub part_of: Option<u32>,
    pub spots: Vec<Spot>,
    /// Packets of other interfaces were not asked for.
    pub only: bool,
    /// By fentry and fexit; without it by the kernel's statistics.
    pub watch: Option<Watch<'obj>>,
}

impl Watched<'_> {
    /// The word for how it is seen.
    pub fn mechanism(&self) -> &'static str {
        if self.watch.is_some() { "fentry" } else { "statistics" }
    }

    /// What is attached for it.
    pub fn hooks(&self) -> Vec<Attached> {
        self.watch.iter().flat_map(Watch::mechanisms).collect()
    }

    /// Whether something that went wrong was its doing; what a component did is told of what it is a component of.
    fn did(&self, fault: &Fault) -> bool {
        let ours = self.foreign.loaded.id == fault.program;
        let there = |spot: &Spot| (spot.cookie, spot.place.interface.index) == (fault.netns, fault.ifindex);
        self.part_of.is_none()
            && (ours || self.spots.iter().any(|spot| spot.place.program == fault.program))
            && (!self.only || self.spots.iter().any(there))
    }

    /// What it has come to so far.
    fn read(&mut self) -> Result<Reading, Error> {
        let Some(watch) = &self.watch else {
            let (runs, time_ns) = self.foreign.runs();
            let (bytes, drops): (Vec<_>, Vec<_>) = self.spots.iter_mut().map(Spot::driver_counts).unzip();
            // Unless every driver counts, the sum is unknown.
            let sum = |each: Vec<Option<u64>>| {
                let each: Option<Vec<u64>> = each.into_iter().collect();
                each.filter(|each| !each.is_empty()).map(|each| each.iter().sum())
            };
            return Ok(Reading::Sum(Sum { runs, time_ns, bytes: sum(bytes), drops: sum(drops) }));
        };
        let counts = watch.counts()?;
        let times = match watch.times()? {
            Some(times) => times.into_iter().map(Some).collect(),
            None => vec![None; counts.len()],
        };
        let places = counts.into_iter().zip(times);
        Ok(Reading::Actions(places.map(|(counts, times)| Sample::new(counts, times)).collect()))
    }
}

/// Plans, attaches, observes, concludes.
pub fn run(arguments: &Arguments, timed: bool, verbose: bool) -> Outcome<Exit> {
    let run = Run::of(&arguments.ends, &arguments.output, &arguments.command, false, verbose)?;
    let to_file = run.output.as_ref().map(|(output, _)| output.format);
    if to_file == Some(Format::Pcapng) || run.stdout == Stdout::Records(Format::Pcapng) {
        return Err(Failure::arguments("plumb xdp captures no packets for pcapng").help("use json or csv"));
    }
    support::require(if timed { "xdp time" } else { "xdp stats" })?;
    let inventory = Inventory::read();
    let chosen = choose::choose(arguments, &inventory)?;
    let mut signals = Signals::install()?;
    let mut command = match run.command.as_slice() {
        [] => None,
        command => Some(Beside::prepare(command)?),
    };
    let by_cpu = arguments.by == Some(By::Cpu);
    let shown = XdpAction::shown_watching(by_cpu, timed);
    let layout = Layout { record: XdpAction::RECORD, columns: XdpAction::COLUMNS, shown };
    let outputs = Outputs::open(&run, layout)?;
    let mut storages: Vec<Storage> = chosen.iter().map(|_| Storage::new()).collect();
    let (mut programs, refusals) = attach::attach(&chosen, &mut storages, timed)?;
    let cost = attach::measure(&programs, timed, refusals, verbose)?;
    for remark in attach::remarks(&chosen, &mut programs, by_cpu) {
        note(remark);
    }
    let mut room = Storage::new();
    let faults = Faults::attach(&mut room, true)
        .map_err(|error| note(format_args!("exceptions and redirect errors are not counted: {error}")));
    let view = View {
        run: &run,
        programs,
        known: Known { inventory, later: names() },
        faults: faults.ok(),
        by_cpu,
        timed,
        shown,
        watch_cost_ns: cost.watch_ns,
        empty_ns: cost.empty_ns,
        clock_offset: support::clock_offset_ns(),
        ready: Moment::now(),
    };
    let exit = view.observe(outputs, &mut signals, &mut command)?;
    drop(cost.statistics);
    Ok(exit)
}

/// For programs that come later; without it they are told by their ids.
fn names() -> Option<Names> {
    let unnamed =
        |error| note(format_args!("programs that are attached later are told by their ids only: {error}"));
    Names::attach().map_err(unnamed).ok()
}
