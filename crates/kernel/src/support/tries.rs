//! Kinds of programs and maps, tried one at a time: loaded, attached where that disturbs nothing, and let go.

use crate::hook::Direction;
use crate::hook::clsact::Filters;
use crate::session;
use crate::sys;
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{OpenProgramMut, ProgramMut};
use nix::sched::{CloneFlags, unshare};
use skeleton::{OpenTriesSkel, TriesSkel, TriesSkelBuilder};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};

skeleton!("tries");

/// A kind and what came of trying it.
pub(super) struct Tried {
    pub(super) name: &'static str,
    /// What the kernel said where it refused.
    pub(super) refused: Option<String>,
}

/// Index of the loopback in every network namespace (LOOPBACK_IFINDEX of include/net/flow.h).
const LOOPBACK: u32 = 1;

/// The program of an opened skeleton that a try is about.
type Choose = for<'a, 'o> fn(&'a mut OpenTriesSkel<'o>) -> &'a mut OpenProgramMut<'o>;
/// The same program, loaded.
type Loaded = for<'a, 'o> fn(&'a TriesSkel<'o>) -> &'a ProgramMut<'o>;

struct Program {
    name: &'static str,
    choose: Choose,
    loaded: Loaded,
    /// Attaching needs no interface and changes nothing but a few nanoseconds.
    attach: bool,
}

/// A kind by its name and its program in `tries.bpf.c`.
macro_rules! program {
    ($name:literal, $program:ident, attach: $attach:literal) => {
        Program {
            name: $name,
            choose: |skel| &mut skel.progs.$program,
            loaded: |skel| &skel.progs.$program,
            attach: $attach,
        }
    };
}

const PROGRAMS: &[Program] = &[
    program!("tp_btf", try_tp_btf, attach: true),
    program!("raw_tp", try_raw_tp, attach: true),
    program!("fentry", try_fentry, attach: true),
    program!("fexit", try_fexit, attach: true),
    program!("kprobe", try_kprobe, attach: true),
    program!("xdp", try_xdp, attach: false),
    program!("tc", try_tc, attach: false),
];

/// Tries every kind.
pub(super) fn all() -> Vec<Tried> {
    let mut tried: Vec<Tried> = PROGRAMS.iter().map(program).collect();
    tried.push(Tried { name: "freplace", refused: freplace().err() });
    tried.push(Tried { name: "tcx", refused: tcx().err() });
    tried.push(Tried { name: "clsact", refused: clsact().err() });
    tried.push(Tried { name: "ringbuf", refused: maps(|open| &mut open.maps.try_ring).err() });
    tried.push(Tried { name: "mmapable_array", refused: maps(|open| &mut open.maps.try_mapped).err() });
    tried
}

/// What the kernel says against a kind of program; `None` where it takes one, or where there is no such kind.
pub(crate) fn refused(name: &str) -> Option<String> {
    PROGRAMS.iter().find(|kind| kind.name == name).and_then(|kind| program(kind).refused)
}

/// A skeleton in which nothing is created but what the caller turns on.
fn open(storage: &mut MaybeUninit<libbpf_rs::OpenObject>) -> Result<OpenTriesSkel<'_>, String> {
    session::listen();
    let mut open = TriesSkelBuilder::default().open(storage).map_err(|error| format!("{error:#}"))?;
    for program in PROGRAMS {
        (program.choose)(&mut open).set_autoload(false);
    }
    open.progs.try_freplace.set_autoload(false);
    for map in [&mut open.maps.try_ring, &mut open.maps.try_mapped] {
        map.set_autocreate(false).map_err(|error| format!("{error:#}"))?;
    }
    Ok(open)
}

fn program(kind: &Program) -> Tried {
    let attempt = || -> Result<(), String> {
        let mut storage = MaybeUninit::uninit();
        let mut open = open(&mut storage)?;
        (kind.choose)(&mut open).set_autoload(true);
        let skel = open.load().map_err(|error| format!("load: {error:#}"))?;
        if kind.attach {
            let _link = (kind.loaded)(&skel).attach().map_err(|error| format!("attach: {error:#}"))?;
        }
        Ok(())
    };
    Tried { name: kind.name, refused: attempt().err() }
}

pub(super) fn tcx() -> Result<(), String> {
    let mut storage = MaybeUninit::uninit();
    let mut open = open(&mut storage)?;
    open.progs.try_tc.set_autoload(true);
    let skel = open.load().map_err(|error| format!("load: {error:#}"))?;
    sys::tcx_is_known(skel.progs.try_tc.as_fd()).map_err(|error| format!("{error:#}"))
}

/// On the loopback of a network namespace that is made for it and gone at once.
fn clsact() -> Result<(), String> {
    let attempt = || -> Result<(), String> {
        let mut storage = MaybeUninit::uninit();
        let mut open = open(&mut storage)?;
        open.progs.try_tc.set_autoload(true);
        let skel = open.load().map_err(|error| format!("load: {error:#}"))?;
        unshare(CloneFlags::CLONE_NEWNET)
            .map_err(|errno| format!("a network namespace to try it in: {}", io::Error::from(errno)))?;
        let program = skel.progs.try_tc.as_fd();
        let both = Direction::ALL.map(|direction| (direction, program));
        Filters::attach(LOOPBACK, &both).and_then(Filters::remove).map_err(|error| error.why)
    };
    std::thread::scope(|scope| scope.spawn(attempt).join())
        .unwrap_or_else(|_| Err("it was not tried".to_owned()))
}

fn freplace() -> Result<(), String> {
    let (mut target_storage, mut storage) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    let mut target = open(&mut target_storage)?;
    target.progs.try_xdp.set_autoload(true);
    let target = target.load().map_err(|error| format!("load of its target: {error:#}"))?;
    let mut open = open(&mut storage)?;
    open.progs.try_freplace.set_autoload(true);
    open.progs
        .try_freplace
        .set_attach_target(target.progs.try_xdp.as_fd().as_raw_fd(), Some("try_target".to_owned()))
        .map_err(|error| format!("{error:#}"))?;
    open.load().map(drop).map_err(|error| format!("load: {error:#}"))
}

fn maps(
    choose: for<'a, 'o> fn(&'a mut OpenTriesSkel<'o>) -> &'a mut libbpf_rs::OpenMapMut<'o>,
) -> Result<(), String> {
    let mut storage = MaybeUninit::uninit();
    let mut open = open(&mut storage)?;
    choose(&mut open).set_autocreate(true).map_err(|error| format!("{error:#}"))?;
    open.load().map(drop).map_err(|error| format!("create: {error:#}"))
}
