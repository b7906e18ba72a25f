//! Every packet that the kernel frees as dropped: `skb:kfree_skb`.
//!
//! Hooks: `kfree_skb` (always), `softirq_entry` and `softirq_exit` (only where the process is asked for and the kernel
//! hides its preempt counter). Records: `drop_group`, or `drop` with events. Needs BTF tracepoints (5.5) and a reason
//! argument (5.17). Cost: see docs/journal; an empty program on the hook costs about 35 ns a drop.

mod config;
mod event;
mod groups;

pub use config::{Config, Key};
pub use event::Event;
pub use groups::Group;

use crate::error::Error;
use crate::mapped::Mapped;
use crate::ring::{Ring, Wakeup};
use crate::session::{self, Attached, Storage};
use crate::support;
use crate::sys;
use crate::wire::{drops_const, drops_context_source, drops_counters, drops_late, drops_noise, plain_bytes};
use libbpf_rs::{Link, MapCore, MapFlags, ProgramMut, num_possible_cpus};
use plumb_records::ledger::Ledger;
use skeleton::{DropsSkel, DropsSkelBuilder, OpenDropsSkel};
use std::cell::Cell;
use std::os::fd::AsFd;

skeleton!("drops");

/// The hooks without which the probe cannot run.
pub const NEEDS: &[&str] = &["tp_btf/kfree_skb"];

const PROBE: &str = "drops";

/// Frees that are normal life: addresses of the function, and what else must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoiseRule {
    /// Addresses that the location must lie in; all where `None`.
    pub addresses: Option<(u64, u64)>,
    /// The reason; any where `None`.
    pub reason: Option<u32>,
    /// Address family of the packet's socket; any where `None`.
    pub socket_family: Option<u8>,
}

/// Where the kernel keeps its preempt counter, as kallsyms tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreemptCount {
    /// `__preempt_count` and `__per_cpu_offset`.
    Variable(u64, u64),
    /// `pcpu_hot` (6.2 to 6.13) and `__per_cpu_offset`.
    PcpuHot(u64, u64),
}

/// What needs symbols, and so is set between load and attach.
#[derive(Clone, Debug, Default)]
pub struct Late {
    /// Frees to hide. At most [`Late::NOISE_MAX`] rules.
    pub noise: Vec<NoiseRule>,
    /// The preempt counter; without it the softirq tracepoints tell the context.
    pub preempt_count: Option<PreemptCount>,
}

impl Late {
    /// Rules that the kernel side has room for.
    pub const NOISE_MAX: usize = drops_const::DROPS_NOISE_MAX.0 as usize;

    fn wire(&self, source: drops_context_source) -> drops_late {
        let mut late = drops_late {
            n_noise: self.noise.len().min(Self::NOISE_MAX) as u32,
            context_source: source.0,
            ..drops_late::default()
        };
        for (to, rule) in late.noise.iter_mut().zip(&self.noise) {
            let (start, end) = rule.addresses.unwrap_or((0, u64::MAX));
            *to = drops_noise {
                start,
                end,
                reason: rule.reason.unwrap_or(drops_const::DROPS_ANY_REASON.0),
                socket_family: rule.socket_family.map_or(0, u32::from),
            };
        }
        match self.preempt_count {
            Some(PreemptCount::Variable(counter, bases)) => {
                (late.preempt_count, late.per_cpu_offset) = (counter, bases);
            }
            Some(PreemptCount::PcpuHot(hot, bases)) => {
                (late.preempt_count, late.per_cpu_offset, late.in_pcpu_hot) = (hot, bases, 1);
            }
            None => {}
        }
        late
    }
}

plain_bytes!(skeleton::types::drops_config, skeleton::types::drops_late);

/// The probe, loaded; attached after [`Drops::attach`].
pub struct Drops<'obj> {
    skel: Box<DropsSkel<'obj>>,
    links: Vec<Link>,
    counters: Mapped,
    control: Mapped,
    groups: groups::Reader,
    wants_context: bool,
    wakeup: Wakeup,
    stack_room: usize,
    undecoded: Cell<u64>,
    mechanisms: Vec<Attached>,
    context_refused: Option<Error>,
}

impl<'obj> Drops<'obj> {
    /// Opens, configures and loads: the kernel has verified the programs, nothing is attached yet.
    pub fn load(storage: &'obj mut Storage, config: &Config) -> Result<Self, Error> {
        config.check()?;
        support::require(PROBE)?;
        let mut open = session::open(PROBE, DropsSkelBuilder::default(), storage)?;
        configure(&mut open, config)?;
        let skel = Box::new(session::load(PROBE, open)?);
        let counters = Mapped::new(&skel.maps.drops_counters, false)?;
        let control = Mapped::new(&skel.maps.drops_control, true)?;
        let groups = groups::Reader::new(Mapped::new(&skel.maps.drops_groups, false)?, config);
        Ok(Self {
            skel,
            links: Vec::new(),
            counters,
            control,
            groups,
            wants_context: config.wants_context(),
            wakeup: config.wakeup,
            stack_room: if config.stack { drops_const::DROPS_STACK_DEPTH.0 as usize * 8 } else { 0 },
            undecoded: Cell::new(0),
            mechanisms: Vec::new(),
            context_refused: None,
        })
    }

    /// Sets what needed symbols, and attaches: from here on every packet is accounted for.
    pub fn attach(&mut self, late: &Late) -> Result<(), Error> {
        let source = match late.preempt_count {
            _ if !self.wants_context => drops_context_source::DROPS_SOURCE_NONE,
            Some(_) => drops_context_source::DROPS_SOURCE_PREEMPT_COUNT,
            None => self.attach_softirqs(),
        };
        if let Some(data) = self.skel.maps.bss_data.as_mut() {
            data.late = bytemuck::cast(late.wire(source));
        }
        // Links close when the vector is dropped, so a failure leaves nothing attached.
        self.hook("kfree_skb", |skel| &skel.progs.drops_kfree_skb)
    }

    /// The tracepoints that tell a bystander; where they are refused the context stays unknown.
    fn attach_softirqs(&mut self) -> drops_context_source {
        let entry = self.hook("softirq_entry", |skel| &skel.progs.drops_irq_enter);
        match entry.and_then(|()| self.hook("softirq_exit", |skel| &skel.progs.drops_irq_leave)) {
            Ok(()) => drops_context_source::DROPS_SOURCE_SOFTIRQ_FLAG,
            Err(error) => {
                session::detach(&mut self.links);
                self.mechanisms.clear();
                self.context_refused = Some(error);
                drops_context_source::DROPS_SOURCE_NONE
            }
        }
    }

    fn hook(
        &mut self,
        hook: &'static str,
        program: for<'a> fn(&'a DropsSkel<'obj>) -> &'a ProgramMut<'obj>,
    ) -> Result<(), Error> {
        let program = program(&self.skel);
        self.links.push(session::attach(hook, program)?);
        self.mechanisms.push(session::attached(hook, "tp_btf", program));
        Ok(())
    }

    /// What is attached.
    pub fn mechanisms(&self) -> &[Attached] {
        &self.mechanisms
    }

    /// Why nothing tells whether the running process is a bystander, where it was asked for and cannot be told.
    pub fn context_refused(&self) -> Option<&Error> {
        self.context_refused.as_ref()
    }

    /// Reads the banks, so that [`Drops::groups`] gives the totals of this moment. Groups that differ in their location
    /// alone are one where `named` says of each location that it has no name.
    pub fn read(&mut self, named: impl FnMut(u64) -> bool) {
        self.groups.read(&self.counters, named);
    }

    /// The groups' totals at the last [`Drops::read`], in the order in which they were first seen: a group keeps its
    /// place.
    pub fn groups(&self) -> &[Group] {
        self.groups.seen()
    }

    /// Packets and bytes that found no room in the table.
    pub fn ungrouped(&self) -> (u64, u64) {
        self.sum(|bank| (bank.ungrouped, bank.ungrouped_bytes))
    }

    /// Return addresses of a group's kernel stack, innermost first; `None` where the kernel could not keep it.
    pub fn stack(&self, group: &Group) -> Option<Vec<u64>> {
        let id = group.stack()?.to_ne_bytes();
        let bytes = self.skel.maps.drops_stacks.lookup(&id, MapFlags::ANY).ok()??;
        let words = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_ne_bytes(*word));
        Some(words.take_while(|address| *address != 0).collect())
    }

    /// A reader of the events.
    pub fn ring<'a>(&'a self, mut on_event: impl FnMut(Event<'_>) + 'a) -> Result<Ring<'a>, Error> {
        let stack_room = self.stack_room;
        Ring::new(&self.skel.maps.drops_ring, &self.control, self.wakeup, move |bytes| {
            match Event::decode(bytes, stack_room) {
                Ok(event) => on_event(event),
                Err(_) => self.undecoded.set(self.undecoded.get() + 1),
            }
        })
    }

    /// The account so far: `records`, `duration_ns`, the costs and what the output lost are the caller's to fill in.
    pub fn ledger(&self) -> Ledger {
        let programs = [
            &self.skel.progs.drops_kfree_skb,
            &self.skel.progs.drops_irq_enter,
            &self.skel.progs.drops_irq_leave,
        ];
        let facts = programs.map(|program| sys::program_facts(program.as_fd()).unwrap_or_default());
        let skipped = facts[0].recursion_misses;
        let run_time: u64 = facts.iter().map(|fact| fact.run_time_ns).sum();
        let runs: u64 = facts.iter().map(|fact| fact.runs).sum();
        let mut ledger = Ledger::default();
        for bank in self.banks() {
            ledger.seen += bank.seen;
            ledger.filtered += bank.filtered;
            ledger.hidden += bank.hidden;
            ledger.sampled_out += bank.sampled_out;
            ledger.aggregated += bank.aggregated;
            ledger.ungrouped += bank.ungrouped;
            ledger.emitted += bank.emitted;
            ledger.lost_kernel += bank.lost_ring;
        }
        ledger.seen += skipped;
        ledger.lost_kernel += skipped;
        ledger.emitted -= self.undecoded.get().min(ledger.emitted);
        ledger.lost_user = self.undecoded.get();
        ledger.cost_bpf_ns = (runs > 0).then_some(run_time);
        ledger
    }

    /// Packets that the kernel skipped because the program was running on that CPU already.
    pub fn recursion_misses(&self) -> u64 {
        sys::program_facts(self.skel.progs.drops_kfree_skb.as_fd()).map_or(0, |facts| facts.recursion_misses)
    }

    /// Detaches; returns when no program runs any more, so that what is read after it is final.
    pub fn detach(&mut self) {
        session::detach(&mut self.links);
    }

    fn banks(&self) -> impl Iterator<Item = drops_counters> + '_ {
        (0..self.counters.banks()).filter_map(|cpu| self.counters.read(cpu, 0))
    }

    fn sum(&self, of: impl Fn(&drops_counters) -> (u64, u64)) -> (u64, u64) {
        self.banks().map(|bank| of(&bank)).fold((0, 0), |sum, (a, b)| (sum.0 + a, sum.1 + b))
    }
}

/// Sizes the maps, writes the read-only data and leaves out the programs that nothing needs.
fn configure(open: &mut OpenDropsSkel<'_>, config: &Config) -> Result<(), Error> {
    let failed = |error: libbpf_rs::Error| session::failed("cannot configure the drops probe".into(), &error);
    let cpus = num_possible_cpus().map_err(failed)? as u32;
    let maps = &mut open.maps;
    maps.drops_counters.set_max_entries(cpus).map_err(failed)?;
    maps.drops_index.set_max_entries(cpus).map_err(failed)?;
    maps.drops_index.set_value_size(config.index_slots() * 4).map_err(failed)?;
    maps.drops_groups.set_max_entries(cpus).map_err(failed)?;
    maps.drops_groups.set_value_size(config.capacity() * config.stride() as u32).map_err(failed)?;
    maps.drops_ring.set_max_entries(config.ring_bytes()).map_err(failed)?;
    if config.keys.contains(&Key::Stack) && !config.events {
        maps.drops_stacks.set_max_entries(config.capacity()).map_err(failed)?;
    }
    if let Some(data) = maps.rodata_data.as_mut() {
        data.config = bytemuck::cast(config.wire());
    }
    if !config.wants_context() {
        open.progs.drops_irq_enter.set_autoload(false);
        open.progs.drops_irq_leave.set_autoload(false);
    }
    Ok(())
}
