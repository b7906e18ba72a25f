//! Flags that every observing command shares.

use super::values::{self, Output};
use clap::{Args, ValueEnum};
use plumb_records::filter::{Comm, PortRange, Prefix, Protocol};
use plumb_sinks::rotate::Rotate;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// When a run ends, what it keeps, and where its records go.
#[derive(Debug, Args)]
pub struct Observing {
    #[command(flatten)]
    pub ends: Ends,
    #[command(flatten)]
    pub filter: FilterWords,
    #[command(flatten)]
    pub output: Outputs,
    #[command(flatten)]
    pub kernel: KernelSide,

    /// Run this command once everything is attached, with our privileges, and stop when it ends
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "When to stop")]
pub struct Ends {
    /// Stop after this time, counted from readiness [default: on Ctrl-C]
    #[arg(long = "for", value_name = "TIME", value_parser = values::duration)]
    pub duration: Option<Duration>,
    /// Stop after N records; with --interval, at the end of the interval that reaches N
    #[arg(long, value_name = "N", value_parser = values::number(1_u64, None))]
    pub count: Option<u64>,
}

/// The common filter. Alternatives of one word are or-ed, different words are and-ed; the kernel does the work.
#[derive(Debug, Args)]
#[command(next_help_heading = "What to keep")]
pub struct FilterWords {
    /// Only this interface, of our network namespace or that of --netns; commas separate several, unless one is called so
    #[arg(short, long, value_name = "NAME")]
    pub interface: Vec<String>,
    /// Only this network namespace: a name of /run/netns, a process id, or an inode
    #[arg(long, value_name = "NAME|PID|INODE")]
    pub netns: Option<String>,
    #[command(flatten)]
    pub headers: HeaderWords,
    /// Process that was running, in softirq a bystander
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    pub pid: Vec<u32>,
    /// Name of that process, as in /proc/PID/comm; one with a comma in it cannot be given
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub comm: Vec<Comm>,
    /// Cgroup of the packet's socket: a directory of /sys/fs/cgroup, or an id; commas as with --interface
    #[arg(long, value_name = "PATH|ID")]
    pub cgroup: Vec<String>,
    /// Owner of the packet's socket, by name or number
    #[arg(long, value_name = "USER", value_delimiter = ',', value_parser = values::user)]
    pub uid: Vec<u32>,
}

/// The words of the common filter that are about a packet's headers.
#[derive(Debug, Args)]
#[command(next_help_heading = "What to keep")]
pub struct HeaderWords {
    /// IP protocol by name or number
    #[arg(long, value_name = "PROTOCOL", value_delimiter = ',')]
    pub proto: Vec<Protocol>,
    /// Address or prefix at either end
    #[arg(long, value_name = "ADDRESS[/LEN]", value_delimiter = ',')]
    pub host: Vec<Prefix>,
    /// Source address or prefix
    #[arg(long, value_name = "ADDRESS[/LEN]", value_delimiter = ',')]
    pub src: Vec<Prefix>,
    /// Destination address or prefix
    #[arg(long, value_name = "ADDRESS[/LEN]", value_delimiter = ',')]
    pub dst: Vec<Prefix>,
    /// Port or range at either end
    #[arg(long, value_name = "PORT[-PORT]", value_delimiter = ',')]
    pub port: Vec<PortRange>,
    /// Source port or range
    #[arg(long, value_name = "PORT[-PORT]", value_delimiter = ',')]
    pub sport: Vec<PortRange>,
    /// Destination port or range
    #[arg(long, value_name = "PORT[-PORT]", value_delimiter = ',')]
    pub dport: Vec<PortRange>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What to write")]
pub struct Outputs {
    /// What standard output holds [default: text; nothing but a summary with --output]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Write records to this file; its extension is the format: .jsonl, .json, .csv, .parquet, .arrow (a file), .arrows (a
    /// stream), or .pcapng of drops. Created with mode 0600; one that exists is emptied and keeps its mode, and one of Parquet or
    /// Arrow is replaced when the new one is whole. A directory, or a name that ends in a slash, gets Parquet files by date, hour
    /// and node. `unix:PATH` is a socket that gives each client an Arrow stream
    #[arg(short, long, value_name = "FILE|DIR/|unix:PATH")]
    pub output: Option<Output>,
    /// Begin a new file at this size or after this time, such as 100M or 1h; in a directory [default: 128M and 5min]
    #[arg(long, value_name = "SIZE|TIME", requires = "output", value_parser = values::rotate)]
    pub rotate: Option<Rotate>,
    /// Write or redraw at this interval [default: 1s on a terminal, else once at the end]
    #[arg(long, value_name = "TIME", value_parser = values::interval)]
    pub interval: Option<Duration>,
    /// Write a ledger each interval too: like the last one, of the whole run so far
    #[arg(long, requires = "interval")]
    pub ledger: bool,
    /// Exit with 5 where the output is incomplete
    #[arg(long)]
    pub strict: bool,
    /// Create this file once everything is attached
    #[arg(long, value_name = "PATH")]
    pub ready_file: Option<PathBuf>,
}

/// For commands that count in groups unless --events is given.
#[derive(Debug, Args)]
#[command(next_help_heading = "How to group")]
pub struct Grouping {
    /// Group also by these: field names, or `flow` (protocol, addresses, ports) and `process` (pid, comm)
    #[arg(long, value_name = "KEY", value_delimiter = ',', conflicts_with = "events")]
    pub by: Vec<String>,
    /// Only the N largest groups
    #[arg(long, value_name = "N", value_parser = values::number(1_u32, None), conflicts_with = "events")]
    pub top: Option<u32>,
    /// Order groups by this column, or by rate or share: numbers descending, names ascending [default: packets]
    #[arg(long, value_name = "COLUMN", conflicts_with = "events")]
    pub sort: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Kernel side")]
pub struct KernelSide {
    /// Size of the ring that carries events, rounded up to a power of two of at least 4K; -v says it [default: chosen per
    /// probe]
    #[arg(long, value_name = "BYTES", value_parser = values::size_32)]
    pub ring_size: Option<u32>,
    /// How many groups fit on each CPU; what does not fit is counted in one overflow group [default: chosen per probe]
    #[arg(long, value_name = "N", value_parser = values::number(1_u32, None))]
    pub table_size: Option<u32>,
    /// How events are consumed [default: adaptive]
    #[arg(long, value_enum)]
    pub wakeup: Option<Wakeup>,
}

/// Formats of standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: a live table on a terminal, plain tables when piped
    Text,
    /// JSON lines
    Json,
    /// Comma-separated values with a header line
    Csv,
    /// Captured packets, for tshark and wireshark: of `plumb drops` alone
    Pcapng,
    /// An Arrow IPC stream of record batches
    Arrow,
}

/// How events are consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Wakeup {
    /// On events, in batches
    Adaptive,
    /// Spinning on a core, for the lowest delay
    Busy,
    /// On a timer, for the lowest CPU use
    Interval,
}
