//! The native columns of flows.

mod lengths;
mod sequences;
mod tcp;
mod times;
mod volume;

use super::derive;
use super::field::{Field, fields, table};
use super::ids;
use super::numbers::Ports;
use super::state;
use crate::column::Time;

table! {
    /// All columns that Plumb has of flows, under its own names.
    NATIVE, "flow", Full,
    &[
        IDENTITY,
        volume::COUNTS,
        volume::RATIO,
        lengths::IP,
        lengths::PAYLOAD,
        lengths::SEGMENT,
        times::GAPS,
        times::TOTALS,
        times::ACTIVITY,
        times::SUBFLOWS,
        times::BULKS,
        tcp::FLAGS,
        tcp::FIRST,
        tcp::WINDOWS,
        tcp::HANDSHAKE,
        times::HISTORY,
        volume::HEADERS,
        sequences::HISTOGRAMS,
        sequences::SPLT,
    ]
}

const IDENTITY: &[Field] = &fields! { Basic |flow|
    "time" Time "when the first packet came"
        => Time(flow.epoch(flow.numbers.start_ns));
    "end_time" Time "when the last packet came"
        => Time(flow.epoch(flow.numbers.last_ns));
    "duration_us" Microseconds "from the first packet to the last"
        => derive::duration_us(flow.numbers);
    "flow_id" Id "number of the flow and segment: 63 bits of a hash of addresses, ports, VLAN, protocol, ifindex and start"
        => ids::flow_id(flow.numbers, flow.epoch(flow.numbers.start_ns));
    "community_id" Text "Community ID version 1 with seed 0, as other tools have it; null of later fragments, whose ports are not known"
        => ids::community_id(flow.numbers);
    "interface" Text "name of the interface"
        => flow.interface;
    "ifindex" Id "its index in its namespace"
        => flow.numbers.ifindex;
    "vlan" Id "VLAN id of the outermost tag; null without one, and where the device took it off before the hook"
        => flow.numbers.vlan;
    "ip_version" Id "4 or 6"
        => if flow.numbers.src_ip.is_ipv4() { 4u8 } else { 6 };
    "protocol" Id "IP protocol number after extension headers"
        => flow.numbers.protocol;
    "src_ip" Address "the initiator's address"
        => flow.numbers.src_ip;
    "dst_ip" Address "the responder's address"
        => flow.numbers.dst_ip;
    "src_port" Id "the initiator's port, of TCP, UDP, UDP-Lite, SCTP or DCCP; null where there is none or it is not known (later fragments)"
        => match flow.numbers.ports { Ports::Ports(src, _) => Some(src), _ => None };
    "dst_port" Id "the responder's port, likewise"
        => match flow.numbers.ports { Ports::Ports(_, dst) => Some(dst), _ => None };
    "icmp_type" Id "type of the initiator's ICMP or ICMPv6 message; null of other protocols"
        => match flow.numbers.ports { Ports::Icmp(kind, _) => Some(kind), _ => None };
    "icmp_code" Id "code of that message"
        => match flow.numbers.ports { Ports::Icmp(_, code) => Some(code), _ => None };
    "initiator_known" Bool "true where a SYN or SYN+ACK said who began; false where it is who sent the first packet that was seen"
        => flow.numbers.initiator_known;
    "segment" Id "cuts by the active timeout before this record: 0, 1, 2 ... of one flow"
        => flow.numbers.segment;
    "end_reason" Id "why the record was written, as IPFIX flowEndReason: 1 idle, 2 active timeout, 3 end of the connection, 4 end of the run, 5 table full; null while the flow goes on"
        => Some(flow.numbers.end_reason).filter(|reason| *reason != 0);
    "final" Bool "whether the flow ended with this record; false where another segment follows or it goes on"
        => derive::is_final(flow.numbers);
    "hooks" Id "where packets were seen, as a sum: 1 XDP, 2 TC ingress, 4 TC egress; XDP alone sees what arrives, and nothing of bwd_ where that leaves by another way"
        => flow.numbers.hooks;
    "sampling" Count "one in how many flows was followed"
        => flow.sampling;
    "late_packets" Count "packets whose time was before that of the one before: their gap is taken as 0"
        => flow.numbers.late_packets;
    "conn_state" Text "state of the connection by what was seen of it, in Zeek's codes: S0, S1, SF, REJ, S2, S3, RSTO, RSTR, RSTOS0, RSTRH, SH, SHR, OTH"
        => state::conn_state(flow.numbers);
};
