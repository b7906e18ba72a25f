//! Offered load: one record per interval, or one for the whole run.

use crate::column::Time;

crate::record! {
    /// What was offered in a stretch of time, and how evenly.
    pub struct Traffic = "traffic" {
        time: Time as Time, "start of the interval";
        duration_ns: u64 as Nanoseconds, "its length";
        interface: String as Text, "the sending interface";
        transport: &'static str as Text, "live (XDP live frames) or packet (packet sockets)";
        threads: u32 as Id, "sending threads";
        asked_per_s: Option<f64> as Rate, "frames that were asked for; null for the highest rate and for a capture as timed";
        offered: u64 as Count, "frames handed to the kernel";
        sent: u64 as Count, "those that the interface and its driver took; by packet sockets those that it does not count as dropped, whoever sent these";
        errors: u64 as Count, "those that they did not take";
        error: Option<String> as Text, "why, of the last one that a reason was given for; null where the driver gave none: mostly a full ring";
        offered_bytes: u64 as Bytes, "bytes of the offered frames, without the FCS";
        sent_per_s: Option<f64> as Rate, "the rate that was achieved; null where the interval is empty, and for a whole run of less than two frames";
        late_p50_ns: Option<u64> as Nanoseconds, "from the time that a frame was due to the call that sent it: median; null where frames have no time";
        late_p99_ns: Option<u64> as Nanoseconds, "the same, 99th percentile";
        late_max_ns: Option<u64> as Nanoseconds, "the same, at most";
        gap_p50_ns: Option<u64> as Nanoseconds, "from one sending call of a thread to its next: median; null where there were not two";
        gap_p99_ns: Option<u64> as Nanoseconds, "the same, 99th percentile";
        gap_max_ns: Option<u64> as Nanoseconds, "the same, at most: the longest pause, or the time between frames at low rates";
    }
}
crate::plain_row!(Traffic);

crate::record! {
    /// What a generator makes of a rate, over all repeats: medians, except where a field says otherwise.
    pub struct TrafficBench = "bench_traffic" {
        generator: String as Text, "who sends: plumb (live frames), plumb-packet, xdp-trafficgen";
        threads: u32 as Id, "its sending threads";
        asked_per_s: Option<f64> as Rate, "what it was asked for; null for its highest rate";
        repeats: u64 as Count, "runs";
        received_per_s: f64 as Rate, "frames that arrived, by the receiving interface's own count";
        received_per_s_min: f64 as Rate, "the slowest repeat";
        received_per_s_max: f64 as Rate, "the fastest repeat";
        deviation: Option<f64> as Rate, "how far the rate that arrived is from the asked one, as a share, in the worst repeat; null for the highest rate";
        gap_max_ns: Option<u64> as Nanoseconds, "the longest pause between two sending calls, in the best repeat: others had the machine in between; null where the generator does not tell";
        late_p99_ns: Option<u64> as Nanoseconds, "from when a frame was due to its sending, 99th percentile; null likewise";
        cpu_ns_per_packet: f64 as Nanoseconds, "CPU time of the generator's process per frame, the receiver's interrupt work within it included";
    }
}
crate::plain_row!(TrafficBench);
