//! What readers of packets cost at the same offered load: one row per reader and rate, and a line through each reader's rows.

crate::record! {
    /// One reader at one offered rate. Medians over the repeats, with the smallest and the largest; measured between the start
    /// and the end of a run, so that starting up and writing at the end are apart.
    pub struct ReaderBench = "bench_reader" {
        reader: String as Text, "who reads: `none` is the bare stack";
        asked_per_s: Option<f64> as Rate, "packets that were asked for; null for the highest rate";
        repeats: u64 as Count, "runs";
        valid: bool as Bool, "whether the reader's own totals are those of the packets that were offered, in every repeat";
        invalid_because: Option<String> as Text, "why not; null where they are";
        packet_bytes: f64 as Real, "mean length of the frames, without FCS";
        offered_per_s: f64 as Rate, "packets that the interface took";
        offered_per_s_min: f64 as Rate, "the slowest repeat";
        offered_per_s_max: f64 as Rate, "the fastest repeat";
        offered: u64 as Count, "packets that the interface took in a whole run, what is not measured of it included";
        received: Option<u64> as Count, "those in the reader's totals; null for `none`";
        lost: Option<u64> as Count, "those that are not: offered less received, of the median repeat; null for `none`";
        lost_min: Option<u64> as Count, "the repeat that lost the fewest";
        lost_max: Option<u64> as Count, "the repeat that lost the most";
        lost_share: Option<f64> as Real, "lost as a share of the offered packets, median";
        lost_share_max: Option<f64> as Real, "the same, in the worst repeat";
        process_cpu_ns_per_packet: Option<f64> as Nanoseconds, "CPU time of the reader's process per offered packet, user and system; null for `none`";
        process_cpu_ns_per_packet_min: Option<f64> as Nanoseconds, "the smallest";
        process_cpu_ns_per_packet_max: Option<f64> as Nanoseconds, "the largest";
        process_user_ns_per_packet: Option<f64> as Nanoseconds, "the part of it in user space, by the kernel's samples of it";
        process_system_ns_per_packet: Option<f64> as Nanoseconds, "the part of it in the kernel, likewise; interrupts that came meanwhile are in it";
        process_cpu_share: Option<f64> as Real, "CPU time of the reader's process as a share of one CPU";
        process_cpu_share_min: Option<f64> as Real, "the smallest";
        process_cpu_share_max: Option<f64> as Real, "the largest";
        process_cpu_of_baseline: Option<f64> as Real, "process_cpu_ns_per_packet as a share of that of `af_packet_recv` at the same rate, in the same repeat; null without it";
        process_cpu_of_baseline_min: Option<f64> as Real, "the smallest";
        process_cpu_of_baseline_max: Option<f64> as Real, "the largest";
        machine_cpu_ns_per_packet: Option<f64> as Nanoseconds, "CPU time of the whole machine per packet, by its idle time, over that of `none` at the same rate in the same repeat; null for `none`";
        machine_cpu_ns_per_packet_min: Option<f64> as Nanoseconds, "the smallest; noise may make it negative";
        machine_cpu_ns_per_packet_max: Option<f64> as Nanoseconds, "the largest";
        machine_cpu_of_baseline: Option<f64> as Real, "the same as a share of that of `af_packet_recv`, of medians; null without it, and where that is not above 0";
        machine_busy_share: Option<f64> as Real, "CPU time of the whole machine, generator included, as a share of one CPU; null where the kernel does not tell idle time";
        machine_busy_share_min: Option<f64> as Real, "the smallest";
        machine_busy_share_max: Option<f64> as Real, "the largest";
        softirq_share_sampled: Option<f64> as Real, "softirqs and interrupts as a share of one CPU by /proc/stat, which samples them at clock ticks unless the kernel accounts for interrupts: no more than a hint";
        wakeups_per_s: Option<f64> as Rate, "how often the reader's process slept and was woken (voluntary context switches)";
        wakeups_per_s_min: Option<f64> as Rate, "the smallest";
        wakeups_per_s_max: Option<f64> as Rate, "the largest";
        preemptions_per_s: Option<f64> as Rate, "how often another one took its CPU (involuntary context switches)";
        delay_from: Option<String> as Text, "where delays begin: `stamp`, written into the packet when it was made; `hook`, the record's time at XDP, some microseconds later; null where nobody has a record per packet: `flows`, and what writes";
        delay_p50_ns: Option<u64> as Nanoseconds, "from there to the record in the application, of a sample of one packet in 8: median";
        delay_p50_ns_min: Option<u64> as Nanoseconds, "the best repeat";
        delay_p50_ns_max: Option<u64> as Nanoseconds, "the worst repeat";
        delay_p99_ns: Option<u64> as Nanoseconds, "the same, 99th percentile";
        delay_p99_ns_min: Option<u64> as Nanoseconds, "the best repeat";
        delay_p99_ns_max: Option<u64> as Nanoseconds, "the worst repeat";
        delay_p999_ns: Option<u64> as Nanoseconds, "the same, 99.9th percentile; null below 1,000 samples";
        delay_p999_ns_min: Option<u64> as Nanoseconds, "the best repeat";
        delay_p999_ns_max: Option<u64> as Nanoseconds, "the worst repeat";
        inside_p50_ns: Option<u64> as Nanoseconds, "time that the reader itself works on a packet once it has it, two readings of the clock included: no delay, and not to be compared with one; median";
        inside_p99_ns: Option<u64> as Nanoseconds, "the same, 99th percentile";
        peak_rss_bytes: Option<u64> as Bytes, "largest resident memory of the reader's process, in any repeat";
        end_cpu_ns: Option<u64> as Nanoseconds, "CPU time from the signal that ends the reader to its exit, the writing of what it kept included: not in any figure above; median";
        end_ns: Option<u64> as Nanoseconds, "how long that took, median";
        others_share_max: Option<f64> as Real, "CPU time of processes that are no part of the bench, as a share of one CPU, in the worst repeat";
        stolen_share_max: Option<f64> as Real, "time that a hypervisor gave to others, likewise";
    }
}
crate::plain_row!(ReaderBench);

crate::record! {
    /// A straight line through a reader's CPU time at all rates and in all repeats, and what it comes to. What is not measured
    /// is a projection and called so.
    pub struct ReaderFit = "bench_reader_fit" {
        reader: String as Text, "who reads";
        of: &'static str as Text, "whose CPU time: `process`, the reader's, or `machine`, the whole machine's over `none`";
        points: u64 as Count, "runs that the line goes through";
        fixed_share: f64 as Real, "share of one CPU that the line has at rate 0";
        ns_per_packet: f64 as Nanoseconds, "what each packet adds by the line";
        r_squared: Option<f64> as Real, "share of the variance that the line explains; null where there is none, and of two points";
        saturates_per_s: Option<f64> as Rate, "packets per second at which the line reaches one CPU; null where it does not rise";
        measured_per_s: Option<f64> as Rate, "the highest rate that was measured; it may be the generator's limit";
        measured_share: Option<f64> as Real, "share of one CPU at that rate, as measured, median";
        fitted_share: Option<f64> as Real, "the same by the line";
        projected_10g_64_bytes_cpus: Option<f64> as Real, "projection: CPUs that 10 Gbit/s of frames of 64 bytes would need (14.88 M/s, RFC 2544); null where the line does not rise";
        projected_10g_1500_bytes_cpus: Option<f64> as Real, "projection: the same of packets of 1,500 bytes (812,744/s)";
    }
}
crate::plain_row!(ReaderFit);
