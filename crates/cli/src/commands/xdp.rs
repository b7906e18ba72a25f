//! `plumb xdp`: what XDP does to packets, and what that costs.

mod asked;
mod attaching;
mod counting;
mod faulty;
mod list;
mod restore;
mod run;
mod sample;
mod streaming;
mod table;
mod watch;

use crate::args::xdp::{What, Xdp};
use crate::failure::{Exit, Outcome};

pub use restore::{RESTORE, restore};

/// Runs what was asked for.
pub fn run(arguments: &Xdp, verbose: bool) -> Outcome<Exit> {
    match &arguments.what {
        What::List(arguments) => list::run(arguments, verbose),
        What::Stats(arguments) => watch::run(arguments, false, verbose),
        What::Time(arguments) => watch::run(arguments, true, verbose),
        What::Run(arguments) => run::run(arguments, verbose),
    }
}
