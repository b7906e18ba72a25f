//! One file per command.

pub mod bench;
pub mod doctor;
pub mod drops;
pub mod explain;
pub mod flows;
pub mod lab;
pub mod latency;
pub mod packets;
pub mod schema;
pub mod traffic;
pub mod xdp;

use crate::args::{Cli, Command};
use crate::child;
use crate::failure::{Exit, Outcome};

/// Runs the command that was asked for.
pub fn run(cli: Cli) -> Outcome<Exit> {
    match cli.command {
        Command::Drops(arguments) => drops::run(&arguments, cli.verbose),
        Command::Flows(arguments) => flows::run(&arguments, cli.verbose),
        Command::Latency(arguments) => latency::run(&arguments, cli.verbose),
        Command::Xdp(arguments) => xdp::run(&arguments, cli.verbose),
        Command::Packets(arguments) => packets::run(&arguments, cli.verbose),
        Command::Traffic(arguments) => traffic::run(&arguments, cli.verbose),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Lab(arguments) => lab::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Become(arguments) => {
            Ok(child::wait_and_become(arguments.pipe, arguments.netns.as_deref(), &arguments.command))
        }
        Command::Read(arguments) => bench::read(&arguments),
        Command::Restore(arguments) => xdp::restore(&arguments),
        Command::Filters(arguments) => crate::hooks::keep(&arguments),
    }
}

/// Writes a report to standard output. Who closed the pipe has read enough.
fn print(text: &str) -> Outcome<Exit> {
    crate::text::say(text).map(|_| Exit::Done)
}
