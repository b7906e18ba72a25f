//! Arguments of `plumb bench`.

use super::Report;
use super::values;
use clap::{Args, Subcommand};

/// What observing costs, next to the alternatives, on this machine, in one run
///
/// By itself: readers of packets at the same offered load, in a lab of its own. Each computes features of the flows: by packet
/// sockets, one recv() per packet (the classic way) or by their ring, by libpcap, by AF_XDP, by Plumb's `packets` and `flows`.
/// One at a time, in an order that moves by one with each repeat, so that drift hits all alike; what each costs, loses and
/// how late it is.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Bench {
    #[command(flatten)]
    pub compare: super::compare::Compare,
    #[command(subcommand)]
    pub what: Option<What>,
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
    /// Programs that make feature records of packets and flows and drop them, beside the smallest program that drops
    ///
    /// As `xdp`, at 1, 1,000 and 100,000 flows.
    Features(Xdp),
    /// Generators of packets, into an interface that drops them at once
    ///
    /// The highest rate of Plumb and of xdp-trafficgen in turn, where that is installed or given, and how well Plumb keeps a
    /// rate. The receiving interface counts.
    Traffic(Traffic),
    /// Readers that follow packets from hook to hook, while two hosts of a lab talk over TCP
    ///
    /// Exchanges of small messages one at a time, then data in bulk, both hosts on one CPU: with Plumb, with empty programs
    /// on the same tracepoints, and with two bpftrace scripts, where they start: one that follows packets by maps on the
    /// same tracepoints, and one that prints the time between kprobes on four functions that receive.
    Latency(Latency),
}

#[derive(Debug, Args)]
pub struct Latency {
    /// Runs of each reader
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = values::number(1_u32, None))]
    pub repeat: u32,
    /// How long each run exchanges messages, and how long it sends in bulk
    #[arg(long = "for", value_name = "TIME", default_value = "500ms", value_parser = super::values::duration)]
    pub duration: std::time::Duration,
    /// Only these readers (comma-separated); `none` always runs
    #[arg(long, value_name = "READER", value_delimiter = ',')]
    pub readers: Vec<String>,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Report::Text)]
    pub format: Report,
}

#[derive(Debug, Args)]
pub struct Traffic {
    /// Runs of each generator at each rate
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = values::number(1_u32, None))]
    pub repeat: u32,
    /// How long each run is measured
    #[arg(long = "for", value_name = "TIME", default_value = "1s", value_parser = super::values::duration)]
    pub duration: std::time::Duration,
    /// Rates that Plumb is asked for, beside the highest (comma-separated)
    #[arg(long, value_name = "RATE", value_delimiter = ',', default_values = ["1k", "10k", "100k", "1M"])]
    pub rate: Vec<plumb_lab::traffic::Rate>,
    /// xdp-trafficgen of xdp-tools, where it is not on the path or does not start
    #[arg(long, value_name = "PATH", default_value = "xdp-trafficgen")]
    pub trafficgen: std::path::PathBuf,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Report::Text)]
    pub format: Report,
}

#[derive(Debug, Args)]
pub struct Drops {
    /// Runs of each reader
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = values::number(1_u32, None))]
    pub repeat: u32,
    /// Packets that each run drops
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = values::number(1000_u32, None))]
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
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = values::number(1_u32, None))]
    pub repeat: u32,
    /// Packets that each run offers
    #[arg(long, value_name = "N", default_value_t = 5_000_000, value_parser = values::number(10_000_u32, None))]
    pub packets: u32,
    /// Only these ways (comma-separated); `bare` always runs
    #[arg(long, value_name = "READER", value_delimiter = ',')]
    pub readers: Vec<String>,
    /// xdp-bench of xdp-tools, where it is not on the path or does not start
    #[arg(long, value_name = "PATH", default_value = "xdp-bench")]
    pub xdp_bench: std::path::PathBuf,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Report::Text)]
    pub format: Report,
}
