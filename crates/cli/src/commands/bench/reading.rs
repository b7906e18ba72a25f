//! The hidden command that is one of the bench's readers: a process of its own, so that its CPU time is the reader's.

use crate::args::compare::Read;
use crate::failure::{Exit, Failure, Outcome};
use crate::signals::Signals;
use plumb_lab::Error;
use plumb_lab::readers::{self, App, Proof, Way};
use std::fs::File;

/// Its name.
pub const READ: &str = "read-packets";

/// Reads until a signal comes, and prints what it read in one line.
pub fn read(asked: &Read) -> Outcome<Exit> {
    let way = Way::ALL.into_iter().find(|way| way.name() == asked.way);
    let way = way.ok_or_else(|| Failure::arguments(format!("there is no reader {}", asked.way)))?;
    let signals = Signals::install()?;
    let app = App::new(Proof { burn: asked.burn.unwrap_or_default(), drop_every: asked.drop_every });
    let ready = || match &asked.ready_file {
        Some(path) => File::create(path).map(drop).map_err(Error::io(path.display().to_string())),
        None => Ok(()),
    };
    let told = readers::read(way, &asked.interface, app, signals.flag(), ready);
    let told = told.map_err(|error| match error {
        Error::Kernel(error) => error.into(),
        error => Failure::failed(format!("cannot read by {}", asked.way)).because(error),
    })?;
    super::super::print(&(told.json() + "\n"))
}
