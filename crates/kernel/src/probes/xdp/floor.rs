//! What reading the clock costs here, so that times can be judged.

use crate::error::{Class, Error};
use crate::links;
use crate::session::{self, Storage};
use crate::wire::xdp_const;
use libbpf_rs::ProgramInput;
use skeleton::{FloorSkel, FloorSkelBuilder};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

skeleton!("floor");

/// What a program of ours is measured against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floor {
    /// Drops, and does nothing else: the least that an XDP program can do.
    Drop,
    /// Reads the clock twice and drops: the least that timing can do.
    Clock,
}

/// A floor, loaded.
pub struct LoadedFloor<'obj> {
    skel: FloorSkel<'obj>,
    kind: Floor,
}

impl Floor {
    /// Loads it; it is attached like any other program.
    pub fn load(self, storage: &mut Storage) -> Result<LoadedFloor<'_>, Error> {
        let open = session::open("floor", FloorSkelBuilder::default(), storage)?;
        Ok(LoadedFloor { skel: session::load("floor", open)?, kind: self })
    }
}

impl LoadedFloor<'_> {
    /// The program.
    pub fn program(&self) -> BorrowedFd<'_> {
        match self.kind {
            Floor::Drop => self.skel.progs.floor_drop.as_fd(),
            Floor::Clock => self.skel.progs.floor_clock.as_fd(),
        }
    }

    /// Runs the floor that drops many times on no interface: nanoseconds for each, as the kernel measures them.
    pub(super) fn spin_drop(&self) -> Result<f64, Error> {
        const REPEAT: u32 = 2000;
        let input = ProgramInput { data_in: Some(&FRAME), repeat: REPEAT, ..ProgramInput::default() };
        let ran = self.skel.progs.floor_drop.test_run(input);
        let ran = ran.map_err(|error| session::failed("cannot measure an empty program".into(), &error))?;
        Ok(ran.duration.as_nanos() as f64)
    }
}

/// The kernel's statistics of BPF programs, switched on while this lives.
#[derive(Debug)]
pub struct Statistics(#[allow(dead_code, reason = "held, not read")] OwnedFd);

impl Statistics {
    /// Switches them on: every run of every program is timed, which costs it two readings of the clock.
    pub fn enable() -> Result<Self, Error> {
        links::enable_stats().map(Self).map_err(|error| {
            Error::new(Class::Privileges, "cannot switch the kernel's BPF statistics on", error)
                .help("it needs CAP_SYS_ADMIN")
        })
    }
}

/// Runs whose least is taken: the others were interrupted.
const RUNS: u32 = 20;
/// The smallest frame that the kernel runs an XDP program on.
const FRAME: [u8; 14] = [0; 14];

/// Nanoseconds that two readings of the clock in a row tell, although nothing lies between them.
pub fn clock_cost_ns() -> Result<f64, Error> {
    let mut storage = Storage::new();
    let open = session::open("clock", FloorSkelBuilder::default(), &mut storage)?;
    let skel = session::load("clock", open)?;
    let mut least = u64::MAX;
    for _ in 0..RUNS {
        let input = ProgramInput { data_in: Some(&FRAME), ..ProgramInput::default() };
        let ran = skel.progs.floor_between.test_run(input);
        ran.map_err(|error| session::failed("cannot measure the clock".into(), &error))?;
        least = least.min(skel.maps.bss_data.as_ref().map_or(0, |data| data.between));
    }
    let pairs = f64::from(xdp_const::XDP_CLOCK_PAIRS.0);
    Ok(least as f64 / pairs)
}
