//! Frames at a set number, made by a BPF program and redirected to an interface: XDP live frames.
//!
//! `BPF_PROG_TEST_RUN` runs the program once per frame in the calling thread, which is in the network namespace of the
//! sending interface. Needs CAP_SYS_ADMIN, CAP_NET_ADMIN and a kernel since 5.18. One [`Generator`] per thread: it makes
//! frames from a [`Plan`] by their number, or takes them from slots that are filled before each call.

mod batches;
mod resident;
mod sender;

pub use crate::wire::{
    traffic_fields as Fields, traffic_plan as Plan, traffic_range as Range, traffic_stamp as Stamp,
    traffic_state as State,
};
pub use batches::{BATCH, Batches};
pub use sender::Sender;

use crate::error::{Class, Error};
use crate::mapped::Mapped;
use crate::session::{self, Storage};
use crate::wire::{plain_bytes, traffic_limits, traffic_stamp_magic};
use libbpf_rs::{Link, MapCore, MapFlags, ProgramInput};
use resident::Resident;
use skeleton::{OpenTrafficSkel, TrafficSkel, TrafficSkelBuilder};
use std::os::fd::AsFd;

skeleton!("traffic");
plain_bytes!(skeleton::types::traffic_plan);

/// Bytes of [`Plan::header`].
pub const HEADER_BYTES: usize = 8 * traffic_limits::TRAFFIC_HEADER_WORDS.0 as usize;
/// How many sizes a plan holds.
pub const SIZES: usize = traffic_limits::TRAFFIC_SIZES.0 as usize;
/// Frames of a capture that one call sends at most.
pub const SLOTS: u32 = traffic_limits::TRAFFIC_SLOTS.0;
/// The longest frame that goes live: a frame and the kernel's overheads fit one page.
pub const LONGEST: usize = traffic_limits::TRAFFIC_SLOT_BYTES.0 as usize;
/// How a stamp begins.
pub const STAMP_MAGIC: u32 = traffic_stamp_magic::TRAFFIC_STAMP_MAGIC.0;

/// Where frames come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Made by the plan.
    Crafted,
    /// Taken from slots: see [`Sender::fill`]. Of the plan only `ifindex` and `largest` count.
    Slots,
}

/// The programs, loaded, and attached where that is needed.
pub struct Generator<'obj> {
    skel: Box<TrafficSkel<'obj>>,
    source: Source,
    largest: usize,
    _watch: Vec<Link>,
    _resident: Option<Resident>,
}

impl<'obj> Generator<'obj> {
    /// Loads the program for one thread and keeps it resident, so that calls are cheap.
    pub fn load(storage: &'obj mut Storage, plan: &Plan, source: Source) -> Result<Self, Error> {
        let mut generator = Self::open(storage, plan, source, true)?;
        for (hook, program) in [
            ("xdp_devmap_xmit", &generator.skel.progs.traffic_xmit),
            ("xdp_redirect_err", &generator.skel.progs.traffic_redir),
        ] {
            generator._watch.push(session::attach(hook, program)?);
        }
        generator._resident = Some(resident::keep(generator.program().as_fd())?);
        Ok(generator)
    }

    /// Loads the program alone, to look at frames: see [`Generator::make`].
    pub fn dry(storage: &'obj mut Storage, plan: &Plan) -> Result<Self, Error> {
        Self::open(storage, plan, Source::Crafted, false)
    }

    fn open(storage: &'obj mut Storage, plan: &Plan, source: Source, watch: bool) -> Result<Self, Error> {
        let mut open = session::open("traffic", TrafficSkelBuilder::default(), storage)?;
        choose(&mut open, source, watch)?;
        let largest = (plan.largest as usize).min(LONGEST);
        if let Some(data) = open.maps.rodata_data.as_mut() {
            data.plan = bytemuck::cast(*plan);
        }
        let skel = Box::new(session::load("traffic", open)?);
        if watch {
            let (key, port) = (0_u32.to_ne_bytes(), plan.ifindex.to_ne_bytes());
            skel.maps.traffic_port.update(&key, &port, MapFlags::ANY).map_err(|error| {
                session::failed(format!("cannot send to the interface with index {}", plan.ifindex), &error)
            })?;
        }
        Ok(Self { skel, source, largest, _watch: Vec::new(), _resident: None })
    }

    fn program(&self) -> &libbpf_rs::ProgramMut<'obj> {
        match self.source {
            Source::Crafted => &self.skel.progs.traffic_craft,
            Source::Slots => &self.skel.progs.traffic_replay,
        }
    }

    /// What the thread that sends holds; the generator must outlive it.
    pub fn sender(&self) -> Result<Sender, Error> {
        let program = self.program().as_fd().try_clone_to_owned().map_err(|error| {
            Error::new(Class::Failed, "cannot share the traffic program with its thread", error)
        })?;
        let slots = match self.source {
            Source::Crafted => None,
            Source::Slots => Some(Mapped::new(&self.skel.maps.traffic_slots, true)?),
        };
        Ok(Sender::new(program, Mapped::new(&self.skel.maps.bss, true)?, slots, self.largest))
    }

    /// The next frame as the program makes it, without sending it.
    pub fn make(&self) -> Result<Vec<u8>, Error> {
        let (room, mut made) = (vec![0; self.largest], vec![0; self.largest]);
        let input =
            ProgramInput { data_in: Some(&room), data_out: Some(&mut made), ..ProgramInput::default() };
        let output = self.program().test_run(input);
        let output = output.map_err(|error| session::failed("cannot make a frame".into(), &error))?;
        Ok(output.data.map(|data| data.to_vec()).unwrap_or_default())
    }
}

/// Loads only what a generator of this source runs.
fn choose(open: &mut OpenTrafficSkel<'_>, source: Source, watch: bool) -> Result<(), Error> {
    open.progs.traffic_accept.set_autoload(false);
    open.progs.traffic_discard.set_autoload(false);
    open.progs.traffic_xmit.set_autoload(watch);
    open.progs.traffic_redir.set_autoload(watch);
    let (unused, slots) = match source {
        Source::Crafted => (&mut open.progs.traffic_replay, false),
        Source::Slots => (&mut open.progs.traffic_craft, true),
    };
    unused.set_autoload(false);
    open.maps
        .traffic_slots
        .set_autocreate(slots)
        .map_err(|error| session::failed("cannot choose the traffic program's maps".into(), &error))
}

/// Keeps an interface ready for redirected frames.
pub struct Accepting<'obj> {
    _link: Link,
    _skel: Box<TrafficSkel<'obj>>,
}

/// Lets the interface with `ifindex`, of the calling thread's namespace, take redirected frames while the guard lives, and
/// pass them to its stack.
pub fn accept(storage: &mut Storage, ifindex: u32) -> Result<Accepting<'_>, Error> {
    receive(storage, ifindex, true)
}

/// The same, but what comes is dropped at once.
pub fn discard(storage: &mut Storage, ifindex: u32) -> Result<Accepting<'_>, Error> {
    receive(storage, ifindex, false)
}

fn receive(storage: &mut Storage, ifindex: u32, pass: bool) -> Result<Accepting<'_>, Error> {
    let mut open = session::open("traffic", TrafficSkelBuilder::default(), storage)?;
    choose(&mut open, Source::Crafted, false)?;
    open.progs.traffic_craft.set_autoload(false);
    let chosen = if pass { &mut open.progs.traffic_accept } else { &mut open.progs.traffic_discard };
    chosen.set_autoload(true);
    let skel = Box::new(session::load("traffic", open)?);
    let program = if pass { &skel.progs.traffic_accept } else { &skel.progs.traffic_discard };
    let link = program.attach_xdp(ifindex as i32).map_err(|error| {
        session::failed(format!("cannot attach XDP to the interface with index {ifindex}"), &error)
    })?;
    Ok(Accepting { _link: link, _skel: skel })
}
