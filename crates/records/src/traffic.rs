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
        sent: u64 as Count, "those that the interface and its driver took";
        errors: u64 as Count, "those that they did not take";
        error: Option<String> as Text, "why, of the last one; null where the driver gave no reason: mostly a full ring";
        offered_bytes: u64 as Bytes, "bytes of the offered frames, without the FCS";
        sent_per_s: Option<f64> as Rate, "the rate that was achieved; null where the interval is empty";
        late_p50_ns: Option<u64> as Nanoseconds, "from the time that a frame was due to the call that sent it: median; null where frames have no time";
        late_p99_ns: Option<u64> as Nanoseconds, "the same, 99th percentile";
        late_max_ns: Option<u64> as Nanoseconds, "the same, at most";
        gap_p50_ns: Option<u64> as Nanoseconds, "from one sending call of a thread to its next: median; null where there were not two";
        gap_p99_ns: Option<u64> as Nanoseconds, "the same, 99th percentile";
        gap_max_ns: Option<u64> as Nanoseconds, "the same, at most: the longest pause, or the time between frames at low rates";
    }
}
crate::plain_row!(Traffic);
