//! What can be typed. Only clap types: nothing is opened, resolved or printed while parsing.

pub mod anonymizing;
pub mod bench;
pub mod compare;
pub mod drops;
pub mod explain;
pub mod flows;
pub mod hooks;
pub mod lab;
pub mod latency;
pub mod observing;
pub mod packets;
pub mod serving;
pub mod traffic;
pub mod values;
pub mod xdp;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// See what the Linux kernel does with packets.
#[derive(Debug, Parser)]
#[command(name = "plumb", version, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// Say which mechanism serves each hook and why, and show the causes below an error
    #[arg(short, long, global = true)]
    pub verbose: bool,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Drops(Box<drops::Drops>),
    Latency(Box<latency::Latency>),
    Xdp(xdp::Xdp),
    Flows(Box<flows::Flows>),
    Packets(Box<packets::Packets>),
    Traffic(Box<traffic::Traffic>),
    Explain(explain::Explain),
    Lab(lab::Lab),
    Doctor(Doctor),
    Bench(Box<bench::Bench>),
    Schema(Schema),
    #[command(name = crate::child::SUBCOMMAND, hide = true)]
    Become(Become),
    #[command(name = crate::commands::bench::READ, hide = true)]
    Read(compare::Read),
    #[command(name = crate::commands::xdp::RESTORE, hide = true)]
    Restore(xdp::Restore),
    #[command(name = crate::hooks::TC_FILTERS, hide = true)]
    Filters(hooks::Filters),
}

/// What this kernel and these privileges allow, and what to do about the rest
#[derive(Debug, Args)]
pub struct Doctor {
    /// How the facts are written
    #[arg(long, value_enum, default_value_t = Report::Text)]
    pub format: Report,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

/// Every record's columns with unit and meaning
#[derive(Debug, Args)]
pub struct Schema {
    /// Only this record, such as `drop`
    pub record: Option<String>,
    /// How the columns are written
    #[arg(long, value_enum, default_value_t = Report::Text)]
    pub format: Report,
    /// As Markdown tables, from which docs/records.md is made
    #[arg(long, conflicts_with = "format")]
    pub markdown: bool,
}

/// Waits for a byte and becomes a command: see [`crate::child`].
#[derive(Debug, Args)]
pub struct Become {
    pub pipe: i32,
    pub netns: Option<PathBuf>,
    #[arg(last = true)]
    pub command: Vec<OsString>,
}

/// Formats of what is not a stream of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Report {
    /// For people
    Text,
    /// For programs
    Json,
}

#[cfg(test)]
mod tests;
