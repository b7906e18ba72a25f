//! One record per packet.

use crate::column::Time;
use std::net::IpAddr;

crate::record! {
    /// One packet at one hook. Headers of tunnels' insides are not looked at.
    pub struct Packet<'a> = "packet" {
        time: Time as Time, "when the packet came to the hook, or was captured";
        interface: Option<&'a str> as Text, "name of the interface; null in a capture";
        ifindex: Option<u32> as Id, "its index in its namespace; null in a capture";
        direction: Option<&'a str> as Text, "ingress (received) or egress (sent); null in a capture";
        src_ip: Option<IpAddr> as Address, "source address";
        dst_ip: Option<IpAddr> as Address, "destination address";
        src_port: Option<u16> as Id, "source port of TCP, UDP, UDP-Lite, SCTP or DCCP; null where there is none or it is not known (later fragments)";
        dst_port: Option<u16> as Id, "destination port, likewise";
        icmp_type: Option<u8> as Id, "type of the ICMP or ICMPv6 message; null of other protocols";
        icmp_code: Option<u8> as Id, "code of that message";
        protocol: u8 as Id, "IP protocol number after extension headers";
        ip_version: u8 as Id, "4 or 6";
        vlan: Option<u16> as Id, "VLAN id of the outermost tag; null without one, and where the device took it off before the hook";
        frame_len: u32 as Bytes, "length of the frame, without preamble and checksum; of what GSO splits later or GRO has merged that of the whole";
        ip_len: u32 as Bytes, "length from the IP header on, by that header, without the frame's padding";
        payload_len: u32 as Bytes, "length after the transport header, or after the IP headers where that is not known";
        l3_header_len: u16 as Bytes, "length of the IP header with options or extension headers";
        l4_header_len: Option<u16> as Bytes, "length of the transport header; null where there is none that is known";
        tcp_flags: Option<u16> as Id, "TCP flags, 12 bits; null of other protocols, as all that is of TCP";
        tcp_window: Option<u16> as Id, "window, unscaled";
        tcp_seq: Option<u32> as Id, "sequence number";
        tcp_ack: Option<u32> as Id, "acknowledgement number, also where the ACK flag is not set";
        ip_id: Option<u32> as Id, "identification of the IPv4 header or of the IPv6 fragment header; null where there is none";
        icmp_id: Option<u16> as Id, "identifier of an ICMP or ICMPv6 echo; null of other messages";
        ttl: u8 as Id, "TTL or hop limit";
        dscp: u8 as Id, "differentiated services code point, 6 bits";
        ecn: u8 as Id, "explicit congestion notification, 2 bits";
        fragment: Option<&'a str> as Text, "first or later; null where the packet is whole";
        truncated: bool as Bool, "true where the frame ends before its headers do: what was not reached is null or 0";
        gso_segments: u16 as Count, "packets that this one is on the wire; 1 where it is not a super-packet";
        rx_queue: Option<u32> as Id, "receive queue; null at TC, where it is not known, and in a capture";
        cpu: Option<u32> as Id, "CPU of the hook; null in a capture";
    }
}
crate::plain_row!(Packet<'_>);

crate::record! {
    /// Frames of one kind that became no `packet` record: the ledger's `passed_over`, taken apart. Written at the end.
    pub struct PacketOther<'a> = "packet_other" {
        duration_ns: u64 as Nanoseconds, "length of the run";
        ethertype: Option<&'a str> as Text, "name or number in hex, behind VLAN tags; null of what found no room among 64 kinds";
        malformed: bool as Bool, "true where it should be IP by its ethertype, and its IP header is none or not whole";
        packets: u64 as Count, "frames";
        bytes: Option<u64> as Bytes, "their lengths; null of what found no room";
    }
}
crate::plain_row!(PacketOther<'_>);
