//! `plumb flows`: one record per flow.

mod asked;
mod capture;
mod live;
mod writer;

use crate::args::flows::Flows as Arguments;
use crate::failure::{Exit, Outcome};
use crate::plan::Run;
use plumb_kernel::support;

/// Plans, attaches or reads, observes, concludes.
pub fn run(arguments: &Arguments, verbose: bool) -> Outcome<Exit> {
    let run = Run::of(&arguments.ends, &arguments.output, &arguments.command, true, verbose)?;
    let asked = asked::resolve(arguments)?;
    if arguments.read.is_some() {
        crate::capture::alone(&arguments.interface)?;
    }
    support::require("flows")?;
    match &arguments.read {
        Some(path) => capture::run(&run, &asked, path),
        None => live::run(&run, &asked, arguments),
    }
}
