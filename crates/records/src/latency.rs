//! How long packets took from hook to hook: in sum, or one by one.

use crate::column::{Column, Row, Shown, Time, Value};
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
        overflow: u64 as Count, "packets within `samples` whose time was 68 s (2^36 ns) or longer: a percentile among them is told as the longest";
        interface: Option<&'a str> as Text, "with --by interface: name of the packets' first interface at the first packet there; this and all below is null in the overflow group";
        ifindex: Option<u32> as Id, "with --by interface: its index in its namespace";
        netns: Option<u64> as Id, "with --by interface or netns: inode of the namespace of that interface";
        netns_cookie: Option<u64> as Id, "with --by interface or netns: the kernel's number of that namespace: unique for the boot, whereas inodes are used again";
        netns_name: Option<&'a str> as Text, "with --by interface or netns: its name in /run/netns, where it has one and that is certain";
        cpu: Option<u32> as Id, "with --by cpu: CPU of the packets' first hook";
        src_ip: Option<IpAddr> as Address, "with --by src_ip or flow, as the packets have it: answers are a flow of their own";
        dst_ip: Option<IpAddr> as Address, "with --by dst_ip or flow";
        src_port: Option<u16> as Id, "with --by src_port or flow";
        dst_port: Option<u16> as Id, "with --by dst_port or flow";
        protocol: Option<u8> as Id, "with --by protocol or flow";
        family: Option<&'a str> as Text, "with --by protocol or family: ipv4 or ipv6";
        cgroup: Option<u64> as Id, "with --by cgroup: cgroup id of the packets' socket; null where no socket is known";
    }
}

/// A [`Stage`] with the columns that --by chose.
#[derive(Clone, Debug)]
pub struct StageRow<'a> {
    /// The record.
    pub stage: Stage<'a>,
    /// The columns to show: see [`Stage::shown_for`].
    pub shown: Shown,
}

impl Row for StageRow<'_> {
    fn record(&self) -> &'static str {
        Stage::RECORD
    }

    fn columns(&self) -> &'static [Column] {
        Stage::COLUMNS
    }

    fn shown(&self) -> Shown {
        self.shown
    }

    fn walk(&self, cell: &mut dyn FnMut(usize, Value<'_>)) {
        self.stage.cells(self.shown, cell);
    }
}

/// The columns that name a namespace.
const NETNS: [&str; 3] = ["netns", "netns_cookie", "netns_name"];

impl Stage<'_> {
    /// The columns that every stage has, and those of `keys`, the expanded words of --by.
    pub fn shown_for(keys: &[&str]) -> Shown {
        let by_request = Self::COLUMNS.iter().skip_while(|column| column.name != "interface");
        let by_request: Vec<&str> = by_request.map(|column| column.name).collect();
        let place = |name: &str| match keys.contains(&"interface") {
            true => name == "ifindex" || NETNS.contains(&name),
            false => keys.contains(&"netns") && NETNS.contains(&name),
        };
        Shown::pick(Self::COLUMNS, |name| !by_request.contains(&name) || keys.contains(&name) || place(name))
    }

    /// Sets the columns of a distribution.
    #[must_use]
    pub fn timed(mut self, times: &Histogram) -> Self {
        self.samples = times.count();
        self.overflow = times.overflow;
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
        pid: Option<u32> as Id, "process that read the packet or sent it; null where that is not known";
        comm: Option<&'a str> as Text, "its name";
        uid: Option<u32> as Id, "owner of the packet's socket; null where it came to none";
        cgroup: Option<u64> as Id, "cgroup id of the packet's socket";
    }
}
crate::plain_row!(Journey<'_>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_without_a_bucket_are_told() {
        let mut times = Histogram::default();
        times.add_times(1000, 3);
        times.add_times(1 << 36, 2);
        let stage = Stage::default().timed(&times);
        assert_eq!((stage.samples, stage.overflow, stage.max_ns), (5, 2, Some(1 << 36)));
        assert_eq!(Stage::default().timed(&Histogram::default()).overflow, 0);
    }
}
