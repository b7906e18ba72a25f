//! Arguments of `plumb packets`.

use super::anonymizing::Anonymizing;
use super::hooks::Attaching;
use super::observing::{Ends, HeaderWords, Outputs, Wakeup};
use super::serving::Serving;
use super::values;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

/// One record per packet that an interface receives or sends, with the fields of its headers
///
/// Read in the kernel where packets pass, and changed by nothing. What is not IP becomes no record: it is counted by its
/// ethertype. A super-packet (GSO, GRO) is one record that says how many packets it is on the wire, and the ledger counts
/// those.
#[derive(Debug, Args)]
pub struct Packets {
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
    pub attaching: Attaching,
    #[command(flatten)]
    pub headers: HeaderWords,
    /// Keep one packet in N, at random
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = values::number(1_u32, None))]
    pub sample: u32,
    #[command(flatten)]
    pub ends: Ends,
    #[command(flatten)]
    pub output: Outputs,
    #[command(flatten)]
    pub anonymizing: Anonymizing,
    #[command(flatten)]
    pub serving: Serving,
    #[command(flatten)]
    pub reading: Reading,

    /// Run this command once everything is attached, with our privileges, and stop when it ends
    #[arg(last = true, value_name = "CMD", help_heading = "Arguments")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Kernel side")]
pub struct Reading {
    /// Size of the ring that carries records, rounded up to a power of two of at least 4K; -v says it [default: 256K]
    #[arg(long, value_name = "BYTES", value_parser = values::size_32)]
    pub ring_size: Option<u32>,
    /// How records are consumed [default: adaptive]
    #[arg(long, value_enum)]
    pub wakeup: Option<Wakeup>,
}
