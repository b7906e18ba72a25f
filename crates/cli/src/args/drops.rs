//! Arguments of `plumb drops`.

use super::observing::{Grouping, Observing};
use super::values::{self, FailOver};
use clap::{Args, ValueEnum};

/// Where the kernel drops packets, why, and whose they are
///
/// Counts in the kernel by reason, location and interface, in every network namespace; --events writes each packet.
/// `plumb explain REASON` says what a reason means. Packets that an XDP program drops before they become kernel packets
/// are not seen, nor are those that the kernel consumes rather than frees as drops.
#[derive(Debug, Args)]
pub struct Drops {
    #[command(flatten)]
    pub events: Events,
    #[command(flatten)]
    pub grouping: Grouping,
    #[command(flatten)]
    pub reasons: Reasons,
    #[command(flatten)]
    pub observing: Observing,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Each packet")]
pub struct Events {
    /// One record per packet rather than counts
    #[arg(long)]
    pub events: bool,
    /// With the kernel stack of each
    #[arg(long, requires = "events")]
    pub stack: bool,
    /// With the first N bytes of each packet [default: 128 where the format is pcapng, which implies --events]
    #[arg(long, value_name = "BYTES", value_parser = values::number(1_u32, None))]
    pub snaplen: Option<u32>,
    /// Keep one packet in N
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = values::number(1_u32, None))]
    pub sample: u32,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Which drops")]
pub struct Reasons {
    /// Only these reasons, by name or number
    #[arg(long, value_name = "REASON", value_delimiter = ',')]
    pub reason: Vec<String>,
    /// All but these reasons
    #[arg(long, value_name = "REASON", value_delimiter = ',')]
    pub not_reason: Vec<String>,
    /// Frees that are normal life of a healthy host, such as the queues of closing sockets
    #[arg(long, value_enum, default_value_t = Noise::Hide)]
    pub noise: Noise,
    /// Exit with 1 where more packets (100) or a higher rate (50/s) than this were dropped
    #[arg(long, value_name = "N|RATE")]
    pub fail_over: Option<FailOver>,
}

/// What is done with drops that are normal life of a healthy host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Noise {
    /// Leave them out, and say how many there were
    Hide,
    /// Treat them as any other
    Show,
}
