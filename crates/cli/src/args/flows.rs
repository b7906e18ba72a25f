//! Arguments of `plumb flows`.

use super::anonymizing::Anonymizing;
use super::hooks::Attaching;
use super::observing::{Ends, HeaderWords, Outputs};
use super::packets::Reading;
use super::serving::Serving;
use super::values;
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// One record per flow, both directions together, from exact integers that the kernel keeps
///
/// Packets are added to their flow where they pass, and changed by nothing. A flow is written when it ends: by a timeout, with
/// its TCP connection, or with the run. What is not IP is counted by its ethertype. Super-packets (GSO, GRO) count as the
/// packets that they are on the wire.
#[derive(Debug, Args)]
pub struct Flows {
    /// The interface, of our network namespace or that of --netns; repeatable, or separated by commas
    #[arg(short, long, value_name = "NAME", env = "INTERFACE", required_unless_present = "read")]
    pub interface: Vec<String>,
    /// The network namespace: a name of /run/netns, a process id, or an inode
    #[arg(long, value_name = "NAME|PID|INODE", conflicts_with = "read")]
    pub netns: Option<String>,
    /// Read a capture (pcap, pcapng) instead: its frames go through the same program, with the capture's times
    #[arg(long, value_name = "FILE", conflicts_with_all = ["duration", "command", "hook", "mode", "direction", "interval", "serve", "wakeup"])]
    pub read: Option<PathBuf>,
    #[command(flatten)]
    pub keeping: Keeping,
    #[command(flatten)]
    pub attaching: Attaching,
    #[command(flatten)]
    pub headers: HeaderWords,
    #[command(flatten)]
    pub ends: Ends,
    #[command(flatten)]
    pub output: Outputs,
    #[command(flatten)]
    pub anonymizing: Anonymizing,
    /// Flows that there is room for at once; packets of others are counted as lost [default: 65536]
    #[arg(long, value_name = "N", value_parser = values::number(1_u32, None), help_heading = "Kernel side")]
    pub table_size: Option<u32>,
    #[command(flatten)]
    pub serving: Serving,
    #[command(flatten)]
    pub reading: Reading,

    /// Run this command once everything is attached, with our privileges, and stop when it ends
    #[arg(last = true, value_name = "CMD", help_heading = "Arguments")]
    pub command: Vec<OsString>,
}

/// Which flows are kept how long, and what of them.
#[derive(Debug, Args)]
#[command(next_help_heading = "What to keep of flows")]
pub struct Keeping {
    /// How much is kept; more costs more per packet and flow [default: stats, or what the profile needs]
    #[arg(long, value_enum)]
    pub level: Option<Level>,
    /// Names, units and timeouts of another tool's flows [default: native]
    #[arg(long, value_enum, value_name = "PROFILE")]
    pub profile: Option<Profile>,
    /// Which of CICFlowMeter's names the columns have
    #[arg(long, value_enum, requires = "profile", value_name = "NAMES")]
    pub names: Option<Names>,
    /// A flow ends when it has had no packet for longer than this [default: 60s, or the profile's]
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub idle: Option<Duration>,
    /// A flow that lasts longer than this is written in segments [default: 120s, or the profile's]
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub active: Option<Duration>,
    /// A closed TCP connection waits so long for late packets [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = values::duration, conflicts_with = "no_tcp_close")]
    pub linger: Option<Duration>,
    /// TCP connections that close do not end their flows
    #[arg(long)]
    pub no_tcp_close: bool,
    /// A longer gap ends a period of activity [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub active_gap: Option<Duration>,
    /// First packets kept one by one at level full, at most 64 [default: 20]
    #[arg(long, value_name = "N", value_parser = values::number(0_u32, Some(64)))]
    pub first: Option<u32>,
    /// Keep one flow in N, chosen by a hash of its addresses and ports
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = values::number(1_u32, None))]
    pub sample: u32,
}

/// How much of a flow is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Volume, TCP flags, times
    Basic,
    /// And lengths, gaps between packets, activity, windows, retransmissions, handshake
    Stats,
    /// And histograms and the first packets one by one
    Full,
}

/// Whose names and units the columns have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Ours: see `plumb schema flow`
    Native,
    /// The 84 columns of CICFlowMeter, with its known mistakes mended
    Cicflowmeter,
    /// NFStream's, statistical and early features included
    Nfstream,
}

/// Which of CICFlowMeter's sets of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Names {
    /// Of the program
    Current,
    /// Of the CIC-IDS2017 data set
    #[value(name = "2017")]
    Of2017,
    /// Of the CSE-CIC-IDS2018 data set
    #[value(name = "2018")]
    Of2018,
}
