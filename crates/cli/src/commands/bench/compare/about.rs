//! What stands beside the figures: the machine, the settings, and how they came about.

use crate::args::compare::Compare;
use plumb_kernel::support;
use std::fs;
use std::time::Duration;

/// Where and how a bench ran.
pub struct About {
    pub version: &'static str,
    pub host: String,
    pub kernel: String,
    /// When it ended.
    pub time: String,
    processor: String,
    cpus: usize,
    governor: Option<String>,
    flows: u32,
    size: u32,
    duration: Duration,
    repeat: u32,
    command: String,
}

impl About {
    /// This machine, now.
    pub fn of(asked: &Compare) -> Self {
        let host = support::host();
        let words: Vec<String> =
            std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        let governor = fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
        Self {
            version: env!("CARGO_PKG_VERSION"),
            host: host.name,
            kernel: host.kernel,
            time: jiff::Timestamp::now().to_string(),
            processor: processor(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            governor: governor.ok().map(|text| text.trim().to_owned()),
            flows: asked.flows,
            size: asked.size,
            duration: asked.duration,
            repeat: asked.repeat,
            command: words.join(" "),
        }
    }

    /// Names and values.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let unknown = || "unknown: the kernel does not tell".to_owned();
        let build =
            if cfg!(debug_assertions) { "without optimisation: figures mean little" } else { "optimised" };
        vec![
            ("Command", self.command.clone()),
            ("Processor", format!("{}, {} CPUs", self.processor, self.cpus)),
            ("Frequency governor", self.governor.clone().unwrap_or_else(unknown)),
            ("Build", build.to_owned()),
            ("Packets", format!("UDP of {} flows, {} bytes each without FCS", self.flows, self.size)),
            ("Runs", format!("{} of {:?} for each reader and rate", self.repeat, self.duration)),
        ]
    }

    /// Sentences.
    pub fn method(&self) -> Vec<&'static str> {
        vec![
            "Two hosts in network namespaces of this machine are joined by a veth pair. One offers packets by XDP live frames from a CPU of its own, where the other's interrupts run too; readers have the other CPUs, where there are any.",
            "One reader at a time, in an order that moves by one with each repeat. Figures are medians over the repeats, with the smallest and the largest.",
            "Each reader is a process of its own, whose CPU time is that of the kernel's scheduler, in nanoseconds. What it costs to start and to write at the end is not in it; the end is told apart.",
            "The machine's CPU time is what its CPUs were not idle, less that of a run without a reader at the same rate. The kernel charges interrupts to whom they interrupt, so that no sum over processes would do.",
            "Readers by packet socket, ring, libpcap and AF_XDP keep the same features of each flow and direction in user space: volumes, flags, lengths, gaps, hop limits, windows and activity. Plumb's flows keeps these and more in the kernel.",
            "`flows` is the command as people type it, writing JSON lines to a file at its end. `packets` takes the records from their ring, decodes them and adds their fields up, as a program does that has them from the library: it writes none. `packets_json` is the command as people type it, writing a JSON line per packet into a pipe that the bench empties.",
            "AF_XDP takes packets before the stack has them, which is then not paid for: its machine figures may be below 0.",
            "A row is valid where the reader's own sums of packets, bytes and squares of lengths are those of what was offered, and its flows as many.",
            "Delays are of one packet in 8: from the stamp in the packet to the features that have it. Those of `packets` begin at the record's own time, at XDP, some microseconds after the stamp. `flows` has no record per packet, and so no delay. Rings hand packets over in blocks, after 10 ms at the latest.",
            "The time inside is what the reader itself does with a packet that it has: it is no delay.",
            "Lines are least squares through the CPU time of all runs over the packets that were really read; what 10 Gbit/s would need is a projection by them, and not measured.",
        ]
    }
}

fn processor(cpuinfo: &str) -> String {
    let name = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| "a processor without a name".to_owned(), |(_, name)| name.to_owned())
}
