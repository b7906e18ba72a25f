//! Flows: packets become bidirectional records of exact integers in the kernel.
//!
//! Hooks: `xdp`, or TC both ways (TCX, clsact). Records: `flow`. Needs bpf_loop (5.17) and, for XDP, `xdp.frags` (5.18).
//! Cost: see docs/journal.

mod config;
mod counters;
mod entry;
mod table;

pub use config::Config;
pub use counters::Counters;
pub use entry::Entry;

use crate::capture::Captured;
use crate::error::Error;
use crate::hook::{self, Hooks};
use crate::mapped::Mapped;
use crate::others::{self, Other};
use crate::ring::{Ring, Wakeup};
use crate::session::{self, Attached, Storage};
use crate::wire::plain_bytes;
use crate::{filter, support, sys};
use skeleton::{FlowsSkel, FlowsSkelBuilder, OpenFlowsSkel};
use table::{Over, Table, Timeouts};

skeleton!("flows");

plain_bytes!(skeleton::types::flows_config, skeleton::types::filter_config);

/// The hooks without which the probe cannot run.
pub const NEEDS: &[&str] = &["xdp"];

const PROBE: &str = "flows";

/// IPFIX flowEndReason (RFC 5102, 5.11.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// No packet for longer than the idle timeout.
    Idle = 1,
    /// Cut by the active timeout: the flow goes on in its next segment.
    Active = 2,
    /// The TCP connection was closed or reset.
    Ended = 3,
    /// The run ended first.
    Forced = 4,
}

impl End {
    fn of(number: u32) -> Option<Self> {
        [Self::Idle, Self::Active, Self::Ended, Self::Forced].into_iter().find(|end| *end as u32 == number)
    }
}

/// The programs of a run, loaded.
pub struct Flows<'obj> {
    skel: Box<FlowsSkel<'obj>>,
    table: Table,
    counters: Mapped,
    control: Mapped,
    capture: Captured,
    hooks: Hooks,
    timeouts: Timeouts,
    wakeup: Wakeup,
}

impl<'obj> Flows<'obj> {
    /// Opens, configures and loads: the kernel has verified the programs, nothing is attached yet.
    pub fn load(storage: &'obj mut Storage, config: &Config) -> Result<Self, Error> {
        config.check()?;
        support::require(PROBE)?;
        let mut open = session::open(PROBE, FlowsSkelBuilder::default(), storage)?;
        configure(&mut open, config)
            .map_err(|error| session::failed("cannot configure the flows probe".into(), &error))?;
        let skel = Box::new(session::load(PROBE, open)?);
        let maps = &skel.maps;
        let wire = config.wire([0; 6]);
        Ok(Self {
            table: Table::new(&maps.flows_buckets, &maps.flows_entries, config.entry_bytes())?,
            counters: Mapped::new(&maps.flows_counts, false)?,
            control: Mapped::new(&maps.flows_control, true)?,
            capture: Captured::new(&maps.capture_frames)?,
            hooks: config.hooks,
            timeouts: Timeouts { idle_ns: wire.idle_ns, linger_ns: config.linger.map(|_| wire.linger_ns) },
            wakeup: config.wakeup,
            skel,
        })
    }

    /// The programs that are loaded, to be attached.
    pub fn programs(&self) -> hook::Programs<'_> {
        self.hooks.programs(self.loaded())
    }

    /// The kernel's ids and sizes of the programs that are loaded.
    pub fn facts(&self) -> Vec<Attached> {
        self.hooks.facts(self.loaded())
    }

    fn loaded(&self) -> [&libbpf_rs::ProgramMut<'obj>; 3] {
        let progs = &self.skel.progs;
        [&progs.flows_xdp, &progs.flows_ingress, &progs.flows_egress]
    }

    /// A reader of the flows and segments that packets ended.
    pub fn reader<'a>(&'a self, mut on_flow: impl FnMut(Entry<'_>, End) + 'a) -> Result<Ring<'a>, Error> {
        let mut words = Vec::new();
        Ring::new(&self.skel.maps.flows_ring, &self.control, self.wakeup, move |bytes| {
            words.clear();
            words.extend(bytes.chunks_exact(8).map(|word| word.try_into().map_or(0, u64::from_ne_bytes)));
            let entry = Entry::of(&words);
            // One without a reason would be missing in the account, which then does not balance.
            if let Some(end) = End::of(entry.fixed().end) {
                on_flow(entry, end);
            }
        })
    }

    /// Takes out of the table what ended by time, at `now_ns` of the packets' clock, and returns how many flows stay.
    pub fn expire(&self, now_ns: u64, mut on_flow: impl FnMut(Entry<'_>, End)) -> usize {
        self.table.take(Some(self.timeouts), now_ns, &mut |entry, over| match over {
            Some(Over::Closed) => on_flow(entry, End::Ended),
            Some(Over::Idle) | None => on_flow(entry, End::Idle),
        })
    }

    /// Takes out all that is left, at the end of a run when no program runs any more.
    pub fn finish(&self, mut on_flow: impl FnMut(Entry<'_>, End)) -> usize {
        const CLOSED: u8 = crate::wire::flows_tcp::FLOWS_CLOSED.0 as u8;
        self.table.take(None, u64::MAX, &mut |entry, _| {
            let closed = self.timeouts.linger_ns.is_some() && entry.fixed().tcp & CLOSED != 0;
            on_flow(entry, if closed { End::Ended } else { End::Forced });
        })
    }

    /// What became of packets so far.
    pub fn counters(&self) -> Counters {
        Counters::read(&self.counters)
    }

    /// Frames that are not IP, or not whole, by kind.
    pub fn others(&self) -> Result<Vec<Other>, Error> {
        let counters = self.counters();
        others::read(&self.skel.maps.frame_others, counters.passed_over + counters.malformed)
    }

    /// Puts a frame of a capture through the program: see [`Captured::run`].
    pub fn run(&self, time_ns: u64, length: u32, frame: &[u8]) -> Result<(), Error> {
        self.capture.run(&self.skel.progs.flows_xdp, time_ns, length, frame)
    }
}

/// Returns when every program that ran at the call has ended.
pub fn quiesce() {
    sys::wait_for_programs();
}

fn configure(open: &mut OpenFlowsSkel<'_>, config: &Config) -> libbpf_rs::Result<()> {
    let progs = &mut open.progs;
    config.hooks.choose([&mut progs.flows_xdp, &mut progs.flows_ingress, &mut progs.flows_egress]);
    let maps = &mut open.maps;
    let buckets = config.buckets();
    maps.flows_buckets.set_max_entries(buckets)?;
    maps.flows_entries.set_max_entries(buckets * crate::wire::flows_const::FLOWS_SLOTS.0)?;
    maps.flows_entries.set_value_size(u32::try_from(config.entry_bytes()).unwrap_or(u32::MAX))?;
    maps.flows_ring.set_max_entries(config.ring_bytes())?;
    maps.flows_counts.set_max_entries(u32::try_from(libbpf_rs::num_possible_cpus()?).unwrap_or(1))?;
    let Some(data) = maps.rodata_data.as_mut() else { return Ok(()) };
    data.config = bytemuck::cast(config.wire(seeds()));
    data.filter = bytemuck::cast(filter::config_of(&config.filter));
    Ok(())
}

/// Random numbers that nobody who sends packets knows.
fn seeds() -> [u64; 6] {
    use std::hash::{BuildHasher, RandomState};
    std::array::from_fn(|number| RandomState::new().hash_one(number))
}
