//! IPv6 neighbour discovery that does not hold to its rules (RFC 4861).

use super::{
    Count, Expect, Fault,
    inject::{Oracle, offer, path},
    since,
};
use crate::{KernelVersion, Lab, Result, frames::Family};

/// Neighbour solicitation.
const SOLICITATION: u8 = 135;
/// Only a neighbour's packet still has this many hops to go.
const HOPS: u8 = 255;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "ndisc-hop-limit",
        what: "neighbour solicitations that have passed a router",
        family: Some(Family::V6),
        inject: |lab, n| solicit(lab, n, 64, 0, &[]),
        expect: |kernel| expect(kernel, const { &[Expect::main("IPV6_NDISC_HOP_LIMIT", "icmpv6_rcv")] }),
    },
    Fault {
        name: "ndisc-code",
        what: "neighbour solicitations with an unknown code",
        family: Some(Family::V6),
        inject: |lab, n| solicit(lab, n, HOPS, 1, &[]),
        expect: |kernel| expect(kernel, const { &[Expect::main("IPV6_NDISC_BAD_CODE", "icmpv6_rcv")] }),
    },
    Fault {
        name: "ndisc-options",
        what: "neighbour solicitations with an option of no length",
        family: Some(Family::V6),
        inject: |lab, n| solicit(lab, n, HOPS, 0, &[1, 0, 0, 0, 0, 0, 0, 0]),
        expect: |kernel| expect(kernel, const { &[Expect::main("IPV6_NDISC_BAD_OPTIONS", "icmpv6_rcv")] }),
    },
];

/// Before Linux 6.3 each neighbour discovery packet ended as a drop without a reason (net/ipv6/icmp.c).
fn expect(kernel: KernelVersion, expected: &'static [Expect]) -> &'static [Expect] {
    since(kernel, KernelVersion(6, 3), expected, const { &[Expect::main("NOT_SPECIFIED", "icmpv6_rcv")] })
}

/// Asks for the receiver's own address.
fn solicit(lab: &Lab, n: u64, hops: u8, code: u8, options: &[u8]) -> Result<Count> {
    let mut path = path(lab);
    path.ttl = hops;
    let body = [&lab.receiver().v6.octets()[..], options].concat();
    let frame = path.icmpv6(SOLICITATION, code, &body)?;
    offer(lab, &frame, n, Oracle::Receiver("Icmp6InNeighborSolicits"))
}
