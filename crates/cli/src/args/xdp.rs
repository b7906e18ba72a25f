//! Arguments of `plumb xdp`.

use super::observing::{Ends, Format, Outputs, Wakeup};
use super::values::{self, Output};
use clap::{Args, Subcommand, ValueEnum};
use std::ffi::OsString;

/// What XDP does to packets, and what that costs
#[derive(Debug, Args)]
pub struct Xdp {
    #[command(subcommand)]
    pub what: What,
}

#[derive(Debug, Subcommand)]
pub enum What {
    Run(Box<Run>),
    List(List),
    /// Packets and bytes of each verdict of a program that is attached already, without touching it
    ///
    /// By fentry and fexit on the program itself; where the kernel refuses that, its runs by the kernel's BPF statistics and
    /// its bytes and drops by the driver's counters, which is said. Needs CAP_SYS_ADMIN.
    Stats(Box<Watch>),
    /// Nanoseconds per packet of each verdict of a program that is attached already, without touching it
    ///
    /// As `stats`, with the time from the program's entry to its return. Where the kernel refuses fentry the mean is known, by
    /// the kernel's BPF statistics. Needs CAP_SYS_ADMIN.
    Time(Box<Watch>),
}

/// What is attached to which interface, in every network namespace
///
/// Names of programs, their owners and other namespaces are shown to root only.
#[derive(Debug, Args)]
pub struct List {
    /// Only this interface, of our network namespace or that of --netns; repeatable, or separated by commas
    #[arg(short, long, value_name = "NAME")]
    pub interface: Vec<String>,
    /// Only this network namespace: a name of /run/netns, a process id, or an inode
    #[arg(long, value_name = "NAME|PID|INODE")]
    pub netns: Option<String>,
    /// What standard output holds [default: text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Write records to this file; its extension is the format: .jsonl, .json or .csv
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<Output>,
}

/// Which programs of others to look at, and what to tell of them.
#[derive(Debug, Args)]
pub struct Watch {
    /// The programs on this interface, of our network namespace or that of --netns, and packets of it alone; repeatable, or
    /// separated by commas [default: the environment variable INTERFACE, where no program is named]
    #[arg(short, long, value_name = "NAME")]
    pub interface: Vec<String>,
    /// The network namespace of --interface: a name of /run/netns, a process id, or an inode
    #[arg(long, value_name = "NAME|PID|INODE", requires = "interface")]
    pub netns: Option<String>,
    /// The program with this id, on whatever interface; repeatable, or separated by commas
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub prog_id: Vec<u32>,
    /// All XDP programs of this name; repeatable, or separated by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub prog_name: Vec<String>,
    /// Counts for each CPU
    #[arg(long, value_enum, value_name = "KEY")]
    pub by: Option<By>,
    #[command(flatten)]
    pub ends: Ends,
    #[command(flatten)]
    pub output: Outputs,

    /// Run this command once everything is attached, with our privileges, and stop when it ends
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// Give every packet of an interface one verdict, and count, time or stream them
///
/// Attaches a program of ours by a link, so that it is gone when plumb is, and counts packets and bytes for each action
/// and CPU in the kernel. What attaching changes on an interface is said before it is done.
#[derive(Debug, Args)]
pub struct Run {
    /// The interface, of our network namespace or that of --netns; repeatable, or separated by commas
    #[arg(short, long, value_name = "NAME", env = "INTERFACE", required = true)]
    pub interface: Vec<String>,
    /// The network namespace: a name of /run/netns, a process id, or an inode
    #[arg(long, value_name = "NAME|PID|INODE")]
    pub netns: Option<String>,
    #[command(flatten)]
    pub verdict: Verdict,
    #[command(flatten)]
    pub attaching: Attaching,
    #[command(flatten)]
    pub telling: Telling,
    #[command(flatten)]
    pub ends: Ends,
    #[command(flatten)]
    pub output: Outputs,

    /// Run this command once everything is attached, with our privileges, and stop when it ends
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What becomes of packets")]
pub struct Verdict {
    /// The verdict on every packet
    #[arg(long, value_enum, required_unless_present = "drop_percent")]
    pub action: Option<Action>,
    /// Drop this share of the packets at random; the others get --action, and pass where that is drop or not given
    #[arg(long, value_name = "PERCENT", value_parser = values::percent)]
    pub drop_percent: Option<f64>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "How to attach")]
pub struct Attaching {
    /// Where in the receive path the program runs
    #[arg(long, value_enum, default_value_t = Mode::Auto)]
    pub mode: Mode,
    /// Take the place of a program that is attached already, and restore it at the end
    #[arg(long)]
    pub replace: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What to tell")]
pub struct Telling {
    /// Time each packet from entry to verdict; costs two readings of the clock
    #[arg(long)]
    pub time: bool,
    /// Counts for each CPU
    #[arg(long, value_enum, value_name = "KEY", conflicts_with = "events")]
    pub by: Option<By>,
    /// One record per packet rather than counts
    #[arg(long)]
    pub events: bool,
    /// How records reach us [default: ring]
    #[arg(long, value_enum, requires = "events")]
    pub transport: Option<Transport>,
    /// How records are consumed [default: adaptive]
    #[arg(long, value_enum, requires = "events")]
    pub wakeup: Option<Wakeup>,
    /// Size of the ring, or of each CPU's perf buffer, rounded up to a power of two; -v says it [default: 32M, or 8M]
    #[arg(long, value_name = "BYTES", value_parser = values::size_32, requires = "events")]
    pub ring_size: Option<u32>,
    /// Write a line for each packet to the kernel's trace pipe as well: slow, for debugging
    #[arg(long)]
    pub trace_printk: bool,
}

/// A verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Action {
    /// Hand it to the stack
    Pass,
    /// Drop it
    Drop,
    /// Drop it as an error, which fires the tracepoint xdp_exception
    Abort,
    /// Send it back where it came from, its Ethernet addresses exchanged
    Tx,
}

/// Where a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// In the driver, before the packet has a kernel buffer
    Native,
    /// In the stack, on every interface
    Generic,
    /// In the driver where that works, else in the stack
    Auto,
}

/// A key of counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// The CPU that the program ran on
    Cpu,
}

/// How records reach us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// One ring buffer for all CPUs
    Ring,
    /// The perf event array, a buffer for each CPU; records come up to 10 ms late
    Perf,
}

/// Waits for the end of its standard input and restores a program: see [`crate::commands::xdp`].
#[derive(Debug, Args)]
pub struct Restore {
    pub interface: String,
    pub ifindex: u32,
    #[arg(value_enum)]
    pub mode: Mode,
    /// Numbers of inherited descriptors: our program, theirs, and the links that theirs was in.
    pub ours: i32,
    pub theirs: i32,
    pub links: Vec<i32>,
}
