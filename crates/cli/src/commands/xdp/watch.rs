//! `plumb xdp stats` and `plumb xdp time`: programs that others have loaded, as they are.

mod choose;
mod reading;
mod table;
mod view;

use super::list::Place;
use crate::args::xdp::{By, Watch as Arguments};
use crate::child::Beside;
use crate::clock::Moment;
use crate::failure::{Exit, Failure, Outcome};
use crate::outputs::Outputs;
use crate::plan::{Run, Stdout};
use crate::signals::Signals;
use crate::text::note;
use choose::Chosen;
use plumb_kernel::netdev::Inside;
use plumb_kernel::probes::xdp::{self, Foreign, Inventory, Mode, Statistics, Watch, WatchConfig};
use plumb_kernel::session::{Attached, Storage};
use plumb_kernel::{Error, support};
use plumb_records::xdp::XdpAction;
use plumb_sinks::format::{Format, Layout};
use reading::{Reading, Sum};
use view::View;

use super::sample::Sample;
use super::target::cannot_enter;

/// An interface that a program is counted on, and a way to ask about it.
pub struct Spot {
    pub place: Place,
    inside: Inside,
    /// It is deleted or was moved, and whether that was told.
    pub gone: bool,
    pub told: bool,
}

impl Spot {
    fn of(place: Place) -> Outcome<Self> {
        let inside = place.netns.within(Inside::here)?.and_then(|inside| inside).map_err(cannot_enter)?;
        Ok(Self { place, inside, gone: false, told: false })
    }

    /// Whether the interface is still there, by whatever name.
    pub fn is_there(&self) -> bool {
        self.inside.name(self.place.interface.index).is_some()
    }

    /// What the driver counts of programs in native mode.
    fn driver_counts(&self) -> (Option<u64>, Option<u64>) {
        let native = self.place.mode == Some(Mode::Native);
        let name = native.then(|| self.inside.name(self.place.interface.index)).flatten();
        let counters = name.and_then(|name| self.inside.counters(&name));
        counters.map_or((None, None), |counters| reading::driver_counts(&counters))
    }
}

/// A program and how it is seen.
pub struct Watched<'obj> {
    pub foreign: Foreign,
    pub part_of: Option<u32>,
    pub spots: Vec<Spot>,
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

    /// What it has come to so far.
    fn read(&self) -> Result<Reading, Error> {
        let Some(watch) = &self.watch else {
            let (runs, time_ns) = self.foreign.runs();
            let (bytes, drops): (Vec<_>, Vec<_>) = self.spots.iter().map(Spot::driver_counts).unzip();
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
    let chosen = choose::choose(arguments, &Inventory::read())?;
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
    let (programs, refusal) = attach(&chosen, &mut storages, timed)?;
    let cost = measure(&programs, timed, refusal, verbose)?;
    for remark in remarks(&chosen, &programs, by_cpu) {
        note(remark);
    }
    let view = View {
        run: &run,
        programs,
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

/// The program that fentry was refused on, and why.
type Refusal = (u32, Error);

/// Opens the programs and attaches to them, in the order in which they were chosen; and why the kernel does not let us.
fn attach<'obj>(
    chosen: &[Chosen],
    storages: &'obj mut [Storage],
    timed: bool,
) -> Outcome<(Vec<Watched<'obj>>, Vec<Refusal>)> {
    let (mut programs, mut refusals) = (Vec::new(), Vec::new());
    for (one, storage) in chosen.iter().zip(storages) {
        let foreign = Foreign::open(&one.program)?;
        let places = one.places.iter();
        let config = WatchConfig {
            places: places.map(|place| (place.netns.inode, place.interface.index)).collect(),
            only: one.only,
            time: timed,
        };
        let watch = match Watch::attach(storage, &foreign, &config) {
            Ok(watch) => Some(watch),
            Err(error) => {
                refusals.push((one.program.id, error));
                None
            }
        };
        // The kernel runs components without its statistics (bpf_arch_text_poke jumps to them), so nothing is known.
        if watch.is_none() && one.program.extension {
            continue;
        }
        let spots = one.places.iter().cloned().map(Spot::of).collect::<Outcome<_>>()?;
        programs.push(Watched { foreign, part_of: one.part_of, spots, watch });
    }
    match (programs.is_empty(), refusals.pop()) {
        (true, Some((id, error))) => Err(Failure::from(error)
            .about(&format!("program {id} is a component, of which the kernel tells nothing but by fentry"))),
        (_, last) => {
            refusals.extend(last);
            Ok((programs, refusals))
        }
    }
}

/// What watching costs and what it tells of a program that does nothing.
struct Cost {
    watch_ns: Option<u64>,
    empty_ns: Option<u64>,
    /// On for as long as this is kept.
    statistics: Option<Statistics>,
}

/// Switches on what the programs need that fentry does not serve, says so, and measures.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "nanoseconds of one run")]
fn measure(programs: &[Watched<'_>], timed: bool, refusals: Vec<Refusal>, verbose: bool) -> Outcome<Cost> {
    let traced = programs.iter().any(|program| program.watch.is_some());
    let watch_ns = if timed && traced { xdp::watch_cost_ns()? } else { None };
    let mut cost = Cost { watch_ns, empty_ns: None, statistics: None };
    for (id, error) in refusals {
        let whole = programs.iter().any(|program| program.foreign.loaded.id == id);
        let instead = if whole {
            "its runs and their mean time are counted by the kernel's BPF statistics; verdicts and the spread of times are \
             unknown"
        } else {
            "this component is left out, because the kernel tells nothing else of it"
        };
        note(format_args!("program {id}: {instead}: {error}"));
        for line in error.detail.lines().filter(|_| verbose) {
            note(line);
        }
    }
    if programs.iter().any(|program| program.watch.is_none()) {
        let (statistics, told) = xdp::statistics_cost()?;
        note(format_args!(
            "the kernel's BPF statistics are on until the end: they add {:.0} ns to each run of every BPF program here",
            told.added_ns
        ));
        cost.empty_ns = Some(told.empty_ns.round() as u64);
        cost.statistics = Some(statistics);
    }
    Ok(cost)
}

/// What a reader of the numbers has to know.
fn remarks(chosen: &[Chosen], programs: &[Watched<'_>], by_cpu: bool) -> Vec<String> {
    let mut remarks = Vec::new();
    for program in programs {
        let loaded = &program.foreign.loaded;
        let (name, id) = (&loaded.name, loaded.id);
        if loaded.tail_calls {
            remarks.push(format!(
                "{name} {id} can enter other programs by tail calls: their time and verdicts are counted as its own"
            ));
        }
        if program.watch.is_some() {
            continue;
        }
        let wider = chosen.iter().any(|one| one.program.id == id && one.elsewhere);
        if wider || program.spots.len() > 1 {
            remarks
                .push(format!("{name} {id} runs on several interfaces: its runs are those of all of them"));
        }
        if by_cpu {
            remarks.push(format!("{name} {id}: which CPU its packets came to is unknown"));
        }
        if program.spots.iter().any(|spot| spot.driver_counts().0.is_none()) || program.spots.is_empty() {
            remarks.push(format!(
                "{name} {id}: bytes are unknown: no driver counts them in native mode on every interface of it"
            ));
        }
    }
    remarks
}
