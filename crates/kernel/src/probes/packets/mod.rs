//! One record per packet of chosen interfaces, as frames are at XDP or at TC.
//!
//! Hooks: `xdp`, or `tc` both ways (see [`crate::hook`]); the caller attaches them. Records: `packet`, and `packet_other`
//! of what is not IP. Needs `xdp.frags` and bpf_xdp_load_bytes (5.18); cheaper with bpf_cast_to_kern_ctx (6.2).

mod config;
mod event;

pub use config::Config;
pub use event::{Event, Fragment, Tcp};

use crate::capture::Captured;
use crate::error::Error;
use crate::hook::{self, Hooks};
use crate::mapped::Mapped;
use crate::others::{self, Other};
use crate::ring::{Ring, Wakeup};
use crate::session::{self, Attached, Storage};
use crate::wire::{packets_counters, plain_bytes};
use crate::{support, sys};
use libbpf_rs::num_possible_cpus;
use plumb_records::ledger::Ledger;
use skeleton::{OpenPacketsSkel, PacketsSkel, PacketsSkelBuilder};
use std::cell::Cell;

skeleton!("packets");

plain_bytes!(skeleton::types::packets_config);

/// The hooks without which the probe cannot run.
pub const NEEDS: &[&str] = &["xdp", "tc"];

const PROBE: &str = "packets";

/// The probe, loaded: its programs run where the caller attaches them.
pub struct Packets<'obj> {
    skel: Box<PacketsSkel<'obj>>,
    counters: Mapped,
    control: Mapped,
    capture: Captured,
    hooks: Hooks,
    wakeup: Wakeup,
    undecoded: Cell<u64>,
}

impl<'obj> Packets<'obj> {
    /// Opens, configures and loads: the kernel has verified the programs, nothing is attached.
    pub fn load(storage: &'obj mut Storage, config: &Config) -> Result<Self, Error> {
        config.check()?;
        support::require(PROBE)?;
        let mut open = session::open(PROBE, PacketsSkelBuilder::default(), storage)?;
        configure(&mut open, config)
            .map_err(|error| session::failed("cannot configure the packets probe".into(), &error))?;
        let skel = Box::new(session::load(PROBE, open)?);
        let counters = Mapped::new(&skel.maps.packets_counts, false)?;
        let control = Mapped::new(&skel.maps.packets_control, true)?;
        let capture = Captured::new(&skel.maps.capture_frames)?;
        Ok(Self {
            skel,
            counters,
            control,
            capture,
            hooks: config.hooks,
            wakeup: config.wakeup,
            undecoded: Cell::new(0),
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
        [&progs.packets_xdp, &progs.packets_ingress, &progs.packets_egress]
    }

    /// A reader of the records.
    pub fn ring<'a>(&'a self, mut on_event: impl FnMut(&Event) + 'a) -> Result<Ring<'a>, Error> {
        Ring::new(&self.skel.maps.packets_ring, &self.control, self.wakeup, move |bytes| match Event::decode(
            bytes,
        ) {
            Ok(event) => on_event(&event),
            Err(_) => self.undecoded.set(self.undecoded.get() + 1),
        })
    }

    /// The account so far: `records`, `duration_ns`, the costs and what the output lost are the caller's to fill in.
    pub fn ledger(&self) -> Ledger {
        let programs = self.programs();
        let facts = programs.each().map(|program| sys::program_facts(program).unwrap_or_default());
        let (run_time, runs) = facts.fold((0, 0), |sum, fact| (sum.0 + fact.run_time_ns, sum.1 + fact.runs));
        let mut ledger = Ledger { cost_bpf_ns: (runs > 0).then_some(run_time), ..Ledger::default() };
        for bank in self.banks() {
            ledger.seen += bank.seen;
            ledger.filtered += bank.filtered;
            ledger.sampled_out += bank.sampled_out;
            ledger.passed_over += bank.not_ip + bank.malformed;
            ledger.emitted += bank.emitted;
            ledger.lost_kernel += bank.lost;
        }
        let undecoded = self.undecoded.get().min(ledger.emitted);
        ledger.emitted -= undecoded;
        ledger.lost_user = undecoded;
        ledger
    }

    /// What was passed over so far, the most first.
    pub fn others(&self) -> Result<Vec<Other>, Error> {
        let passed_over = self.banks().map(|bank| bank.not_ip + bank.malformed).sum();
        others::read(&self.skel.maps.frame_others, passed_over)
    }

    /// Puts a frame of a capture through the program: see [`Captured::run`].
    pub fn run(&self, time_ns: u64, length: u32, frame: &[u8]) -> Result<(), Error> {
        self.capture.run(&self.skel.progs.packets_xdp, time_ns, length, frame)
    }

    fn banks(&self) -> impl Iterator<Item = packets_counters> + '_ {
        (0..self.counters.banks()).filter_map(|cpu| self.counters.read(cpu, 0))
    }
}

/// Sizes the maps and writes the read-only data.
fn configure(open: &mut OpenPacketsSkel<'_>, config: &Config) -> libbpf_rs::Result<()> {
    let progs = &mut open.progs;
    config.hooks.choose([&mut progs.packets_xdp, &mut progs.packets_ingress, &mut progs.packets_egress]);
    let cpus = num_possible_cpus()? as u32;
    open.maps.packets_counts.set_max_entries(cpus)?;
    open.maps.packets_ring.set_max_entries(config.ring_bytes())?;
    if let Some(data) = open.maps.rodata_data.as_mut() {
        data.config = bytemuck::cast(config.wire());
    }
    Ok(())
}
