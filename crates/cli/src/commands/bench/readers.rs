//! Who observes packets: Plumb in its modes, and the alternatives that are installed.

use plumb_kernel::floor;
use std::env;
use std::path::Path;

/// One reader.
#[derive(Debug)]
pub struct Reader {
    /// Name in the output.
    pub name: &'static str,
    /// What runs.
    pub how: How,
    /// Whether the delay from drop to record is measured too.
    pub delay: bool,
}

/// What runs beside the flood.
#[derive(Debug)]
pub enum How {
    /// Nothing: the bare stack.
    Nothing,
    /// Empty programs on the same tracepoints.
    Floor(floor::Floor),
    /// This binary with these words; `{file}` is a file in a folder that goes with the run.
    Plumb(&'static [&'static str]),
    /// bpftrace with this script, whose first `tick` line says that all probes are attached.
    Bpftrace(&'static str, Tells),
    /// perf record into a file.
    Perf,
}

/// How a script tells what it saw.
#[derive(Clone, Copy, Debug)]
pub enum Tells {
    /// By a line per packet.
    Lines,
    /// By counts.
    Counts,
    /// Not at all.
    Nothing,
}

const fn plumb(name: &'static str, arguments: &'static [&'static str], delay: bool) -> Reader {
    Reader { name, how: How::Plumb(arguments), delay }
}

/// The interval probe comes last, so its first tick tells that everything is attached.
const BPFTRACE_COUNT: &str = "tracepoint:skb:kfree_skb \
    { @[args->reason, args->location, ((struct sk_buff *)args->skbaddr)->dev->ifindex] = count(); } \
    interval:ms:100 { printf(\"tick\\n\"); }";
const BPFTRACE_PRINT: &str = "tracepoint:skb:kfree_skb \
    { printf(\"drop %d %s %d\\n\", args->reason, ksym(args->location), ((struct sk_buff *)args->skbaddr)->dev->ifindex); } \
    interval:ms:100 { printf(\"tick\\n\"); }";

/// The script that follows packets.
const BPFTRACE_LATENCY: &str = include_str!("../../../../../bench/latency.bt");
/// The script that prints.
const BPFTRACE_LATENCY_KPROBE: &str = include_str!("../../../../../bench/latency-kprobe.bt");

/// Those who watch dropped packets.
pub const READERS: &[Reader] = &[
    Reader { name: "none", how: How::Nothing, delay: false },
    Reader { name: "floor", how: How::Floor(floor::Floor::Drops), delay: false },
    plumb("plumb", &["drops", "--format", "json"], false),
    plumb("plumb-by-flow", &["drops", "--format", "json", "--by", "flow"], false),
    plumb("plumb-events", &["drops", "--format", "json", "--events", "-o", "{file}.jsonl"], true),
    plumb(
        "plumb-events-busy",
        &["drops", "--format", "json", "--events", "-o", "{file}.jsonl", "--wakeup", "busy"],
        true,
    ),
    plumb(
        "plumb-events-interval",
        &["drops", "--format", "json", "--events", "-o", "{file}.jsonl", "--wakeup", "interval"],
        true,
    ),
    Reader { name: "bpftrace-count", how: How::Bpftrace(BPFTRACE_COUNT, Tells::Counts), delay: false },
    Reader { name: "bpftrace-print", how: How::Bpftrace(BPFTRACE_PRINT, Tells::Lines), delay: false },
    Reader { name: "perf-record", how: How::Perf, delay: false },
];

/// Those who follow packets.
pub const LATENCY: &[Reader] = &[
    Reader { name: "none", how: How::Nothing, delay: false },
    Reader { name: "floor", how: How::Floor(floor::Floor::Latency), delay: false },
    plumb("plumb", &["latency", "--mechanism", "tp_btf", "--format", "json"], false),
    plumb(
        "plumb-sample-16",
        &["latency", "--mechanism", "tp_btf", "--format", "json", "--sample", "16"],
        false,
    ),
    Reader { name: "bpftrace", how: How::Bpftrace(BPFTRACE_LATENCY, Tells::Nothing), delay: false },
    Reader {
        name: "bpftrace-kprobe",
        how: How::Bpftrace(BPFTRACE_LATENCY_KPROBE, Tells::Nothing),
        delay: false,
    },
];

impl Reader {
    /// Whether the program is on the path.
    pub fn installed(&self) -> bool {
        let on_path = |program: &str| {
            let path = env::var_os("PATH").unwrap_or_default();
            env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file())
        };
        match self.how {
            How::Nothing | How::Floor(_) | How::Plumb(_) => true,
            How::Bpftrace(..) => on_path("bpftrace"),
            How::Perf => on_path("perf"),
        }
    }
}
