//! An XDP program that others have loaded, watched at its entry and its return, without touching it.

use super::config::Action;
use super::counts::{self, Counts, Times};
use super::list::Loaded;
use crate::error::{Class, Error};
use crate::session::{self, Attached, Storage};
use crate::sys;
use crate::wire::{plain_bytes, xdp_const, xdp_watch_config};
use libbpf_rs::btf::types::{FuncProto, Ptr};
use libbpf_rs::btf::{Btf, BtfKind, BtfType, ReferencesType, TypeId};
use libbpf_rs::{Link, Program};
use skeleton::{WatchSkel, WatchSkelBuilder};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

skeleton!("watch");

plain_bytes!(skeleton::types::xdp_watch_config);

/// Interfaces that one program is counted on by name; on more than that it is counted without.
pub const PLACES: usize = xdp_const::XDP_PLACES.0 as usize;

/// A program of others, held so that it stays while we look at it.
#[derive(Debug)]
pub struct Foreign {
    /// What the kernel told of it.
    pub loaded: Loaded,
    program: OwnedFd,
}

impl Foreign {
    /// Opens it: needs CAP_SYS_ADMIN.
    pub fn open(loaded: &Loaded) -> Result<Self, Error> {
        let program = Program::fd_from_id(loaded.id)
            .map_err(|error| session::failed(format!("cannot open XDP program {}", loaded.id), &error))?;
        Ok(Self { loaded: loaded.clone(), program })
    }

    /// Its runs and their nanoseconds, counted while the kernel's BPF statistics are on; needs no privilege.
    pub fn runs(&self) -> (u64, u64) {
        let facts = sys::program_facts(self.program.as_fd()).unwrap_or_default();
        (facts.runs, facts.run_time_ns)
    }

    /// The name of its main function, in full, as its BTF has it.
    fn function(&self) -> Result<String, Error> {
        let none = |why: &str| Error::new(Class::Unsupported, "cannot trace its function", why);
        let id = self.loaded.function.ok_or_else(|| none("the program has no BTF"))?;
        let btf = Btf::from_prog_id(self.loaded.id)
            .map_err(|error| session::failed("cannot read its BTF".into(), &error))?;
        let function: Option<BtfType<'_>> = btf.type_by_id(TypeId::from(id));
        let name = function.and_then(|function| Some(function.name()?.to_string_lossy().into_owned()));
        let name = name.ok_or_else(|| none("its BTF does not name it"))?;
        let typed = function.is_some_and(|function| takes_context(&btf, function));
        typed.then_some(name).ok_or_else(|| none("in its BTF its argument is no struct xdp_md *"))
    }
}

/// Whether the type of a function's first argument is the one by which the kernel lets tracing programs know an XDP packet
/// (btf_translate_to_vmlinux in kernel/bpf/btf.c).
fn takes_context(btf: &Btf<'_>, function: BtfType<'_>) -> bool {
    let proto = function.next_type().and_then(|proto| FuncProto::try_from(proto).ok());
    let first = proto.and_then(|proto| proto.iter().next().map(|argument| argument.ty));
    let pointer: Option<Ptr<'_>> = first.and_then(|id| btf.type_by_id(id));
    let to = pointer.map(|pointer| pointer.referenced_type().skip_mods_and_typedefs());
    to.is_some_and(|to| to.kind() == BtfKind::Struct && to.name().is_some_and(|name| name == "xdp_md"))
}

/// What to tell of a program.
#[derive(Clone, Debug, Default)]
pub struct WatchConfig {
    /// Cookies of namespaces and indexes of interfaces that are counted apart: at most [`PLACES`].
    pub places: Vec<(u64, u32)>,
    /// Packets of other interfaces are not counted.
    pub only: bool,
    /// Measure from entry to return.
    pub time: bool,
}

/// Programs of ours at the entry and the return of another one; they detach when this is dropped.
pub struct Watch<'obj> {
    skel: Box<WatchSkel<'obj>>,
    links: Vec<Link>,
    places: u32,
    timed: bool,
}

impl<'obj> Watch<'obj> {
    /// Attaches to a program.
    pub fn attach(
        storage: &'obj mut Storage,
        foreign: &Foreign,
        config: &WatchConfig,
    ) -> Result<Self, Error> {
        Self::attach_to(storage, foreign.program.as_fd(), &foreign.function()?, config)
    }

    /// The same with the program's descriptor and the name of its function.
    pub(super) fn attach_to(
        storage: &'obj mut Storage,
        program: BorrowedFd<'_>,
        function: &str,
        config: &WatchConfig,
    ) -> Result<Self, Error> {
        let failed = |error: libbpf_rs::Error| session::failed("cannot configure the watch".into(), &error);
        let mut open = session::open("watch", WatchSkelBuilder::default(), storage)?;
        let fd = program.as_raw_fd();
        open.progs.watch_entry.set_attach_target(fd, Some(function.to_owned())).map_err(failed)?;
        open.progs.watch_exit.set_attach_target(fd, Some(function.to_owned())).map_err(failed)?;
        let wire = wire(config);
        let entries = (wire.places + 1) * Action::ALL.len() as u32;
        open.maps.watch_counts.set_max_entries(entries).map_err(failed)?;
        if config.time {
            open.maps.watch_times.set_max_entries(entries).map_err(failed)?;
        }
        if let Some(data) = open.maps.rodata_data.as_mut() {
            data.watched = bytemuck::cast(wire);
        }
        let skel = Box::new(session::load("watch", open)?);
        // The return first: one whose entry was not seen is not counted.
        let mut links = Vec::new();
        for (hook, program) in [("fexit", &skel.progs.watch_exit), ("fentry", &skel.progs.watch_entry)] {
            let link = program.attach_trace();
            links.push(
                link.map_err(|error| session::failed(format!("cannot attach {hook} to {function}"), &error))?,
            );
        }
        Ok(Self { skel, links, places: wire.places, timed: config.time })
    }

    /// What is attached.
    pub fn mechanisms(&self) -> [Attached; 2] {
        let progs = &self.skel.progs;
        [
            session::attached("entry", "fentry", &progs.watch_entry),
            session::attached("return", "fexit", &progs.watch_exit),
        ]
    }

    /// What was counted so far: for each place, and last for all others.
    pub fn counts(&self) -> Result<Vec<Counts>, Error> {
        (0..=self.places).map(|place| counts::counts_of(&self.skel.maps.watch_counts, place)).collect()
    }

    /// What was measured so far, likewise; `None` where packets are not timed.
    pub fn times(&self) -> Result<Option<Vec<Times>>, Error> {
        let all = (0..=self.places).map(|place| counts::times_of(&self.skel.maps.watch_times, place));
        self.timed.then(|| all.collect()).transpose()
    }

    /// Runs that the kernel skipped, because ours was running on that CPU already.
    pub fn misses(&self) -> u64 {
        let progs = &self.skel.progs;
        let missed =
            |program: BorrowedFd<'_>| sys::program_facts(program).map_or(0, |facts| facts.recursion_misses);
        missed(progs.watch_entry.as_fd()).max(missed(progs.watch_exit.as_fd()))
    }

    /// Detaches; returns when nothing of ours runs any more.
    pub fn detach(&mut self) {
        // The entry first: a packet that has entered is counted when it returns.
        if self.links.len() > 1 {
            self.links.truncate(1);
            sys::wait_for_programs();
        }
        session::detach(&mut self.links);
    }
}

fn wire(config: &WatchConfig) -> xdp_watch_config {
    let mut wire =
        xdp_watch_config { only: config.only.into(), time: config.time.into(), ..Default::default() };
    for (to, (netns, ifindex)) in wire.place.iter_mut().zip(&config.places) {
        (to.netns, to.ifindex) = (*netns, *ifindex);
    }
    wire.places = config.places.len().min(PLACES) as u32;
    wire
}
