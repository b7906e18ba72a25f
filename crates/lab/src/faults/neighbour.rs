//! Neighbours that do not answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    Count, ERRORS_V6, Expect, Fault, answered,
    inject::{Oracle, PORT, counted, udp_socket},
};
use crate::{Error, Lab, Result, Role, frames::Family, wait};

/// An address of the lab's own network that nobody has.
const NOBODY_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 99);
const NOBODY_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x99);

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "neighbour-failed",
        what: "IPv4 packets to a neighbour that does not answer ARP",
        family: Some(Family::V4),
        inject: |lab, n| failed(lab, Family::V4, n),
        expect: |_| {
            const { &[Expect::main("NEIGH_FAILED", "arp_error_report").or_in(&["neigh_invalidate"]).at_sender()] }
        },
    },
    Fault {
        name: "neighbour-failed-v6",
        what: "IPv6 packets to a neighbour that does not answer solicitations, which the other host hears in vain",
        family: Some(Family::V6),
        inject: |lab, n| failed(lab, Family::V6, n),
        expect: |kernel| {
            answered(
                kernel,
                const {
                    &[
                        Expect::main("NOT_SPECIFIED", "ndisc_error_report")
                            .or_in(&["neigh_invalidate"])
                            .at_sender(),
                        Expect::side("NOT_SPECIFIED", "ip6_mc_input", Role::Receiver),
                    ]
                },
                const {
                    &[
                        Expect::main("NOT_SPECIFIED", "ndisc_error_report")
                            .or_in(&["neigh_invalidate"])
                            .at_sender(),
                        Expect::side("NOT_SPECIFIED", "ip6_mc_input", Role::Receiver),
                        ERRORS_V6,
                    ]
                },
            )
        },
    },
    Fault {
        name: "neighbour-queue-full",
        what: "IPv4 packets beyond the queue of a neighbour that has yet to answer",
        family: Some(Family::V4),
        inject: queue_full,
        expect: |_| {
            const {
                &[
                    Expect::main("NEIGH_QUEUEFULL", "__neigh_event_send").at_sender(),
                    Expect::side("NEIGH_FAILED", "arp_error_report", Role::Sender)
                        .or_in(&["neigh_invalidate"]),
                ]
            }
        },
    },
];

/// One probe and no patience: the default is three, a second apart.
fn impatient<T>(lab: &Lab, family: Family, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let sender = lab.sender();
    let version = match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    };
    let prefix = format!("net.{version}.neigh.{}", sender.interface);
    sender.with_sysctl(&format!("{prefix}.mcast_solicit"), "1", || {
        sender.with_sysctl(&format!("{prefix}.retrans_time_ms"), "200", work)
    })
}

/// Sends `n` datagrams to a neighbour that is not there, and waits until the kernel has given up.
fn failed(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    impatient(lab, family, || {
        let sender = lab.sender();
        let nobody: IpAddr = match family {
            Family::V4 => NOBODY_V4.into(),
            Family::V6 => NOBODY_V6.into(),
        };
        let solicits = Oracle::Sender("Icmp6OutNeighborSolicits");
        let before = solicits.read(lab)?;
        let rule = format!("udp dport {PORT} counter name hit");
        let main = counted(sender, "inet", "output", &rule, || {
            let socket = udp_socket(sender, family, 0)?;
            for _ in 0..n {
                socket
                    .send_to(b"anybody?", (nobody, PORT))
                    .map_err(Error::io("send to a missing neighbour"))?;
            }
            sender.nft_counter()
        })?;
        wait::until("the neighbour to fail", wait::PATIENCE, || Ok(given_up(lab, nobody)?.then_some(())))?;
        forget(lab, nobody)?;
        Ok(Count { main, side: solicits.read(lab)? - before })
    })
}

fn given_up(lab: &Lab, address: IpAddr) -> Result<bool> {
    let sender = lab.sender();
    let entry =
        sender.tool(&["ip", "neighbour", "show", "to", &address.to_string(), "dev", sender.interface])?;
    Ok(!entry.contains("INCOMPLETE"))
}

fn forget(lab: &Lab, address: IpAddr) -> Result<()> {
    let sender = lab.sender();
    // It may be gone by itself.
    sender.tool(&["ip", "neighbour", "flush", "to", &address.to_string(), "dev", sender.interface]).map(drop)
}

fn queue_full(lab: &Lab, n: u64) -> Result<Count> {
    let sender = lab.sender();
    // Room for less than a packet: the kernel keeps the last one all the same (net/core/neighbour.c).
    let key = format!("net.ipv4.neigh.{}.unres_qlen_bytes", sender.interface);
    let count = sender.with_sysctl(&key, "1", || failed(lab, Family::V4, n + 1))?;
    Ok(Count { main: count.main - 1, side: 1 })
}
