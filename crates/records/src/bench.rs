//! What observing costs: one row per reader.

mod readers;

pub use readers::{ReaderBench, ReaderFit};

crate::record! {
    /// One reader at one load, over all repeats. Medians, except where a field says otherwise.
    pub struct Bench = "bench" {
        bench: String as Text, "which bench";
        reader: String as Text, "who observes: `none` is the bare stack, `floor` an empty program on the same hook; with xdp, `bare` is the smallest program that drops, in place of `none`";
        repeats: u64 as Count, "runs that the medians are over";
        offered: u64 as Count, "packets offered in each run";
        offered_per_s: f64 as Rate, "packets the machine took while this reader observed";
        offered_per_s_min: f64 as Rate, "the slowest repeat";
        offered_per_s_max: f64 as Rate, "the fastest repeat";
        overhead_ns: Option<f64> as Nanoseconds, "time that the reader adds to each packet: against `none` in the same repeat; null for `none`";
        overhead_ns_min: Option<f64> as Nanoseconds, "the smallest of the repeats";
        overhead_ns_max: Option<f64> as Nanoseconds, "the largest of the repeats";
        program_ns: Option<f64> as Nanoseconds, "run time of the XDP program per packet, by the kernel's statistics, in a run of its own: they add about two readings of the clock; null for other benches";
        received: Option<u64> as Count, "packets that the reader accounted for in its worst repeat; null where it does not tell";
        lost: Option<u64> as Count, "packets offered but not in the reader's output, in its worst repeat; null where it does not tell";
        process_cpu_ns_per_packet: Option<f64> as Nanoseconds, "CPU time of the reader's process per packet";
        peak_rss_bytes: Option<u64> as Bytes, "largest resident memory of the reader's process";
        growth_bytes: Option<i64> as Bytes, "how much its resident memory grew from the first half of the run to the second, in the worst repeat";
        minor_faults: Option<u64> as Count, "minor page faults of the reader's process in the second half of a run, in the worst repeat: pages that it touched for the first time, so none where it works in the memory that it has";
        attach_ns: Option<u64> as Nanoseconds, "from the start of the reader's process until its ready file was made, to a timer tick, median; null for readers that make none";
        end_ns: Option<u64> as Nanoseconds, "from the signal that ends the reader's process to its exit, median";
        delay_p50_ns: Option<u64> as Nanoseconds, "from the drop to the record at a reader of its output, at a few hundred packets per second: median";
        delay_p99_ns: Option<u64> as Nanoseconds, "the same, 99th percentile";
    }
}
crate::plain_row!(Bench);

crate::record! {
    /// One reader that follows packets, while two hosts talk over TCP on one CPU. Medians over all repeats, except where a
    /// field says otherwise.
    pub struct LatencyBench = "bench_latency" {
        reader: String as Text, "who observes: `none` is the bare stack, `floor` empty programs on the tracepoints of plumb latency";
        repeats: u64 as Count, "runs that the medians are over";
        exchanges_per_s: f64 as Rate, "requests and their answers, of 100 bytes each, one at a time, by the time that the two hosts had the CPU";
        exchanges_per_s_min: f64 as Rate, "the slowest repeat";
        exchanges_per_s_max: f64 as Rate, "the fastest repeat";
        exchanges_ratio: Option<f64> as Rate, "exchanges_per_s as a share of that of `none` in the same repeat; null for `none`";
        overhead_ns: Option<f64> as Nanoseconds, "CPU time that the reader adds to each exchange: against `none` in the same repeat; null for `none`";
        overhead_ns_min: Option<f64> as Nanoseconds, "the smallest of the repeats";
        overhead_ns_max: Option<f64> as Nanoseconds, "the largest of the repeats";
        hooks_per_exchange: Option<f64> as Rate, "runs of the reader's programs per exchange, by the kernel's BPF statistics, in a run of its own; null for `none`";
        overhead_ns_per_hook: Option<f64> as Nanoseconds, "overhead_ns by hooks_per_exchange";
        program_ns_per_hook: Option<f64> as Nanoseconds, "time of a program's run by the kernel's BPF statistics, whose two readings of the clock are within it";
        bulk_bytes_per_s: f64 as Rate, "bytes that arrived, in bulk over one connection, by the time that the two hosts had the CPU";
        bulk_bytes_per_s_min: f64 as Rate, "the slowest repeat";
        bulk_bytes_per_s_max: f64 as Rate, "the fastest repeat";
        bulk_ratio: Option<f64> as Rate, "bulk_bytes_per_s as a share of that of `none` in the same repeat; null for `none`";
        lost: Option<u64> as Count, "packets that the reader's ledger calls lost, in its worst repeat; null where it has none";
        complete: Option<bool> as Bool, "whether the ledgers of all repeats are complete, as they are not with --sample; null where the reader has none";
        process_cpu_share: Option<f64> as Rate, "CPU time of the reader's process as a share of the time";
        peak_rss_bytes: Option<u64> as Bytes, "largest resident memory of the reader's process";
    }
}
crate::plain_row!(LatencyBench);
