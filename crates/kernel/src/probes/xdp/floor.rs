//! What reading the clock costs here, so that times can be judged.

use crate::error::Error;
use crate::session::{self, Storage};
use crate::wire::xdp_const;
use libbpf_rs::ProgramInput;
use skeleton::FloorSkelBuilder;

skeleton!("floor");

/// Runs whose least is taken: the others were interrupted.
const RUNS: u32 = 20;
/// The smallest frame that the kernel runs an XDP program on.
const FRAME: [u8; 14] = [0; 14];

/// Nanoseconds that two readings of the clock in a row tell, although nothing lies between them.
pub fn clock_cost_ns() -> Result<f64, Error> {
    let mut storage = Storage::new();
    let mut open = session::open("clock", FloorSkelBuilder::default(), &mut storage)?;
    open.progs.floor_drop.set_autoload(false);
    open.progs.floor_clock.set_autoload(false);
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
