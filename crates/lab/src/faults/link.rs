//! Frames that a host hears and that are not for it.

use super::{
    Count, Expect, Fault,
    inject::{Oracle, PORT, SOURCE_PORT, counted, offer, offer_heard, offer_tagged, path},
};
use crate::{
    Lab, Result,
    frames::{self, Family},
};

/// Local experimental ethertype 1 (IEEE 802).
const UNKNOWN_ETHERTYPE: u16 = 0x88b5;

/// A VLAN that the lab has no interface for.
const VLAN: u16 = 42;
/// A hardware address that no host of the lab has.
const OTHER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x0c];

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "link-other-host",
        what: "frames for another hardware address, as a switch floods them",
        family: Some(Family::V4),
        inject: |lab, n| other_host(lab, Family::V4, n),
        expect: |_| const { &[Expect::main("OTHERHOST", "ip_rcv_core")] },
    },
    Fault {
        name: "link-other-host-v6",
        what: "IPv6 frames for another hardware address, as a switch floods them",
        family: Some(Family::V6),
        inject: |lab, n| other_host(lab, Family::V6, n),
        expect: |_| const { &[Expect::main("OTHERHOST", "ip6_rcv_core")] },
    },
    Fault {
        name: "link-unknown-vlan",
        what: "frames of a VLAN that the host has no interface for",
        family: Some(Family::V4),
        inject: |lab, n| unknown_vlan(lab, Family::V4, n),
        expect: |_| const { &[Expect::main("OTHERHOST", "ip_rcv_core")] },
    },
    Fault {
        name: "link-unknown-vlan-v6",
        what: "IPv6 frames of a VLAN that the host has no interface for",
        family: Some(Family::V6),
        inject: |lab, n| unknown_vlan(lab, Family::V6, n),
        expect: |_| const { &[Expect::main("OTHERHOST", "ip6_rcv_core")] },
    },
    Fault {
        name: "link-unknown-ethertype",
        what: "frames of a protocol that the host does not speak",
        family: None,
        inject: unknown_ethertype,
        expect: |_| const { &[Expect::main("UNHANDLED_PROTO", "__netif_receive_skb_core")] },
    },
];

fn other_host(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let mut path = path(lab);
    path.mac.1 = OTHER;
    let frame = path.udp(family, (SOURCE_PORT, PORT), b"for another")?;
    offer_heard(lab, &frame, n)
}

fn unknown_vlan(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let mut frame = path(lab).udp(family, (SOURCE_PORT, PORT), b"tagged")?;
    let length = frame.len();
    frames::tag(&mut frame, VLAN);
    offer_tagged(lab, &frame, length, n)
}

/// A packet socket that listens would be a protocol that speaks it.
fn unknown_ethertype(lab: &Lab, n: u64) -> Result<Count> {
    let receiver = lab.receiver();
    let frame = path(lab).ethernet(UNKNOWN_ETHERTYPE, &[0; 46]);
    let hook = format!("ingress device {}", receiver.interface);
    let rule = format!("meta protocol {UNKNOWN_ETHERTYPE} counter name hit");
    counted(receiver, "netdev", &hook, &rule, || offer(lab, &frame, n, Oracle::Nftables))
}
