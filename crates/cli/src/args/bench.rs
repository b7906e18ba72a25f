//! Arguments of `plumb bench`.

use super::Report;
use clap::{Args, Subcommand};

/// What observing costs, next to the alternatives, on this machine, in one run
#[derive(Debug, Args)]
pub struct Bench {
    #[command(subcommand)]
    pub what: What,
}

#[derive(Debug, Subcommand)]
pub enum What {
    /// Readers of dropped packets, while a lab drops as many as this machine can
    ///
    /// One reader at a time, in an order that moves by one with each repeat, so that drift hits all alike. bpftrace and
    /// perf take part where they are installed.
    Drops(Drops),
    /// Ways to drop packets by XDP: the smallest program, ours with counting, times and events, and xdp-bench
    ///
    /// One after another as above, on a lab's native veth, packets offered and dropped on one CPU. xdp-bench of xdp-tools
    /// takes part where it starts.
    Xdp(Xdp),
}

#[derive(Debug, Args)]
pub struct Drops {
    /// Runs of each reader
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: u32,
    /// Packets that each run drops
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1000..))]
    pub packets: u32,
    /// Only these readers (comma-separated); `none` always runs
    #[arg(long, value_name = "READER", value_delimiter = ',')]
    pub readers: Vec<String>,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Report::Text)]
    pub format: Report,
}

#[derive(Debug, Args)]
pub struct Xdp {
    /// Runs of each way
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: u32,
    /// Packets that each run offers
    #[arg(long, value_name = "N", default_value_t = 5_000_000, value_parser = clap::value_parser!(u32).range(10_000..))]
    pub packets: u32,
    /// Only these ways (comma-separated); `bare` always runs
    #[arg(long, value_name = "READER", value_delimiter = ',')]
    pub readers: Vec<String>,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Report::Text)]
    pub format: Report,
}
