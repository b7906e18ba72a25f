//! One file per command.

pub mod bench;
pub mod doctor;
pub mod drops;
pub mod explain;
pub mod lab;
pub mod schema;

use crate::args::{Cli, Command};
use crate::child;
use crate::failure::{Exit, Failure, Outcome};
use std::io::Write;

/// Runs the command that was asked for.
pub fn run(cli: Cli) -> Outcome<Exit> {
    match cli.command {
        Command::Drops(arguments) => drops::run(&arguments, cli.verbose),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Lab(arguments) => lab::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Become(arguments) => Ok(child::wait_and_become(arguments.pipe, &arguments.command)),
    }
}

/// Writes a report to standard output.
fn print(text: &str) -> Outcome<Exit> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Exit::Done),
        // Who closed the pipe has read enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        Err(error) => Err(Failure::failed("cannot write to standard output").because(error)),
    }
}
