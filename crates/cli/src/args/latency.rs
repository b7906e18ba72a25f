//! Arguments of `plumb latency`.

use super::observing::{Ends, FilterWords, Outputs};
use clap::Args;
use std::ffi::OsString;

/// How long packets take from hook to hook, from the driver to the application and back
///
/// Follows packets with data over TCP and UDP, in every network namespace, and counts in the kernel how long each stage of
/// their way took: received, sent, or forwarded. What a stage means, docs/latency.md tells.
#[derive(Debug, Args)]
pub struct Latency {
    #[command(flatten)]
    pub ends: Ends,
    #[command(flatten)]
    pub filter: FilterWords,
    #[command(flatten)]
    pub output: Outputs,
    #[command(flatten)]
    pub following: Following,

    /// Run this command once everything is attached, with our privileges, and stop when it ends
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Kernel side")]
pub struct Following {
    /// Follow one packet in N
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub sample: u32,
    /// Packets on their way at once, rounded up to a power of two [default: 16384]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1 << 20))]
    pub table_size: Option<u32>,
}
