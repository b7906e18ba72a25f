//! Traffic control: classifiers that drop, and queues that are full.

use super::{
    Count, Expect, Fault,
    inject::{Oracle, PORT, SOURCE_PORT, offer, path},
    since,
};
use crate::{Error, KernelVersion, Lab, Result, frames::Family};

/// Kind and options of a qdisc that refuses what is larger than its bucket at once, whatever the rate
/// (net/sched/sch_tbf.c, tbf_enqueue).
const TBF: (&str, &str) = ("tbf", "rate 1mbit burst 600 limit 10000");
/// A queue without room.
const PFIFO: (&str, &str) = ("pfifo", "limit 0");

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "tc-ingress",
        what: "packets that a BPF classifier drops as they come in",
        family: Some(Family::V4),
        inject: |lab, n| ingress(lab, Family::V4, n),
        expect: |_| const { &[Expect::main("TC_INGRESS", "__netif_receive_skb_core")] },
    },
    Fault {
        name: "tc-ingress-v6",
        what: "IPv6 packets that a BPF classifier drops as they come in",
        family: Some(Family::V6),
        inject: |lab, n| ingress(lab, Family::V6, n),
        expect: |_| const { &[Expect::main("TC_INGRESS", "__netif_receive_skb_core")] },
    },
    Fault {
        name: "tc-egress",
        what: "packets that a BPF classifier drops as they go out",
        family: Some(Family::V4),
        inject: |lab, n| egress(lab, Family::V4, n),
        expect: |_| const { &[Expect::main("TC_EGRESS", "__dev_queue_xmit").at_sender()] },
    },
    Fault {
        name: "tc-egress-v6",
        what: "IPv6 packets that a BPF classifier drops as they go out",
        family: Some(Family::V6),
        inject: |lab, n| egress(lab, Family::V6, n),
        expect: |_| const { &[Expect::main("TC_EGRESS", "__dev_queue_xmit").at_sender()] },
    },
    Fault {
        name: "qdisc-tbf",
        what: "packets larger than the bucket of the token bucket filter they leave through",
        family: Some(Family::V4),
        inject: |lab, n| qdisc(lab, Family::V4, n, TBF),
        expect: queue_drops,
    },
    Fault {
        name: "qdisc-tbf-v6",
        what: "IPv6 packets larger than the bucket of the token bucket filter they leave through",
        family: Some(Family::V6),
        inject: |lab, n| qdisc(lab, Family::V6, n, TBF),
        expect: queue_drops,
    },
    Fault {
        name: "qdisc-limit",
        what: "packets that find the queue of their interface full",
        family: Some(Family::V4),
        inject: |lab, n| qdisc(lab, Family::V4, n, PFIFO),
        expect: queue_drops,
    },
    Fault {
        name: "qdisc-limit-v6",
        what: "IPv6 packets that find the queue of their interface full",
        family: Some(Family::V6),
        inject: |lab, n| qdisc(lab, Family::V6, n, PFIFO),
        expect: queue_drops,
    },
];

/// Before Linux 6.3 the place was where the list of packets is walked, not whose list it is (net/core/skbuff.c).
fn queue_drops(kernel: KernelVersion) -> &'static [Expect] {
    since(
        kernel,
        KernelVersion(6, 3),
        const { &[Expect::main("QDISC_DROP", "__dev_queue_xmit").at_sender()] },
        const { &[Expect::main("QDISC_DROP", "kfree_skb_list_reason").at_sender()] },
    )
}

/// Classic BPF in `tc`'s notation that drops (TC_ACT_SHOT) the datagrams to [`PORT`] and lets the rest go on
/// (TC_ACT_UNSPEC): ethertype, protocol and port at fixed places behind an Ethernet header.
fn dropper(family: Family) -> String {
    let (ethertype, protocol, port) = match family {
        Family::V4 => (0x0800, 23, 36),
        Family::V6 => (0x86dd, 20, 56),
    };
    format!(
        "8,40 0 0 12,21 0 5 {ethertype},48 0 0 {protocol},21 0 3 17,40 0 0 {port},21 0 1 {PORT},6 0 0 2,6 0 0 4294967295"
    )
}

fn ingress(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let receiver = lab.receiver();
    let device = receiver.interface;
    let on = [
        format!("qdisc add dev {device} clsact"),
        format!("filter add dev {device} ingress bpf da bytecode '{}'", dropper(family)),
    ];
    let off = format!("qdisc del dev {device} clsact");
    let frame = path(lab).udp(family, (SOURCE_PORT, PORT), b"classified")?;
    receiver.with_tc(&[&on[0], &on[1]], &[&off], || offer(lab, &frame, n, Oracle::ReceiverQdisc("clsact")))
}

fn egress(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let sender = lab.sender();
    let device = sender.interface;
    let on = [
        format!("qdisc add dev {device} clsact"),
        format!("filter add dev {device} egress bpf da bytecode '{}'", dropper(family)),
    ];
    let off = format!("qdisc del dev {device} clsact");
    sender.with_tc(&[&on[0], &on[1]], &[&off], || refused(lab, family, n, 10, Oracle::SenderQdisc("clsact")))
}

fn qdisc(lab: &Lab, family: Family, n: u64, (kind, options): (&'static str, &str)) -> Result<Count> {
    let sender = lab.sender();
    let device = sender.interface;
    let on = format!("qdisc add dev {device} root {kind} {options}");
    let off = format!("qdisc del dev {device} root");
    sender.with_tc(&[&on], &[&off], || refused(lab, family, n, 1200, Oracle::SenderQdisc(kind)))
}

/// Sends `n` datagrams that the sender's own interface refuses, of which ENOBUFS tells the caller.
fn refused(lab: &Lab, family: Family, n: u64, length: usize, oracle: Oracle) -> Result<Count> {
    let frame = path(lab).udp(family, (SOURCE_PORT, PORT), &vec![0; length])?;
    let socket = lab.sender().packet_sender()?;
    let send = || {
        for _ in 0..n {
            match socket.send(&frame) {
                Err(error) if error.raw_os_error() != Some(libc::ENOBUFS) => {
                    return Err(Error::io("send a frame")(error));
                }
                _ => {}
            }
        }
        Ok(())
    };
    oracle.watch(lab, n, send).map(Count::main)
}
