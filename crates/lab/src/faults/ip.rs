//! IPv4: headers that lie, addresses that cannot be, and packets without a way to go.

use std::net::Ipv4Addr;

use super::{
    Count, Expect, Fault,
    inject::{Oracle, PORT, SOURCE_PORT, offer, offer_heard, path},
    since,
};
use crate::{
    KernelVersion, Lab, Result,
    frames::{ETHERNET, Family, Path, TRANSPORT_V4, corrupt, fix_ipv4_checksum, patch},
};

/// RFC 5737: an address that is nowhere in the lab.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
/// Experimental (RFC 3692).
const UNKNOWN_PROTOCOL: u8 = 253;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "ip-bad-checksum",
        what: "IPv4 packets with a wrong header checksum",
        family: Some(Family::V4),
        inject: |lab, n| {
            edited(lab, n, &[(ETHERNET + 10, &[0xde, 0xad])], Oracle::Receiver("IpExtInCsumErrors"))
        },
        expect: |_| const { &[Expect::main("IP_CSUM", "ip_rcv_core")] },
    },
    Fault {
        name: "ip-bad-version",
        what: "packets of ethertype IPv4 that say they are version 5",
        family: Some(Family::V4),
        inject: |lab, n| healed(lab, n, &[(ETHERNET, &[0x55])], Oracle::Receiver("IpInHdrErrors")),
        expect: |_| const { &[Expect::main("IP_INHDR", "ip_rcv_core")] },
    },
    Fault {
        name: "ip-bad-header-length",
        what: "IPv4 packets whose header is shorter than 20 bytes",
        family: Some(Family::V4),
        inject: |lab, n| healed(lab, n, &[(ETHERNET, &[0x44])], Oracle::Receiver("IpInHdrErrors")),
        expect: |_| const { &[Expect::main("IP_INHDR", "ip_rcv_core")] },
    },
    Fault {
        name: "ip-length-too-long",
        what: "IPv4 packets that end before the length that they state",
        family: Some(Family::V4),
        inject: |lab, n| {
            healed(lab, n, &[(ETHERNET + 2, &[0x04, 0x00])], Oracle::Receiver("IpExtInTruncatedPkts"))
        },
        expect: |_| const { &[Expect::main("PKT_TOO_SMALL", "ip_rcv_core")] },
    },
    Fault {
        name: "ip-unknown-protocol",
        what: "IPv4 packets of a protocol that the host does not speak",
        family: Some(Family::V4),
        inject: unknown_protocol,
        expect: |_| {
            const { &[Expect::main("IP_NOPROTO", "ip_protocol_deliver_rcu").or_in(&["ip_local_deliver_finish"])] }
        },
    },
    Fault {
        name: "icmp-bad-checksum",
        what: "ICMP messages with a wrong checksum",
        family: Some(Family::V4),
        inject: icmp_bad_checksum,
        expect: |_| const { &[Expect::main("ICMP_CSUM", "icmp_rcv")] },
    },
    Fault {
        name: "ip-reverse-path",
        what: "IPv4 packets from an address that is reached another way, under strict reverse path filtering",
        family: Some(Family::V4),
        inject: reverse_path,
        expect: |_| const { &[Expect::main("IP_RPFILTER", "ip_rcv_finish_core")] },
    },
    Fault {
        name: "ip-loopback-source",
        what: "IPv4 packets from 127.0.0.0/8 that come in from the wire",
        family: Some(Family::V4),
        inject: |lab, n| sourced(lab, n, Ipv4Addr::LOCALHOST),
        expect: |kernel| {
            since(
                kernel,
                KernelVersion(6, 13),
                const { &[Expect::main("IP_LOCALNET", "ip_rcv_finish_core")] },
                const { &[Expect::main("NOT_SPECIFIED", "ip_rcv_finish_core")] },
            )
        },
    },
    Fault {
        name: "ip-own-source",
        what: "IPv4 packets from the wire with the host's own source address",
        family: Some(Family::V4),
        inject: |lab, n| sourced(lab, n, lab.receiver().v4),
        expect: |kernel| {
            since(
                kernel,
                KernelVersion(6, 13),
                const { &[Expect::main("IP_LOCAL_SOURCE", "ip_rcv_finish_core")] },
                const { &[Expect::main("NOT_SPECIFIED", "ip_rcv_finish_core")] },
            )
        },
    },
    Fault {
        name: "ip-multicast-source",
        what: "IPv4 packets from a multicast address",
        family: Some(Family::V4),
        inject: |lab, n| sourced(lab, n, Ipv4Addr::new(224, 0, 0, 9)),
        expect: |kernel| {
            since(
                kernel,
                KernelVersion(6, 13),
                const { &[Expect::main("IP_INVALID_SOURCE", "ip_rcv_finish_core")] },
                const { &[Expect::main("NOT_SPECIFIED", "ip_rcv_finish_core")] },
            )
        },
    },
    Fault {
        name: "ip-unicast-in-broadcast",
        what: "IPv4 packets for the host in broadcast frames, where that is refused",
        family: Some(Family::V4),
        inject: unicast_in_broadcast,
        expect: |_| const { &[Expect::main("UNICAST_IN_L2_MULTICAST", "ip_rcv_finish_core")] },
    },
];

fn datagram(path: Path) -> Result<Vec<u8>> {
    path.udp(Family::V4, (SOURCE_PORT, PORT), b"astray")
}

/// Sends a datagram with `edits` written over it.
fn edited(lab: &Lab, n: u64, edits: &[(usize, &[u8])], oracle: Oracle) -> Result<Count> {
    let mut frame = datagram(path(lab))?;
    for (offset, bytes) in edits {
        patch(&mut frame, *offset, bytes)?;
    }
    offer(lab, &frame, n, oracle)
}

/// Sends a datagram with `edits` written over it and a header checksum that is right all the same.
fn healed(lab: &Lab, n: u64, edits: &[(usize, &[u8])], oracle: Oracle) -> Result<Count> {
    let mut frame = datagram(path(lab))?;
    for (offset, bytes) in edits {
        patch(&mut frame, *offset, bytes)?;
    }
    fix_ipv4_checksum(&mut frame)?;
    offer(lab, &frame, n, oracle)
}

fn unknown_protocol(lab: &Lab, n: u64) -> Result<Count> {
    let frame = path(lab).raw(Family::V4, UNKNOWN_PROTOCOL, b"unheard of")?;
    offer(lab, &frame, n, Oracle::Receiver("IpInUnknownProtos"))
}

fn icmp_bad_checksum(lab: &Lab, n: u64) -> Result<Count> {
    let mut frame = path(lab).echo(Family::V4, 1, b"echo")?;
    corrupt(&mut frame, TRANSPORT_V4 + 2)?;
    offer(lab, &frame, n, Oracle::Receiver("IcmpInCsumErrors"))
}

fn reverse_path(lab: &Lab, n: u64) -> Result<Count> {
    let receiver = lab.receiver();
    let frame = datagram(path(lab).from(ELSEWHERE))?;
    let key = format!("net.ipv4.conf.{}.rp_filter", receiver.interface);
    receiver.with_sysctl(&key, "1", || offer(lab, &frame, n, Oracle::Receiver("TcpExtIPReversePathFilter")))
}

fn sourced(lab: &Lab, n: u64, source: Ipv4Addr) -> Result<Count> {
    let frame = datagram(path(lab).from(source))?;
    offer_heard(lab, &frame, n)
}

fn unicast_in_broadcast(lab: &Lab, n: u64) -> Result<Count> {
    let receiver = lab.receiver();
    let mut path = path(lab);
    path.mac.1 = [0xff; 6];
    let frame = datagram(path)?;
    let key = format!("net.ipv4.conf.{}.drop_unicast_in_l2_multicast", receiver.interface);
    receiver.with_sysctl(&key, "1", || offer_heard(lab, &frame, n))
}
