//! How long packets take from hook to hook, from the driver to the application and back.
//!
//! Hooks: tracepoints with BTF, those of [`hooks`]. Records: `stage`. Needs kernel 5.16. Cost: see docs/journal.

mod account;
mod choice;
mod config;
mod event;
mod groups;
mod hooks;
pub mod irq;

pub use account::Outcomes;
pub use config::Config;
pub use event::{Ended, Event};
pub use groups::{Group, Key};
pub use hooks::{Hook, Mechanism};

use crate::error::{Class, Error};
use crate::mapped::Mapped;
use crate::ring::{Ring, Wakeup};
use crate::session::{self, Attached, Storage};
use crate::wire::{self, histogram, latency_const, latency_counters, plain_bytes};
use crate::{support, sys};
use choice::Choice;
use irq::Irqs;
use libbpf_rs::skel::Skel;
use libbpf_rs::{Link, MapCore, MapFlags};
use plumb_records::histogram::Histogram;
use plumb_records::ledger::Ledger;
use skeleton::{LatencySkel, LatencySkelBuilder};
use std::cell::Cell;
use std::os::fd::AsFd;
use std::rc::Rc;

skeleton!("latency");

plain_bytes!(skeleton::types::latency_config);

/// The hooks without which the probe cannot run.
pub const NEEDS: &[&str] = &["tp_btf/netif_receive_skb"];

/// Buckets that are read at once.
const BATCH: u32 = 4096;

const PROBE: &str = "latency";

/// Every tracepoint that a program of ours may run at while it counts.
pub(crate) fn tracepoints() -> impl Iterator<Item = &'static str> {
    let programs = hooks::POINTS.iter().filter(|point| !point.process).flat_map(|point| point.programs);
    programs.filter(|program| program.mechanism == Mechanism::Tracepoint).map(|program| program.target)
}

/// Those of them that are attached where these are there.
pub(crate) fn attached_of(there: &[&'static str]) -> Vec<&'static str> {
    let points = hooks::POINTS.iter().filter(|point| !point.process);
    let first = |point: &hooks::Point| point.programs.iter().find(|program| there.contains(&program.target));
    points.filter_map(first).map(|program| program.target).collect()
}

/// Which way packets went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// To this host.
    Receive = 1,
    /// From it.
    Transmit = 2,
    /// Through it.
    Forward = 3,
}

impl Direction {
    const ALL: [Self; 3] = [Self::Receive, Self::Transmit, Self::Forward];

    /// The name in records and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Receive => "rx",
            Self::Transmit => "tx",
            Self::Forward => "forward",
        }
    }
}

/// Times between two hooks that follow each other on some packets' way.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The group of the packets; `None` where groups were not asked for, and of packets in none.
    pub group: Option<Rc<Group>>,
    /// Which way the packets went.
    pub direction: Direction,
    /// Its two ends; `None` for the whole way.
    pub ends: Option<(Hook, Hook)>,
    /// The times, in nanoseconds.
    pub times: Histogram,
}

/// The probe, loaded; attached after [`Latency::attach`].
pub struct Latency<'obj> {
    skel: Box<LatencySkel<'obj>>,
    links: Vec<Link>,
    shards: u32,
    control: Mapped,
    wakeup: Wakeup,
    undecoded: Cell<u64>,
    mechanisms: Vec<Attached>,
    choice: Choice,
}

impl<'obj> Latency<'obj> {
    /// Opens, configures and loads: the kernel has verified the programs, nothing is attached yet.
    /// Packets are joined to what `irqs` sees, which is to be attached too.
    pub fn load(storage: &'obj mut Storage, config: &Config, irqs: Option<&Irqs<'_>>) -> Result<Self, Error> {
        support::require(PROBE)?;
        let mut open = session::open(PROBE, LatencySkelBuilder::default(), storage)?;
        let choice = choice::configure(&mut open, config, irqs)?;
        let skel = Box::new(session::load(PROBE, open)?);
        let control = Mapped::new(&skel.maps.latency_wake, true)?;
        Ok(Self {
            skel,
            links: Vec::new(),
            shards: config::shards()?.0,
            control,
            wakeup: config.wakeup,
            undecoded: Cell::new(0),
            mechanisms: Vec::new(),
            choice,
        })
    }

    /// Attaches, the ends of ways first: what begins is then seen to its end.
    pub fn attach(&mut self) -> Result<(), Error> {
        let forced = self.choice.forced;
        let mut refused = None;
        for (point, program) in self.choice.programs.iter().rev() {
            let found = self.skel.object().progs_mut().find(|loaded| loaded.name() == program.name);
            let Some(loaded) = found else { continue };
            match session::attach(program.target, &loaded) {
                Ok(link) => {
                    self.links.push(link);
                    self.mechanisms.push(session::attached(
                        program.target,
                        program.mechanism.name(),
                        &loaded,
                    ));
                }
                Err(error) if point.required => return Err(error),
                Err(error) => {
                    self.choice.missing.push(format!("{error}: what it would stamp is left out"));
                    refused = refused.or((forced == Some(program.mechanism)).then_some(error));
                }
            }
        }
        let reached = |forced: Mechanism| self.mechanisms.iter().any(|hook| hook.mechanism == forced.name());
        match forced.zip(refused) {
            Some((forced, error)) if !reached(forced) => Err(choice::unreached(forced, error)),
            _ => Ok(()),
        }
    }

    /// What is attached.
    pub fn mechanisms(&self) -> &[Attached] {
        &self.mechanisms
    }

    /// Sentences about what this kernel does not give.
    pub fn missing(&self) -> &[String] {
        &self.choice.missing
    }

    /// By what a hook is reached.
    pub fn mechanism(&self, hook: Hook) -> Mechanism {
        let reached = self.choice.programs.iter().find(|(point, _)| point.hook == Some(hook));
        reached.map_or(Mechanism::Tracepoint, |(_, program)| program.mechanism)
    }

    /// The times so far, those of a group together, in the order of the ways; the whole way comes last in its direction.
    /// What is in no group comes last.
    pub fn stages(&self) -> Result<Vec<Stage>, Error> {
        let maps = &self.skel.maps;
        let mut stages = Vec::new();
        for key in maps.latency_groups.keys() {
            let Some(group) = Group::of(&key, &maps.latency_places) else { continue };
            let numbers = maps.latency_groups.lookup(&key, MapFlags::ANY).map_err(unread)?;
            let group = Some(Rc::new(group));
            stages.extend(staged(&numbers.unwrap_or_default(), &group, |number| self.group_times(number))?);
        }
        let numbers = maps.latency_stages.lookup(&0_u32.to_ne_bytes(), MapFlags::ANY).map_err(unread)?;
        stages.extend(staged(&numbers.unwrap_or_default(), &None, |number| self.times(number))?);
        Ok(stages)
    }

    fn times(&self, number: u32) -> Result<Histogram, Error> {
        let mut all = Histogram::default();
        for times in per_cpu::<histogram>(&self.skel.maps.latency_times, number)? {
            all.merge(&times.into());
        }
        Ok(all)
    }

    fn group_times(&self, number: u32) -> Result<Histogram, Error> {
        let mut all = Histogram::default();
        for place in number * self.shards..(number + 1) * self.shards {
            let map = &self.skel.maps.latency_group_times;
            let found = map.lookup(&place.to_ne_bytes(), MapFlags::ANY).map_err(unread)?;
            let times: histogram = wire::read(&found.unwrap_or_default()).map_err(unread)?;
            all.merge(&times.into());
        }
        Ok(all)
    }

    /// The account so far, or after [`Latency::detach`] the whole, and what became of the packets: `records`, `duration_ns`, the costs and what the output lost are
    /// the caller's to fill in.
    pub fn account(&self) -> Result<(Ledger, Outcomes), Error> {
        let counts = per_cpu::<latency_counters>(&self.skel.maps.latency_counters, 0)?;
        let (mut run_time, mut runs, mut skipped) = (0, 0, 0);
        for program in self.skel.object().progs_mut() {
            let facts = sys::program_facts(program.as_fd()).unwrap_or_default();
            run_time += facts.run_time_ns;
            runs += facts.runs;
            if hooks::takes_up(&program.name().to_string_lossy()) {
                skipped += facts.recursion_misses;
            }
        }
        let held = if self.links.is_empty() { Some(self.held()?) } else { None };
        let (mut ledger, outcomes) = account::sum(&counts, (skipped, self.undecoded.get()), held);
        ledger.cost_bpf_ns = (runs > 0).then_some(run_time);
        Ok((ledger, outcomes))
    }

    /// Packets in the table of those on their way, of which no other account knows.
    fn held(&self) -> Result<u64, Error> {
        let buckets = self.skel.maps.latency_buckets.lookup_batch(BATCH, MapFlags::ANY, MapFlags::ANY);
        Ok(buckets.map_err(unread)?.map(|(_, keys)| account::held(&keys)).sum())
    }

    /// A reader of the events.
    pub fn ring<'a>(&'a self, mut on_event: impl FnMut(Event) + 'a) -> Result<Ring<'a>, Error> {
        Ring::new(&self.skel.maps.latency_ring, &self.control, self.wakeup, move |bytes| match Event::decode(
            bytes,
        ) {
            Ok(event) => on_event(event),
            Err(_) => self.undecoded.set(self.undecoded.get() + 1),
        })
    }

    /// Detaches; returns when no program runs any more, so that what is read after it is final.
    pub fn detach(&mut self) {
        session::detach(&mut self.links);
    }
}

/// The stages that have a histogram. `numbers`: a struct latency_stages.
fn staged(
    numbers: &[u8],
    group: &Option<Rc<Group>>,
    times: impl Fn(u32) -> Result<Histogram, Error>,
) -> Result<Vec<Stage>, Error> {
    let hooks = latency_const::LATENCY_HOOKS.0 as usize;
    let (numbers, _) = numbers.as_chunks::<4>();
    let mut ways: Vec<(Hook, Hook)> =
        Hook::ALL.iter().flat_map(|from| Hook::ALL.map(|to| (*from, to))).collect();
    ways.sort_by_key(|(from, to)| from.place(*to));
    let mut stages = Vec::new();
    for direction in Direction::ALL {
        for ends in ways.iter().copied().map(Some).chain([None]) {
            let (from, to) = ends.map_or((0, 0), |(from, to)| (from as usize, to as usize));
            let number = numbers.get((direction as usize * hooks + from) * hooks + to);
            // One more than the number; 0: none.
            if let Some(number) = number.and_then(|number| u32::from_ne_bytes(*number).checked_sub(1)) {
                stages.push(Stage { group: group.clone(), direction, ends, times: times(number)? });
            }
        }
    }
    Ok(stages)
}

fn unread(why: impl std::fmt::Display) -> Error {
    Error::new(Class::Failed, "cannot read the latency counters", why)
}

fn per_cpu<W: bytemuck::AnyBitPattern>(map: &impl MapCore, key: u32) -> Result<Vec<W>, Error> {
    let found = map.lookup_percpu(&key.to_ne_bytes(), MapFlags::ANY).map_err(unread)?;
    let values = found.ok_or_else(|| unread(format!("there is no entry {key}")))?;
    values.iter().map(|bytes| wire::read(bytes).map_err(unread)).collect()
}
