//! How programs of others are seen, and what that costs: by fentry and fexit, else by the kernel's statistics.

use super::Watched;
use super::choose::Chosen;
use super::spot::Spot;
use crate::failure::{Failure, Outcome};
use crate::text::note;
use plumb_kernel::Error;
use plumb_kernel::probes::xdp::{self, Foreign, Statistics, Watch, WatchConfig};
use plumb_kernel::session::Storage;

/// The program that fentry was refused on, and why.
pub type Refusal = (u32, Error);

/// Opens the programs and attaches to them, in the order in which they were chosen; and why the kernel does not let us.
pub fn attach<'obj>(
    chosen: &[Chosen],
    storages: &'obj mut [Storage],
    timed: bool,
) -> Outcome<(Vec<Watched<'obj>>, Vec<Refusal>)> {
    let (mut programs, mut refusals) = (Vec::new(), Vec::new());
    for (one, storage) in chosen.iter().zip(storages) {
        let spots: Vec<Spot> = one.places.iter().cloned().map(Spot::of).collect::<Outcome<_>>()?;
        let config = WatchConfig {
            places: spots.iter().map(|spot| (spot.cookie, spot.place.interface.index)).collect(),
            only: one.only,
            time: timed,
        };
        let mut foreign = Foreign::open(&one.program)?;
        let watch = match Watch::attach(storage, &foreign, &config) {
            Ok(watch) => Some(watch),
            Err(error) => {
                // The kernel runs components without its statistics (bpf_arch_text_poke jumps to them), so nothing is
                // known of them; but what one of them has taken the place of is counted as ever.
                if let Some(host) = &one.in_place_of {
                    foreign = Foreign::open(host)?;
                }
                refusals.push((foreign.loaded.id, error));
                None
            }
        };
        if watch.is_some() || !foreign.loaded.extension {
            programs.push(Watched { foreign, part_of: one.part_of, spots, only: one.only, watch });
        }
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
pub struct Cost {
    pub watch_ns: Option<u64>,
    pub empty_ns: Option<u64>,
    /// On for as long as this is kept.
    pub statistics: Option<Statistics>,
}

/// Switches on what the programs need that fentry does not serve, says so, and measures.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "nanoseconds of one run")]
pub fn measure(
    programs: &[Watched<'_>],
    timed: bool,
    refusals: Vec<Refusal>,
    verbose: bool,
) -> Outcome<Cost> {
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
        match told.added_ns {
            Some(added) => note(format_args!(
                "the kernel's BPF statistics are on until the end: they add {added:.0} ns to each run of every BPF program here"
            )),
            None => note(
                "the kernel's BPF statistics are on, as they were already: what they add to each run cannot be measured",
            ),
        }
        cost.empty_ns = Some(told.empty_ns.round() as u64);
        cost.statistics = Some(statistics);
    }
    Ok(cost)
}

/// What a reader of the numbers has to know.
pub fn remarks(chosen: &[Chosen], programs: &mut [Watched<'_>], by_cpu: bool) -> Vec<String> {
    let mut remarks = Vec::new();
    for program in programs {
        let loaded = &program.foreign.loaded;
        let (name, id) = (&loaded.name, loaded.id);
        let in_place_of = |one: &Chosen| one.in_place_of.as_ref().map(|host| host.id);
        let chosen = chosen.iter().find(|one| one.program.id == id || in_place_of(one) == Some(id));
        if let Some(host) = chosen.and_then(|one| one.in_place_of.as_ref()).filter(|host| host.id != id) {
            remarks.push(format!(
                "{} {} does nothing itself: {name} {id} runs in its place",
                host.name, host.id
            ));
        }
        if loaded.tail_calls {
            remarks.push(format!(
                "{name} {id} can enter other programs by tail calls: their time and verdicts are counted as its own"
            ));
        }
        if program.watch.is_some() {
            continue;
        }
        let wider = chosen.is_some_and(|one| one.elsewhere);
        if wider || program.spots.len() > 1 {
            remarks
                .push(format!("{name} {id} runs on several interfaces: its runs are those of all of them"));
        }
        if by_cpu {
            remarks.push(format!("{name} {id}: which CPU its packets came to is unknown"));
        }
        if program.spots.iter_mut().any(|spot| spot.driver_counts().0.is_none()) || program.spots.is_empty() {
            remarks.push(format!(
                "{name} {id}: bytes are unknown: no driver counts them in native mode on every interface of it"
            ));
        }
    }
    remarks
}
