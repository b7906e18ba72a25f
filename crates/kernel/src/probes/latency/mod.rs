//! How long packets take from hook to hook, from the driver to the application and back.
//!
//! Hooks: tracepoints with BTF, those of [`hooks`]. Records: `stage`. Needs kernel 5.16. Cost: see docs/journal.

mod account;
mod choice;
mod config;
mod event;
mod hooks;
pub mod irq;

pub use account::Outcomes;
pub use config::Config;
pub use event::{Ended, Event};
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

skeleton!("latency");

plain_bytes!(skeleton::types::latency_config);

/// The hooks without which the probe cannot run.
pub const NEEDS: &[&str] = &["tp_btf/netif_receive_skb"];

const PROBE: &str = "latency";

/// Every tracepoint that a program of ours may run at.
pub(crate) fn tracepoints() -> impl Iterator<Item = &'static str> {
    let programs = hooks::POINTS.iter().flat_map(|point| point.programs);
    programs.filter(|program| program.mechanism == Mechanism::Tracepoint).map(|program| program.target)
}

/// Which way packets went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    stages: Mapped,
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
        let stages = Mapped::new(&skel.maps.latency_stages, false)?;
        let control = Mapped::new(&skel.maps.latency_wake, true)?;
        Ok(Self {
            skel,
            links: Vec::new(),
            stages,
            control,
            wakeup: config.wakeup,
            undecoded: Cell::new(0),
            mechanisms: Vec::new(),
            choice,
        })
    }

    /// Attaches, the ends of ways first: what begins is then seen to its end.
    pub fn attach(&mut self) -> Result<(), Error> {
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
                Err(error) => self.choice.missing.push(format!("{error}: what it would stamp is left out")),
            }
        }
        Ok(())
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

    /// The times so far, in the order of the ways; the whole way comes last in its direction.
    pub fn stages(&self) -> Result<Vec<Stage>, Error> {
        let hooks = latency_const::LATENCY_HOOKS.0 as usize;
        let mut stages = Vec::new();
        for direction in Direction::ALL {
            let number =
                |from: usize, to: usize| self.number((direction as usize * hooks + from) * hooks + to);
            let mut ends: Vec<(Hook, Hook)> =
                Hook::ALL.iter().flat_map(|from| Hook::ALL.map(|to| (*from, to))).collect();
            ends.sort_by_key(|(from, to)| from.place(*to));
            for (from, to) in ends {
                if let Some(number) = number(from as usize, to as usize) {
                    stages.push(Stage { direction, ends: Some((from, to)), times: self.times(number)? });
                }
            }
            if let Some(number) = number(0, 0) {
                stages.push(Stage { direction, ends: None, times: self.times(number)? });
            }
        }
        Ok(stages)
    }

    /// The number of a pair's histogram.
    fn number(&self, place: usize) -> Option<u32> {
        let number: u64 = self.stages.read(place, 0)?;
        (number as u32).checked_sub(1)
    }

    fn times(&self, number: u32) -> Result<Histogram, Error> {
        let mut all = Histogram::default();
        for times in per_cpu::<histogram>(&self.skel.maps.latency_times, number)? {
            all.merge(&times.into());
        }
        Ok(all)
    }

    /// The account so far and what became of the packets: `records`, `duration_ns`, the costs and what the output lost are
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
        let (mut ledger, outcomes) = account::sum(&counts, skipped, self.undecoded.get());
        ledger.cost_bpf_ns = (runs > 0).then_some(run_time);
        Ok((ledger, outcomes))
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

fn per_cpu<W: bytemuck::AnyBitPattern>(map: &impl MapCore, key: u32) -> Result<Vec<W>, Error> {
    let failed = |why: String| Error::new(Class::Failed, "cannot read the latency counters", why);
    let found =
        map.lookup_percpu(&key.to_ne_bytes(), MapFlags::ANY).map_err(|error| failed(error.to_string()))?;
    let values = found.ok_or_else(|| failed(format!("there is no entry {key}")))?;
    values.iter().map(|bytes| wire::read(bytes).map_err(|error| failed(error.to_string()))).collect()
}
