//! Dropped packets: one record per group, or one per packet.

use crate::column::{Capture, Column, Link, Row, Shown, Time, Value};
use std::net::IpAddr;

crate::record! {
    /// One packet that the kernel freed as dropped.
    pub struct Drop<'a> = "drop" {
        time: Time as Time, "when the packet was freed";
        reason: Option<&'a str> as Text, "drop reason without its prefix, from the running kernel's BTF; the number where it has no name";
        reason_id: u32 as Id, "the kernel's number of the reason";
        subsystem: Option<&'a str> as Text, "who defines the reason: core, mac80211_unusable, openvswitch, ...";
        location: Option<&'a str> as Text, "symbol+0xoffset of the instruction after the free; null where kallsyms is hidden";
        interface: Option<&'a str> as Text, "name of the device the packet was on when it was freed, else of the one it came in by";
        ifindex: Option<u32> as Id, "index of that device in its namespace";
        netns: Option<u64> as Id, "inode of the network namespace, by the device, the socket or the route; null for what is freed from a UDP socket's queue, where a packet keeps none of them";
        netns_cookie: Option<u64> as Id, "the kernel's number of that namespace: unique for the boot, whereas inodes are used again";
        netns_name: Option<&'a str> as Text, "its name in /run/netns, where it has one and that is certain";
        src_ip: Option<IpAddr> as Address, "source address of the outermost IP header";
        dst_ip: Option<IpAddr> as Address, "destination address of the outermost IP header";
        src_port: Option<u16> as Id, "source port of TCP, UDP, UDP-Lite, SCTP or DCCP";
        dst_port: Option<u16> as Id, "destination port, likewise";
        protocol: Option<u8> as Id, "IP protocol number after extension headers";
        family: Option<&'a str> as Text, "ipv4, ipv6, arp, or the ethertype in hex; for packets that never were frames the socket's family";
        length_bytes: u32 as Bytes, "length of the packet as freed, headers that were already pulled not included";
        vlan: Option<u16> as Id, "VLAN id of the outermost tag that the packet still has, in its metadata or its bytes; null once the kernel has taken it off, be it for a VLAN interface or because there is none";
        tcp_flags: Option<&'a str> as Text, "TCP flags by letter: CEUAPRSF order as tcpdump's, absent flags left out";
        tunnel: Option<&'a str> as Text, "vxlan, geneve, gre or ipip where the packet carries another inside";
        inner_src_ip: Option<IpAddr> as Address, "source address inside the tunnel";
        inner_dst_ip: Option<IpAddr> as Address, "destination address inside the tunnel";
        inner_src_port: Option<u16> as Id, "source port inside the tunnel";
        inner_dst_port: Option<u16> as Id, "destination port inside the tunnel";
        inner_protocol: Option<u8> as Id, "IP protocol number inside the tunnel";
        rx_queue: Option<u16> as Id, "receive queue that the driver recorded; a veth records none, and with several queues leaves the sender's transmit queue less one here";
        cpu: u32 as Id, "CPU on which the packet was freed";
        pid: Option<u32> as Id, "process that was running; a bystander where in_softirq is true";
        comm: Option<&'a str> as Text, "its name";
        in_softirq: Option<bool> as Bool, "true where an interrupt freed the packet, so that pid and comm name a bystander; null where the kernel does not let us know, or not before the CPU's first softirq";
        uid: Option<u32> as Id, "owner of the packet's socket";
        cgroup: Option<u64> as Id, "cgroup id of the packet's socket";
        stack: Option<Vec<String>> as Texts, "kernel stack, innermost frame first; with --stack only";
    }
}

/// A [`Drop`] with the columns it shows and the bytes that were captured.
#[derive(Clone, Debug, Default)]
pub struct DropRow<'a> {
    /// The record.
    pub drop: Drop<'a>,
    /// Captured bytes and what they begin with.
    pub captured: Option<(Link, &'a [u8], u32)>,
}

impl Row for DropRow<'_> {
    fn record(&self) -> &'static str {
        Drop::RECORD
    }

    fn columns(&self) -> &'static [Column] {
        Drop::COLUMNS
    }

    fn walk(&self, cell: &mut dyn FnMut(usize, Value<'_>)) {
        self.drop.cells(Shown::ALL, cell);
    }

    fn capture(&self) -> Option<Capture<'_>> {
        // A packet of a Unix socket, or one whose headers are not written yet, has none: it is shown by its comment.
        let (link, bytes, length) = self.captured.unwrap_or((Link::Ip, &[], self.drop.length_bytes));
        let Drop { time, interface, netns, netns_cookie, .. } = self.drop;
        Some(Capture { time: time.0, interface, netns, netns_cookie, link, length, bytes })
    }
}

crate::record! {
    /// Packets dropped alike: by reason, location and interface, and by what --by adds.
    pub struct DropGroup<'a> = "drop_group" {
        time: Option<Time> as Time, "start of the interval; null in a run's total";
        duration_ns: u64 as Nanoseconds, "length of the interval or of the run";
        reason: Option<&'a str> as Text, "drop reason as in `drop`; null in the overflow group";
        reason_id: Option<u32> as Id, "the kernel's number of the reason; null in the overflow group";
        subsystem: Option<&'a str> as Text, "who defines the reason";
        location: Option<&'a str> as Text, "symbol+0xoffset of the instruction after the free";
        interface: Option<&'a str> as Text, "name of the device, as it was at the group's first packet";
        ifindex: Option<u32> as Id, "index of the device in its namespace";
        netns: Option<u64> as Id, "inode of the network namespace";
        netns_cookie: Option<u64> as Id, "the kernel's number of that namespace: unique for the boot, whereas inodes are used again";
        netns_name: Option<&'a str> as Text, "its name in /run/netns, where it has one and that is certain";
        packets: u64 as Count, "packets of the group";
        bytes: u64 as Bytes, "sum of their lengths";
        src_ip: Option<IpAddr> as Address, "with --by src_ip or flow";
        dst_ip: Option<IpAddr> as Address, "with --by dst_ip or flow";
        src_port: Option<u16> as Id, "with --by src_port or flow";
        dst_port: Option<u16> as Id, "with --by dst_port or flow";
        protocol: Option<u8> as Id, "with --by protocol or flow";
        pid: Option<u32> as Id, "with --by pid or process";
        comm: Option<&'a str> as Text, "with --by comm or process";
        in_softirq: Option<bool> as Bool, "with --by pid, comm or process: true where pid and comm name a bystander; null where the kernel does not let us know, or not before the CPU's first softirq";
        uid: Option<u32> as Id, "with --by uid";
        cgroup: Option<u64> as Id, "with --by cgroup";
        cpu: Option<u32> as Id, "with --by cpu";
        family: Option<&'a str> as Text, "with --by family";
        stack: Option<Vec<String>> as Texts, "with --by stack: innermost frame first";
    }
}

/// A [`DropGroup`] with the columns that --by chose.
#[derive(Clone, Debug)]
pub struct DropGroupRow<'a> {
    /// The record.
    pub group: DropGroup<'a>,
    /// The columns to show: see [`DropGroup::shown_for`].
    pub shown: Shown,
}

impl DropGroup<'_> {
    /// The columns that every group has, and those of `keys`, the expanded words of --by.
    pub fn shown_for(keys: &[&str]) -> Shown {
        let by_request = Self::COLUMNS.iter().skip_while(|column| column.name != "src_ip");
        let by_request: Vec<&str> = by_request.map(|column| column.name).collect();
        Shown::pick(Self::COLUMNS, |name| !by_request.contains(&name) || keys.contains(&name))
    }
}

impl Row for DropGroupRow<'_> {
    fn record(&self) -> &'static str {
        DropGroup::RECORD
    }

    fn columns(&self) -> &'static [Column] {
        DropGroup::COLUMNS
    }

    fn shown(&self) -> Shown {
        self.shown
    }

    fn walk(&self, cell: &mut dyn FnMut(usize, Value<'_>)) {
        self.group.cells(self.shown, cell);
    }
}
