//! Developer commands: `cargo xtask setup | demo | test | bench | vm | fmt | tidy`.

mod bench;
mod demo;
mod distro;
mod fmt;
mod kernels;
mod plumb;
mod repo;
mod run;
mod setup;
mod test;
mod tidy;
mod vm;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use repo::Repo;

/// What a developer of Plumb does: prepare a machine, look at it working, test it, keep it tidy.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what is missing for building, testing and the demo; print what that is
    Setup,
    /// Build plumb and show `plumb drops` on a small network with traffic and faults
    Demo,
    /// Check everything: formatting, tidy, clippy, unit tests, live tests natively and in VMs
    Test(test::Args),
    /// Measure what Plumb costs next to the alternatives that are installed: bpftrace and perf
    Bench(bench::Args),
    /// Run a command on another kernel, in a VM that shares this machine's files read-only
    Vm(vm::Args),
    /// Format Rust and C
    Fmt {
        /// Change nothing; fail where something is not formatted
        #[arg(long)]
        check: bool,
    },
    /// Check the house rules that compilers do not
    Tidy {
        /// Write the generated documents instead of comparing them
        #[arg(long)]
        write: bool,
    },
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether `cargo xtask` with these words would start; if not, why.
fn parses(words: &[String]) -> Result<(), String> {
    use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
    match Cli::try_parse_from(words) {
        Err(error) if !matches!(error.kind(), DisplayHelp | DisplayVersion) => {
            Err(error.to_string().lines().next().unwrap_or_default().to_owned())
        }
        _ => Ok(()),
    }
}

fn dispatch(command: Command) -> Result<ExitCode> {
    let repo = Repo::find()?;
    match command {
        Command::Setup => setup::ensure(&repo, setup::Scope::Everything).map(|_| ())?,
        Command::Demo => demo::run(&repo)?,
        Command::Test(args) => test::run(&repo, &args)?,
        Command::Bench(args) => bench::run(&repo, &args)?,
        Command::Vm(args) => return vm::run(&repo, &args),
        Command::Fmt { check } => {
            setup::ensure(&repo, setup::Scope::Tools)?;
            fmt::run(&repo, check)?;
        }
        Command::Tidy { write } => tidy::run(&repo, write)?,
    }
    Ok(ExitCode::SUCCESS)
}
