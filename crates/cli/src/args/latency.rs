//! Arguments of `plumb latency`.

use super::observing::{Ends, FilterWords, Outputs, Wakeup};
use super::values;
use clap::{Args, ValueEnum};
use plumb_kernel::probes::latency::Config;
use std::ffi::OsString;
use std::time::Duration;

/// How long packets take from hook to hook, from the driver to the application and back
///
/// Follows packets with data over TCP and UDP, in every network namespace, and counts in the kernel how long each stage of
/// their way took: received, sent, or forwarded. docs/latency.md says what each hook is and what makes a stage long.
#[derive(Debug, Args)]
#[command(mut_arg("pid", |pid| pid.help("Process that reads the packet or sent it, where that is known")))]
pub struct Latency {
    /// Begin the way of received packets at the interrupt and the softirq that delivered them; without --events also a table of
    /// all interrupts, softirqs and NAPI polls of the machine, whatever the filter
    #[arg(long, help_heading = "What to tell")]
    pub irq: bool,
    /// Below the table also how the times of each stage are spread, in powers of two
    #[arg(long, conflicts_with = "events", help_heading = "What to tell")]
    pub histogram: bool,
    #[command(flatten)]
    pub each: Each,
    #[command(flatten)]
    pub grouping: Grouping,
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
#[command(next_help_heading = "Each packet")]
pub struct Each {
    /// One record per packet, with its whole way, rather than percentiles of stages
    #[arg(long)]
    pub events: bool,
    /// With --events: only packets whose whole way took at least this long, such as 1ms
    #[arg(long, value_name = "TIME", value_parser = values::duration, requires = "events")]
    pub slower_than: Option<Duration>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Groups")]
pub struct Grouping {
    /// Stages of each group of packets, by these keys together: interface, netns or cpu (of their first hook), cgroup (of their
    /// socket), family (IP version), src_ip, dst_ip, src_port, dst_port, protocol, or flow for the last five
    #[arg(long, value_name = "KEY", value_delimiter = ',', conflicts_with = "events")]
    pub by: Vec<String>,
    /// With --by: only the N groups with the most packets
    #[arg(long, value_name = "N", value_parser = values::number(1_u32, None), requires = "by")]
    pub top: Option<u32>,
    /// With --by: how many groups there may be; packets of any more are counted in one overflow group [default: 32]
    #[arg(long, value_name = "N", value_parser = values::number(1_u32, Some(Config::GROUPS_MAX)), requires = "by")]
    pub groups: Option<u32>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Kernel side")]
pub struct Following {
    /// How the kernel's functions are hooked, for those hooks that are no tracepoints [default: fentry, else kprobe, else not at
    /// all]
    #[arg(long, value_enum)]
    pub mechanism: Option<Mechanism>,
    /// Follow one packet in N
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub sample: u32,
    /// How many packets may be on their way at once, rounded up to a power of two; sockets are remembered in proportion [default:
    /// 32768]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1 << 20))]
    pub table_size: Option<u32>,
    /// With --events: size of the ring that carries them, rounded up to a power of two of at least 4K [default: 8M]
    #[arg(long, value_name = "BYTES", value_parser = values::size_32, requires = "events")]
    pub ring_size: Option<u32>,
    /// With --events: how they are consumed [default: adaptive]
    #[arg(long, value_enum, requires = "events")]
    pub wakeup: Option<Wakeup>,
}

/// How a hook is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mechanism {
    /// Tracepoints alone: no function is hooked
    #[value(name = "tp_btf")]
    Tracepoint,
    /// BPF trampolines; an error where this kernel refuses them
    Fentry,
    /// Kprobes, which cost more; an error where this kernel refuses them
    Kprobe,
}
