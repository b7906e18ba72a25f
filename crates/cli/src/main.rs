//! `plumb`: parse, plan, run, exit.
#![allow(unreachable_pub, reason = "a binary has no outside: `pub` says that other files use it")]

mod args;
mod child;
mod clock;
mod commands;
mod enrich;
mod failure;
mod meter;
mod outputs;
mod pipeline;
mod plan;
mod privileges;
mod screen;
mod signals;
mod tables;
mod text;

#[cfg(test)]
#[global_allocator]
/// Counts, for the tests that hold what must not allocate.
static ALLOCATOR: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

use args::Cli;
use clap::Parser;
use failure::{Exit, Failure};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error).into(),
    };
    let verbose = cli.verbose;
    commands::run(cli).unwrap_or_else(|failure| report(&failure, verbose)).into()
}

/// Help and version go to standard output; what is wrong with the arguments is one line on standard error.
fn usage(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        // A closed pipe is the reader's choice.
        let _ = error.print();
        return Exit::Done;
    }
    let text = error.render().to_string();
    let said = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let said: Vec<&str> =
        said.filter(|line| !line.is_empty() && !line.starts_with("For more information")).collect();
    let message = said.join("; ");
    report(
        &Failure::arguments(message.strip_prefix("error: ").unwrap_or(&message)).help("--help tells more"),
        false,
    )
}

fn report(failure: &Failure, verbose: bool) -> Exit {
    eprintln!("plumb: {failure}");
    if verbose {
        for line in failure.chain() {
            eprintln!("  {line}");
        }
    }
    failure.exit
}
