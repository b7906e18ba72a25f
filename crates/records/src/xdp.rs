//! What XDP did to packets: per action, or one record per packet, and what went wrong.

use crate::column::{Column, Row, Shown, Time, Value};
use crate::histogram::{Histogram, set_spread};

crate::record! {
    /// A program that is attached to an interface.
    pub struct XdpProgram<'a> = "xdp_program" {
        interface: &'a str as Text, "name of the interface";
        ifindex: u32 as Id, "its index in its namespace";
        netns: u64 as Id, "inode of its network namespace";
        netns_name: Option<&'a str> as Text, "its name in /run/netns, where it has one";
        mode: &'a str as Text, "native (in the driver), generic (in the stack) or offloaded (on the card)";
        program: Option<&'a str> as Text, "name of the program, of which the kernel keeps 15 bytes; null, as what follows but its id, where we may not look";
        program_id: u32 as Id, "the kernel's id of the program";
        tag: Option<&'a str> as Text, "the kernel's digest of its instructions";
        loaded_at: Option<Time> as Time, "when it was loaded";
        uid: Option<u32> as Id, "the user who loaded it";
        components: Option<Vec<(String, String)>> as Map, "ids and names of the programs that run as parts of it, in their order: those that libxdp's dispatcher calls";
    }
}
crate::plain_row!(XdpProgram<'_>);

crate::record! {
    /// Packets of one interface that one program gave one verdict on.
    pub struct XdpAction<'a> = "xdp_action" {
        time: Option<Time> as Time, "start of the interval; null in a run's total";
        duration_ns: u64 as Nanoseconds, "length of the interval or of the run";
        interface: Option<&'a str> as Text, "name of the interface, as it was at the start";
        ifindex: Option<u32> as Id, "its index in its namespace";
        netns: Option<u64> as Id, "inode of its network namespace";
        netns_name: Option<&'a str> as Text, "its name in /run/netns, where it has one";
        mode: Option<&'a str> as Text, "native (in the driver) or generic (in the stack)";
        program: Option<&'a str> as Text, "name of the program";
        program_id: Option<u32> as Id, "the kernel's id of the program";
        action: Option<&'a str> as Text, "verdict: ABORTED, DROP, PASS, TX or REDIRECT; null where only the sum is known";
        cpu: Option<u32> as Id, "CPU on which the program ran; with --by cpu only";
        packets: Option<u64> as Count, "packets";
        bytes: Option<u64> as Bytes, "their lengths as frames, fragments included; where the action is null as the driver counts them (veth: without the Ethernet header of packets from a stack), and unknown from when another program took the place";
        packets_per_s: Option<f64> as Rate, "packets over the duration";
        bytes_per_s: Option<f64> as Rate, "bytes over the duration";
        mean_ns: Option<u64> as Nanoseconds, "mean time from entry to verdict, the clock's cost included; null where not timed";
        p50_ns: Option<u64> as Nanoseconds, "median, within 3.2 % as all percentiles";
        p90_ns: Option<u64> as Nanoseconds, "90th percentile";
        p99_ns: Option<u64> as Nanoseconds, "99th percentile";
        p999_ns: Option<u64> as Nanoseconds, "99.9th percentile";
        max_ns: Option<u64> as Nanoseconds, "the longest; in an interval, within 3.2 % where an earlier one was longer";
        clock_cost_ns: Option<u64> as Nanoseconds, "what measuring tells of nothing (two readings of the clock; for programs of others, of one that does nothing): included in the times, not subtracted";
        mechanism: Option<&'a str> as Text, "how a program of others is seen: fentry, or statistics (runs and their mean time by the kernel, bytes and drops by the driver's counters)";
        part_of: Option<u32> as Id, "the program that this one is a component of, and whose packets these are too; null for one by itself, and for one that runs in place of all of the other";
        drops: Option<u64> as Count, "packets dropped or aborted by the program, where the driver counts them, the action is null and no other program took the place";
    }
}

/// An [`XdpAction`] with the columns it shows.
#[derive(Clone, Debug)]
pub struct XdpActionRow<'a> {
    /// The record.
    pub action: XdpAction<'a>,
    /// Its columns.
    pub shown: Shown,
}

impl Row for XdpActionRow<'_> {
    fn record(&self) -> &'static str {
        XdpAction::RECORD
    }

    fn columns(&self) -> &'static [Column] {
        XdpAction::COLUMNS
    }

    fn shown(&self) -> Shown {
        self.shown
    }

    fn walk(&self, cell: &mut dyn FnMut(usize, Value<'_>)) {
        self.action.cells(self.shown, cell);
    }
}

impl XdpAction<'_> {
    /// The columns of a run: `cpu` with --by cpu, times where packets are timed.
    pub fn shown_for(by_cpu: bool, timed: bool) -> Shown {
        Self::shown_of(by_cpu, timed, false)
    }

    /// The same for programs of others.
    pub fn shown_watching(by_cpu: bool, timed: bool) -> Shown {
        Self::shown_of(by_cpu, timed, true)
    }

    fn shown_of(by_cpu: bool, timed: bool, watching: bool) -> Shown {
        let times = ["mean_ns", "p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns", "clock_cost_ns"];
        Shown::pick(Self::COLUMNS, |name| match name {
            "cpu" => by_cpu,
            "mechanism" | "part_of" | "drops" => watching,
            name => timed || !times.contains(&name),
        })
    }

    /// Sets the columns of a distribution.
    #[must_use]
    pub fn timed(mut self, times: &Histogram) -> Self {
        set_spread!(self, times);
        self
    }
}

crate::record! {
    /// One packet on its way through an XDP program.
    pub struct XdpPacket<'a> = "xdp_packet" {
        time: Time as Time, "when the program was entered";
        interface: &'a str as Text, "name of the interface, as it was at the start";
        netns: Option<u64> as Id, "inode of its network namespace";
        action: Option<&'a str> as Text, "verdict: ABORTED, DROP, PASS, TX or REDIRECT";
        processing_ns: Option<u32> as Nanoseconds, "time from entry to verdict, the clock's cost included; null where not timed";
        length_bytes: u32 as Bytes, "length of the frame, fragments included";
        cpu: u32 as Id, "CPU on which the program ran";
    }
}
crate::plain_row!(XdpPacket<'_>);

crate::record! {
    /// Packets that XDP could not treat as a verdict said, as the kernel reports them.
    pub struct XdpFault<'a> = "xdp_fault" {
        time: Option<Time> as Time, "start of the interval; null in a run's total";
        duration_ns: u64 as Nanoseconds, "length of the interval or of the run";
        interface: Option<&'a str> as Text, "name of the interface, as it was at the start";
        ifindex: Option<u32> as Id, "its index in its namespace";
        netns: Option<u64> as Id, "inode of its network namespace";
        program_id: Option<u32> as Id, "the kernel's id of the program";
        kind: Option<&'a str> as Text, "exception (the tracepoint xdp_exception), redirect (xdp_redirect_err), or tx (xdp_bulk_tx: frames that were not sent back, where the driver tells)";
        cause: Option<&'a str> as Text, "of an exception the verdict that was not or could not be carried out, ABORTED included; of the others the error, such as ENETDOWN, or `no room`";
        packets: u64 as Count, "packets";
    }
}
crate::plain_row!(XdpFault<'_>);

#[cfg(test)]
mod tests {
    use super::*;

    fn names(shown: Shown) -> Vec<&'static str> {
        let columns = XdpAction::COLUMNS.iter().enumerate();
        columns.filter(|(index, _)| shown.has(*index)).map(|(_, column)| column.name).collect()
    }

    #[test]
    fn what_was_not_asked_for_is_not_shown() {
        let (plain, all) = (names(XdpAction::shown_for(false, false)), XdpAction::shown_for(true, true));
        assert_eq!(plain.last(), Some(&"bytes_per_s"));
        assert!(!plain.contains(&"cpu") && !plain.contains(&"p50_ns"));
        assert_eq!(names(all).len() + 3, XdpAction::COLUMNS.len());
        assert_eq!(names(XdpAction::shown_watching(true, true)).len(), XdpAction::COLUMNS.len());
    }

    #[test]
    fn without_packets_no_time_is_known() {
        let action = XdpAction::default().timed(&Histogram::default());
        assert_eq!((action.mean_ns, action.p50_ns, action.max_ns), (None, None, None));
    }
}
