//! Who observes dropped packets: Plumb in its modes, and the alternatives that are installed.

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
    /// An empty program on the tracepoint.
    Floor,
    /// This binary with these arguments; `{file}` is a file in a folder that goes with the run.
    Plumb(&'static [&'static str]),
    /// bpftrace with this script, of which every `{tick}` line says that all probes are attached; `true` where it prints
    /// a line per packet.
    Bpftrace(&'static str, bool),
    /// perf record into a file.
    Perf,
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

/// Every reader.
pub const READERS: &[Reader] = &[
    Reader { name: "none", how: How::Nothing, delay: false },
    Reader { name: "floor", how: How::Floor, delay: false },
    plumb("plumb", &["--format", "json"], false),
    plumb("plumb-by-flow", &["--format", "json", "--by", "flow"], false),
    plumb("plumb-events", &["--format", "json", "--events", "-o", "{file}.jsonl"], true),
    plumb(
        "plumb-events-busy",
        &["--format", "json", "--events", "-o", "{file}.jsonl", "--wakeup", "busy"],
        true,
    ),
    plumb(
        "plumb-events-interval",
        &["--format", "json", "--events", "-o", "{file}.jsonl", "--wakeup", "interval"],
        true,
    ),
    Reader { name: "bpftrace-count", how: How::Bpftrace(BPFTRACE_COUNT, false), delay: false },
    Reader { name: "bpftrace-print", how: How::Bpftrace(BPFTRACE_PRINT, true), delay: false },
    Reader { name: "perf-record", how: How::Perf, delay: false },
];

impl Reader {
    /// Whether the program is on the path.
    pub fn installed(&self) -> bool {
        let on_path = |program: &str| {
            let path = env::var_os("PATH").unwrap_or_default();
            env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file())
        };
        match self.how {
            How::Nothing | How::Floor | How::Plumb(_) => true,
            How::Bpftrace(..) => on_path("bpftrace"),
            How::Perf => on_path("perf"),
        }
    }
}
