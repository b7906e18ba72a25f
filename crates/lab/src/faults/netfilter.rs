//! nftables and IPsec policies.

use std::net::IpAddr;

use super::{
    Count, ERRORS_V6, Expect, Fault, answered,
    inject::{Oracle, PORT, SOURCE_PORT, counted, offer, path, udp_socket},
};
use crate::{Lab, Result, frames::Family};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "nft-drop",
        what: "packets that an nftables rule drops",
        family: Some(Family::V4),
        inject: |lab, n| verdict(lab, Family::V4, n, "input", "drop"),
        expect: |_| const { &[Expect::main("NETFILTER_DROP", "nft_do_chain")] },
    },
    Fault {
        name: "nft-drop-v6",
        what: "IPv6 packets that an nftables rule drops",
        family: Some(Family::V6),
        inject: |lab, n| verdict(lab, Family::V6, n, "input", "drop"),
        expect: |_| const { &[Expect::main("NETFILTER_DROP", "nft_do_chain")] },
    },
    Fault {
        name: "nft-prerouting-drop",
        what: "packets that an nftables rule drops before they are routed",
        family: Some(Family::V4),
        inject: |lab, n| verdict(lab, Family::V4, n, "prerouting", "drop"),
        expect: |_| const { &[Expect::main("NETFILTER_DROP", "nft_do_chain")] },
    },
    Fault {
        name: "nft-reject",
        what: "packets that an nftables rule drops with an ICMP error",
        family: Some(Family::V4),
        inject: |lab, n| verdict(lab, Family::V4, n, "input", "reject"),
        expect: |_| const { &[Expect::main("NETFILTER_DROP", "nft_do_chain")] },
    },
    Fault {
        name: "nft-reject-v6",
        what: "IPv6 packets that an nftables rule drops with an ICMPv6 error",
        family: Some(Family::V6),
        inject: |lab, n| verdict(lab, Family::V6, n, "input", "reject"),
        expect: |kernel| {
            answered(
                kernel,
                const { &[Expect::main("NETFILTER_DROP", "nft_do_chain")] },
                const { &[Expect::main("NETFILTER_DROP", "nft_do_chain"), ERRORS_V6] },
            )
        },
    },
    Fault {
        name: "xfrm-policy",
        what: "packets that an IPsec policy blocks",
        family: Some(Family::V4),
        inject: |lab, n| xfrm_policy(lab, Family::V4, n),
        expect: |_| const { &[Expect::main("XFRM_POLICY", "udp_queue_rcv_one_skb")] },
    },
    Fault {
        name: "xfrm-policy-v6",
        what: "IPv6 packets that an IPsec policy blocks",
        family: Some(Family::V6),
        inject: |lab, n| xfrm_policy(lab, Family::V6, n),
        expect: |_| const { &[Expect::main("XFRM_POLICY", "udpv6_queue_rcv_one_skb")] },
    },
];

fn verdict(lab: &Lab, family: Family, n: u64, hook: &str, verdict: &str) -> Result<Count> {
    let frame = path(lab).udp(family, (SOURCE_PORT, PORT), b"guarded")?;
    let rule = format!("udp dport {PORT} counter name hit {verdict}");
    counted(lab.receiver(), "inet", hook, &rule, || offer(lab, &frame, n, Oracle::Nftables))
}

fn xfrm_policy(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let receiver = lab.receiver();
    let (source, destination): (IpAddr, IpAddr) = match family {
        Family::V4 => (lab.sender().v4.into(), receiver.v4.into()),
        Family::V6 => (lab.sender().v6.into(), receiver.v6.into()),
    };
    let selector = format!("src {source} dst {destination} proto udp dport {PORT} dir in");
    let on = format!("xfrm policy add {selector} action block");
    let off = format!("xfrm policy delete {selector}");
    let socket = udp_socket(receiver, family, PORT)?;
    let frame = path(lab).udp(family, (SOURCE_PORT, PORT), b"blocked")?;
    let count =
        receiver.with_ip(&[&on], &[&off], || offer(lab, &frame, n, Oracle::Receiver("XfrmInPolBlock")))?;
    drop(socket);
    Ok(count)
}
