//! How long packets take from hook to hook, from the driver to the application and back.
//!
//! Hooks: tracepoints with BTF, those of [`hooks`]. Records: `stage`. Needs kernel 5.16. Cost: see docs/journal.

mod hooks;

pub use hooks::Hook;

use crate::error::{Class, Error};
use crate::filter;
use crate::mapped::Mapped;
use crate::session::{self, Attached, Storage};
use crate::wire::{
    self, histogram, latency_config, latency_const, latency_counters, latency_outcome, plain_bytes,
};
use crate::{support, sys};
use hooks::PROGRAMS;
use libbpf_rs::skel::{OpenSkel, Skel};
use libbpf_rs::{Link, MapCore, MapFlags};
use plumb_records::filter::Filter;
use plumb_records::histogram::{BUCKETS, Histogram};
use plumb_records::ledger::Ledger;
use skeleton::{LatencySkel, LatencySkelBuilder, OpenLatencySkel};
use std::os::fd::AsFd;

skeleton!("latency");

plain_bytes!(skeleton::types::latency_config);

/// The hooks without which the probe cannot run.
pub const NEEDS: &[&str] = &["tp_btf/netif_receive_skb"];

const PROBE: &str = "latency";

/// Journeys under way at once, where nothing else is asked for.
const JOURNEYS: u32 = 16384;

/// What is watched.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Packets that are taken up.
    pub filter: Filter,
    /// One packet in so many; 0 and 1: all.
    pub sample: u32,
    /// Journeys under way at once, rounded up to a power of two; `None` chooses.
    pub journeys: Option<u32>,
}

impl Config {
    fn journeys(&self) -> u32 {
        self.journeys.unwrap_or(JOURNEYS).clamp(2, 1 << 20).next_power_of_two()
    }

    fn wire(&self) -> latency_config {
        latency_config {
            filter: filter::config_of(&self.filter),
            mask: self.journeys() - 1,
            sample: self.sample,
            ..latency_config::default()
        }
    }
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

/// What became of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// An application has all of the packet's data.
    pub delivered: u64,
    /// The driver took it.
    pub transmitted: u64,
    /// The same, of a packet that was received.
    pub forwarded: u64,
    /// Freed as dropped.
    pub dropped: u64,
    /// By GRO into an earlier packet.
    pub merged: u64,
    /// Used up by the stack itself.
    pub consumed: u64,
    /// Its socket was closed before it was read.
    pub unread: u64,
    /// Freed unseen: its address belongs to another packet now.
    pub strayed: u64,
    /// On its way at the end.
    pub under_way: u64,
}

/// The probe, loaded; attached after [`Latency::attach`].
pub struct Latency<'obj> {
    skel: Box<LatencySkel<'obj>>,
    links: Vec<Link>,
    stages: Mapped,
    mechanisms: Vec<Attached>,
    missing: Vec<String>,
}

impl<'obj> Latency<'obj> {
    /// Opens, configures and loads: the kernel has verified the programs, nothing is attached yet.
    pub fn load(storage: &'obj mut Storage, config: &Config) -> Result<Self, Error> {
        support::require(PROBE)?;
        let mut open = session::open(PROBE, LatencySkelBuilder::default(), storage)?;
        let missing = configure(&mut open, config)?;
        let skel = Box::new(session::load(PROBE, open)?);
        let stages = Mapped::new(&skel.maps.latency_stages, false)?;
        Ok(Self { skel, links: Vec::new(), stages, mechanisms: Vec::new(), missing })
    }

    /// Attaches, the ends of ways first: what begins is then seen to its end.
    pub fn attach(&mut self) -> Result<(), Error> {
        for program in PROGRAMS.iter().rev() {
            let found = self.skel.object().progs_mut().find(|loaded| loaded.name() == program.name);
            let Some(loaded) = found.filter(|loaded| loaded.autoload()) else { continue };
            self.links.push(session::attach(program.tracepoint, &loaded)?);
            self.mechanisms.push(session::attached(program.tracepoint, "tp_btf", &loaded));
        }
        Ok(())
    }

    /// What is attached.
    pub fn mechanisms(&self) -> &[Attached] {
        &self.mechanisms
    }

    /// Sentences about what this kernel does not give.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// The times so far, in the order of the ways; the whole way comes last in its direction.
    pub fn stages(&self) -> Result<Vec<Stage>, Error> {
        let hooks = latency_const::LATENCY_HOOKS.0 as usize;
        let mut stages = Vec::new();
        for direction in Direction::ALL {
            let number =
                |from: usize, to: usize| self.number((direction as usize * hooks + from) * hooks + to);
            for from in Hook::ALL {
                for to in Hook::ALL {
                    if let Some(number) = number(from as usize, to as usize) {
                        stages.push(Stage { direction, ends: Some((from, to)), times: self.times(number)? });
                    }
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
            all.merge(&Histogram {
                sum: times.sum,
                max: times.max,
                overflow: times.overflow,
                buckets: Box::new(std::array::from_fn::<u64, BUCKETS, _>(|bucket| times.buckets[bucket])),
            });
        }
        Ok(all)
    }

    /// The account so far and what became of the packets: `records`, `duration_ns`, the costs and what the output lost are
    /// the caller's to fill in.
    pub fn account(&self) -> Result<(Ledger, Outcomes), Error> {
        let mut ledger = Ledger::default();
        let mut outcomes = Outcomes::default();
        for count in per_cpu::<latency_counters>(&self.skel.maps.latency_counters, 0)? {
            let of = |outcome: latency_outcome| count.outcomes[outcome.0 as usize];
            ledger.seen += count.seen;
            ledger.filtered += count.filtered;
            ledger.sampled_out += count.sampled_out;
            ledger.lost_table_full += count.no_room + of(latency_outcome::LATENCY_NO_ROOM);
            outcomes.delivered += of(latency_outcome::LATENCY_DELIVERED);
            outcomes.transmitted += of(latency_outcome::LATENCY_TRANSMITTED);
            outcomes.forwarded += of(latency_outcome::LATENCY_FORWARDED);
            outcomes.dropped += of(latency_outcome::LATENCY_DROPPED);
            outcomes.merged += of(latency_outcome::LATENCY_MERGED);
            outcomes.consumed += of(latency_outcome::LATENCY_CONSUMED);
            outcomes.unread += of(latency_outcome::LATENCY_UNREAD);
            outcomes.strayed += of(latency_outcome::LATENCY_STRAYED);
        }
        let ended = outcomes.ended();
        let known = ledger.filtered + ledger.sampled_out + ledger.lost_table_full + ended + outcomes.strayed;
        outcomes.under_way = ledger.seen.saturating_sub(known);
        ledger.aggregated = ended + outcomes.under_way;
        ledger.lost_kernel = outcomes.strayed;
        let (mut run_time, mut runs) = (0, 0);
        for program in self.skel.object().progs_mut() {
            let facts = sys::program_facts(program.as_fd()).unwrap_or_default();
            run_time += facts.run_time_ns;
            runs += facts.runs;
        }
        ledger.cost_bpf_ns = (runs > 0).then_some(run_time);
        Ok((ledger, outcomes))
    }

    /// Detaches; returns when no program runs any more, so that what is read after it is final.
    pub fn detach(&mut self) {
        session::detach(&mut self.links);
    }
}

impl Outcomes {
    fn ended(&self) -> u64 {
        self.delivered
            + self.transmitted
            + self.forwarded
            + self.dropped
            + self.merged
            + self.consumed
            + self.unread
    }
}

fn per_cpu<W: bytemuck::AnyBitPattern>(map: &impl MapCore, key: u32) -> Result<Vec<W>, Error> {
    let failed = |why: String| Error::new(Class::Failed, "cannot read the latency counters", why);
    let found =
        map.lookup_percpu(&key.to_ne_bytes(), MapFlags::ANY).map_err(|error| failed(error.to_string()))?;
    let values = found.ok_or_else(|| failed(format!("there is no entry {key}")))?;
    values.iter().map(|bytes| wire::read(bytes).map_err(|error| failed(error.to_string()))).collect()
}

/// Sizes the table, writes the read-only data and leaves out what this kernel has no tracepoints for. Sentences about
/// those.
fn configure(open: &mut OpenLatencySkel<'_>, config: &Config) -> Result<Vec<String>, Error> {
    let failed =
        |error: libbpf_rs::Error| session::failed("cannot configure the latency probe".into(), &error);
    open.maps.latency_journeys.set_max_entries(config.journeys()).map_err(failed)?;
    let there = support::tracepoints(PROGRAMS.iter().map(|program| program.tracepoint))?;
    if let Some(data) = open.maps.rodata_data.as_mut() {
        let recv_length = u8::from(there.contains(&"sock_recv_length"));
        data.config = bytemuck::cast(latency_config { recv_length, ..config.wire() });
    }
    let mut missing = Vec::new();
    for program in PROGRAMS.iter().filter(|program| !there.contains(&program.tracepoint)) {
        let what = format!("this kernel has no tracepoint {}", program.tracepoint);
        let Some(without) = program.without else {
            return Err(
                Error::new(Class::Unsupported, "cannot follow packets", what).help("run `plumb doctor`")
            );
        };
        if !without.is_empty() {
            missing.push(format!("{what}: {without} are left out, and the stages around them are one"));
        }
        for mut opened in open.open_object_mut().progs_mut() {
            if opened.name() == program.name {
                opened.set_autoload(false);
            }
        }
    }
    Ok(missing)
}
