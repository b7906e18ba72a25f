//! Fragments that come twice, and fragments whose rest never comes.

use std::time::Duration;

use super::{
    Count, ERRORS_V6, Expect, Fault,
    inject::{Oracle, PORT, SOURCE_PORT, path, udp_socket},
    since,
};
use crate::{Error, KernelVersion, Lab, Result, frames::Family};

/// Bytes of the IP payload in the first fragment.
const FIRST: u16 = 64;
/// The reasons of reassembly came with this version; before it they were not specified.
const REASONS: KernelVersion = KernelVersion(6, 2);

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "fragment-duplicate",
        what: "IPv4 fragments that came before",
        family: Some(Family::V4),
        inject: |lab, n| duplicate(lab, Family::V4, n),
        expect: |kernel| {
            since(
                kernel,
                REASONS,
                const { &[Expect::main("DUP_FRAG", "ip_frag_queue").or_in(&["ip_defrag"])] },
                const { &[Expect::main("NOT_SPECIFIED", "ip_frag_queue").or_in(&["ip_defrag"])] },
            )
        },
    },
    Fault {
        name: "fragment-duplicate-v6",
        what: "IPv6 fragments that came before",
        family: Some(Family::V6),
        inject: |lab, n| duplicate(lab, Family::V6, n),
        expect: |kernel| {
            since(
                kernel,
                REASONS,
                const { &[Expect::main("DUP_FRAG", "ip6_frag_queue").or_in(&["ipv6_frag_rcv"])] },
                const { &[Expect::main("NOT_SPECIFIED", "ip6_frag_queue").or_in(&["ipv6_frag_rcv"])] },
            )
        },
    },
    Fault {
        name: "fragment-timeout",
        what: "IPv4 packets of which only the first fragment arrives",
        family: Some(Family::V4),
        inject: |lab, n| timeout(lab, Family::V4, n),
        expect: |kernel| {
            since(
                kernel,
                REASONS,
                const { &[Expect::main("FRAG_REASM_TIMEOUT", "ip_expire")] },
                const { &[Expect::main("NOT_SPECIFIED", "ip_expire")] },
            )
        },
    },
    Fault {
        name: "fragment-timeout-v6",
        what: "IPv6 packets of which only the first fragment arrives",
        family: Some(Family::V6),
        inject: |lab, n| timeout(lab, Family::V6, n),
        expect: |kernel| {
            since(
                kernel,
                REASONS,
                const {
                    &[Expect::main("FRAG_REASM_TIMEOUT", "ip6frag_expire_frag_queue")
                        .or_in(&["ip6_frag_expire"])]
                },
                const {
                    &[
                        Expect::main("NOT_SPECIFIED", "ip6frag_expire_frag_queue")
                            .or_in(&["ip6_frag_expire"]),
                        ERRORS_V6,
                    ]
                },
            )
        },
    },
];

/// Sends the first of two fragments `n` times too often, then the last, so that the packet is complete.
fn duplicate(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let oracle = Oracle::Receiver(match family {
        Family::V4 => "IpReasmReqds",
        Family::V6 => "Ip6ReasmReqds",
    });
    let socket = udp_socket(lab.receiver(), family, PORT)?;
    let sender = lab.sender().packet_sender()?;
    let [first, last] = path(lab).fragments(family, (SOURCE_PORT, PORT), 1, FIRST)?;
    let fragments = oracle.watch(lab, n + 2, || {
        sender.repeat(&first, n + 1)?;
        sender.repeat(&last, 1)
    })?;
    socket.set_read_timeout(Some(Duration::from_secs(5))).map_err(Error::io("limit a socket's patience"))?;
    socket.recv(&mut [0; 256]).map_err(Error::io("read the packet that was in fragments"))?;
    Ok(Count::main(fragments - 2))
}

/// Sends the first fragments of `n` packets to a receiver that has no patience at all.
fn timeout(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let (patience, oracle) = match family {
        Family::V4 => ("net.ipv4.ipfrag_time", Oracle::Receiver("IpReasmTimeout")),
        Family::V6 => ("net.ipv6.ip6frag_time", Oracle::Receiver("Ip6ReasmTimeout")),
    };
    let sender = lab.sender().packet_sender()?;
    let send = || {
        // The identifiers that follow the one of `duplicate`; with 16 bits they come again only when long forgotten.
        for identifier in 0..n {
            let [first, _] = path(lab).fragments(family, (SOURCE_PORT, PORT), identifier as u16, FIRST)?;
            sender.repeat(&first, 1)?;
        }
        Ok(())
    };
    lab.receiver().with_sysctl(patience, "0", || oracle.watch(lab, n, send)).map(Count::main)
}
