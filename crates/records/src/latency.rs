//! How long packets took from hook to hook: in sum, or one by one.

use crate::column::Time;
use crate::histogram::{Histogram, set_spread};
use std::net::IpAddr;

crate::record! {
    /// Times between two hooks on packets' way, or of the whole way.
    pub struct Stage<'a> = "stage" {
        time: Option<Time> as Time, "start of the interval; null in a run's total";
        duration_ns: u64 as Nanoseconds, "length of the interval or of the run";
        direction: &'a str as Text, "rx (to this host), tx (from it) or forward (through it)";
        from: &'a str as Text, "hook at which the stage begins; total where it is the whole way";
        to: &'a str as Text, "hook at which it ends; total where it is the whole way";
        mechanism: Option<&'a str> as Text, "how the hook at its end is reached: tp_btf, fentry or kprobe; null of the whole way";
        samples: u64 as Count, "packets that took this stage on a way that is known to its end";
        mean_ns: Option<u64> as Nanoseconds, "mean time";
        p50_ns: Option<u64> as Nanoseconds, "median, within 3.2 % as all percentiles";
        p90_ns: Option<u64> as Nanoseconds, "90th percentile";
        p99_ns: Option<u64> as Nanoseconds, "99th percentile";
        p999_ns: Option<u64> as Nanoseconds, "99.9th percentile";
        max_ns: Option<u64> as Nanoseconds, "the longest; in an interval, within 3.2 % where an earlier one was longer";
    }
}
crate::plain_row!(Stage<'_>);

impl Stage<'_> {
    /// Sets the columns of a distribution.
    #[must_use]
    pub fn timed(mut self, times: &Histogram) -> Self {
        self.samples = times.count();
        set_spread!(self, times);
        self
    }
}

crate::record! {
    /// One packet's way.
    pub struct Journey<'a> = "journey" {
        time: Time as Time, "when the packet came to its first hook";
        packet_id: u64 as Id, "number of the packet, unlike any other's of the run";
        direction: Option<&'a str> as Text, "rx (to this host), tx (from it) or forward (through it)";
        ended: Option<&'a str> as Text, "delivered (to an application), transmitted, forwarded (both: the driver took it), dropped, merged (by GRO into an earlier packet), consumed (by the stack) or unread (its socket was closed)";
        reason: Option<&'a str> as Text, "drop reason of a packet that was dropped";
        total_ns: u64 as Nanoseconds, "from the first hook to the last";
        stages: &'a [(&'static str, u64)] as Stamps, "hooks that it came by, with nanoseconds since the first";
        ifindex: u32 as Id, "index of the interface of the first hook in its namespace";
        netns_cookie: u64 as Id, "the kernel's number of that namespace: unique for the boot";
        src_ip: Option<IpAddr> as Address, "source address";
        dst_ip: Option<IpAddr> as Address, "destination address";
        src_port: Option<u16> as Id, "source port";
        dst_port: Option<u16> as Id, "destination port";
        protocol: u8 as Id, "IP protocol number";
        length_bytes: u32 as Bytes, "length of the packet at its first hook, from the network header on; of what GSO splits later or GRO has merged the sum";
    }
}
crate::plain_row!(Journey<'_>);
