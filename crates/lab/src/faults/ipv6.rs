//! IPv6 and its neighbour discovery.

use std::net::Ipv6Addr;

use super::{
    Count, ERRORS_V6, Expect, Fault, answered,
    inject::{Oracle, PORT, SOURCE_PORT, offer, path},
};
use crate::{
    Lab, Result, Role,
    frames::{ETHERNET, Family, TRANSPORT_V6, corrupt, patch},
};

/// Experimental (RFC 3692).
const UNKNOWN_PROTOCOL: u8 = 253;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "ipv6-bad-version",
        what: "packets of ethertype IPv6 that say they are version 5",
        family: Some(Family::V6),
        inject: |lab, n| edited(lab, n, ETHERNET, &[0x50], "Ip6InHdrErrors"),
        expect: |_| const { &[Expect::main("UNHANDLED_PROTO", "ip6_rcv_core")] },
    },
    Fault {
        name: "ipv6-length-too-long",
        what: "IPv6 packets that end before the length that they state",
        family: Some(Family::V6),
        inject: |lab, n| edited(lab, n, ETHERNET + 4, &[0x04, 0x00], "Ip6InTruncatedPkts"),
        expect: |_| const { &[Expect::main("PKT_TOO_SMALL", "ip6_rcv_core")] },
    },
    Fault {
        name: "ipv6-unknown-protocol",
        what: "IPv6 packets with a next header that the host does not speak",
        family: Some(Family::V6),
        inject: unknown_protocol,
        expect: |kernel| {
            answered(
                kernel,
                const { &[Expect::main("IP_NOPROTO", "ip6_protocol_deliver_rcu").or_in(&["ip6_input_finish"])] },
                const {
                    &[
                        Expect::main("IP_NOPROTO", "ip6_protocol_deliver_rcu").or_in(&["ip6_input_finish"]),
                        ERRORS_V6,
                    ]
                },
            )
        },
    },
    Fault {
        name: "icmp-bad-checksum-v6",
        what: "ICMPv6 messages with a wrong checksum",
        family: Some(Family::V6),
        inject: icmp_bad_checksum,
        expect: |_| const { &[Expect::main("ICMP_CSUM", "icmpv6_rcv")] },
    },
    Fault {
        name: "ipv6-loopback-source",
        what: "IPv6 packets from ::1 that come in from the wire",
        family: Some(Family::V6),
        inject: |lab, n| sourced(lab, n, Ipv6Addr::LOCALHOST),
        expect: |_| const { &[Expect::main("IP_INHDR", "ip6_rcv_core")] },
    },
    Fault {
        name: "ipv6-multicast-source",
        what: "IPv6 packets from a multicast address",
        family: Some(Family::V6),
        inject: |lab, n| sourced(lab, n, Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 9)),
        expect: |_| const { &[Expect::main("IP_INHDR", "ip6_rcv_core")] },
    },
    Fault {
        name: "ipv6-unicast-in-broadcast",
        what: "IPv6 packets for the host in broadcast frames, where that is refused",
        family: Some(Family::V6),
        inject: unicast_in_broadcast,
        expect: |_| const { &[Expect::main("UNICAST_IN_L2_MULTICAST", "ip6_rcv_core")] },
    },
    Fault {
        name: "ipv6-disabled",
        what: "IPv6 packets to an interface where IPv6 is disabled",
        family: Some(Family::V6),
        inject: disabled,
        expect: |_| {
            const {
                &[
                    Expect::main("IPV6DISABLED", "ip6_rcv_core"),
                    Expect::side("NOT_SPECIFIED", "ip6_mc_input", Role::Sender),
                ]
            }
        },
    },
];

fn datagram(lab: &Lab) -> Result<Vec<u8>> {
    path(lab).udp(Family::V6, (SOURCE_PORT, PORT), b"astray")
}

fn edited(lab: &Lab, n: u64, offset: usize, bytes: &[u8], counter: &'static str) -> Result<Count> {
    let mut frame = datagram(lab)?;
    patch(&mut frame, offset, bytes)?;
    offer(lab, &frame, n, Oracle::Receiver(counter))
}

fn sourced(lab: &Lab, n: u64, source: Ipv6Addr) -> Result<Count> {
    let frame = path(lab).from(source).udp(Family::V6, (SOURCE_PORT, PORT), b"astray")?;
    offer(lab, &frame, n, Oracle::Receiver("Ip6InHdrErrors"))
}

fn unicast_in_broadcast(lab: &Lab, n: u64) -> Result<Count> {
    let receiver = lab.receiver();
    let mut path = path(lab);
    path.mac.1 = [0xff; 6];
    let frame = path.udp(Family::V6, (SOURCE_PORT, PORT), b"astray")?;
    let key = format!("net.ipv6.conf.{}.drop_unicast_in_l2_multicast", receiver.interface);
    receiver.with_sysctl(&key, "1", || offer(lab, &frame, n, Oracle::Receiver("Ip6InHdrErrors")))
}

fn unknown_protocol(lab: &Lab, n: u64) -> Result<Count> {
    let frame = path(lab).raw(Family::V6, UNKNOWN_PROTOCOL, b"unheard of")?;
    offer(lab, &frame, n, Oracle::Receiver("Ip6InUnknownProtos"))
}

fn icmp_bad_checksum(lab: &Lab, n: u64) -> Result<Count> {
    let mut frame = path(lab).echo(Family::V6, 1, b"echo")?;
    corrupt(&mut frame, TRANSPORT_V6 + 2)?;
    offer(lab, &frame, n, Oracle::Receiver("Icmp6InCsumErrors"))
}

/// Disabling removes the interface's addresses; with them back, the host reports its groups to the sender.
fn disabled(lab: &Lab, n: u64) -> Result<Count> {
    let receiver = lab.receiver();
    let key = format!("net.ipv6.conf.{}.disable_ipv6", receiver.interface);
    let frame = datagram(lab)?;
    let reports = Oracle::Receiver("Icmp6OutMLDv2Reports");
    let before = reports.read(lab)?;
    let count =
        receiver.with_sysctl(&key, "1", || offer(lab, &frame, n, Oracle::Receiver("Ip6InDiscards")))?;
    lab.restore(Role::Receiver)?;
    Ok(Count { side: reports.read(lab)? - before, ..count })
}
