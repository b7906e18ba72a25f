//! Reasons of queueing disciplines on the way out.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "QDISC_DROP",
        what: "The queueing discipline refused or threw out the packet on its way out (__dev_xmit_skb). \
               The kernel gives no finer reason here: a full queue, a shaper over its limit, an active \
               queue manager, or a filter of the qdisc that drops.",
        causes: &[
            "more traffic than the link or the configured rate carries",
            "a queue limit too small for bursts (pfifo, tbf, htb classes), or packets larger than tbf's \
             burst",
            "on a virtual device: a qdisc left over from a test (netem loss, tbf)",
        ],
        next: &[
            "tc -s -d qdisc show dev IFACE",
            "tc -s class show dev IFACE",
            "ip -s link show dev IFACE",
            "plumb drops --reason QDISC_DROP --by flow",
        ],
        kernels: Some(
            "On 6.1 and 6.12 all qdiscs except fq on 6.12 use it; from 6.18 those with active queue \
             management give QDISC_OVERLIMIT or QDISC_CONGESTED.",
        ),
        related: &["QDISC_OVERLIMIT", "QDISC_CONGESTED", "TC_EGRESS"],
    },
    Entry {
        name: "QDISC_OVERLIMIT",
        what: "The qdisc reached its packet or memory limit and dropped to make room. Used by qdiscs \
               such as codel, fq_codel, pie, red, sfb, cake and dualpi2; which flow loses depends on \
               the qdisc (fq_codel and cake take from the fattest).",
        causes: &[
            "a burst or overload larger than the limit",
            "a limit lowered by configuration (limit, memory_limit, memlimit)",
            "large GSO packets that eat a memory limit quickly",
        ],
        next: &[
            "tc -s -d qdisc show dev IFACE",
            "plumb drops --reason QDISC_OVERLIMIT --by flow",
            "ip -s link show dev IFACE",
        ],
        kernels: Some("On 6.1 and 6.12 QDISC_DROP."),
        related: &["QDISC_DROP", "QDISC_CONGESTED"],
    },
    Entry {
        name: "QDISC_CONGESTED",
        what: "An active queue manager dropped the packet early to signal congestion. codel, fq_codel, \
               pie, red, sfb, cake, dualpi2 and their like do so where they cannot mark with ECN, while \
               the delay or queue is above target. This is the qdisc at work.",
        causes: &[
            "normal operation of a saturated link or shaper",
            "a target too low for this link (slow links and codel's 5 ms)",
            "senders that do not use ECN",
        ],
        next: &[
            "tc -s -d qdisc show dev IFACE",
            "plumb drops --reason QDISC_CONGESTED --by flow",
            "sysctl net.ipv4.tcp_ecn",
        ],
        kernels: Some("On 6.1 and 6.12 QDISC_DROP."),
        related: &["QDISC_OVERLIMIT", "QDISC_DROP", "CAKE_FLOOD", "DUALPI2_STEP_DROP"],
    },
    Entry {
        name: "CAKE_FLOOD",
        what: "CAKE's flood protection (the BLUE half of its COBALT algorithm) dropped a packet of a \
               flow that does not slow down. cobalt_should_drop raises it with a probability that grows \
               while that flow keeps its queue full.",
        causes: &[
            "a UDP stream or an attack that ignores congestion",
            "a shaper rate far below what a flow sends",
        ],
        next: &["tc -s -d qdisc show dev IFACE", "plumb drops --reason CAKE_FLOOD --by flow"],
        kernels: Some("On 6.1 and 6.12 QDISC_DROP."),
        related: &["QDISC_CONGESTED", "QDISC_OVERLIMIT"],
    },
    Entry {
        name: "FQ_BAND_LIMIT",
        what: "One priority band of the fq qdisc is full: it holds as many packets as the limit of the \
               whole qdisc. fq_enqueue drops the newcomer.",
        causes: &[
            "a link slower than the senders of that band",
            "unpaced UDP or forwarded traffic in large amounts",
            "a small limit",
        ],
        next: &["tc -s -d qdisc show dev IFACE", "plumb drops --reason FQ_BAND_LIMIT --by flow"],
        kernels: Some("6.1 shows QDISC_DROP; its fq has no bands, the limit covers the qdisc."),
        related: &["FQ_FLOW_LIMIT", "QDISC_OVERLIMIT"],
    },
    Entry {
        name: "FQ_HORIZON_LIMIT",
        what: "The packet asks to be sent too far in the future, beyond fq's horizon (10 s unless set), \
               and horizon_drop is on. fq_enqueue drops it.",
        causes: &[
            "a program using SO_TXTIME or a BPF program that sets departure times wrongly (clock, unit)",
            "pacing so slow that departure times run away: a tiny SO_MAX_PACING_RATE or BPF rate limit \
             with much traffic",
        ],
        next: &["tc -s -d qdisc show dev IFACE", "plumb drops --reason FQ_HORIZON_LIMIT --by process,flow"],
        kernels: Some("6.1 shows QDISC_DROP."),
        related: &["FQ_FLOW_LIMIT", "FQ_BAND_LIMIT"],
    },
    Entry {
        name: "FQ_FLOW_LIMIT",
        what: "One flow has more packets in the fq qdisc than it may (flow_limit, 100 unless set). \
               fq_enqueue drops the newcomer. Local TCP rarely gets there, since it limits itself.",
        causes: &[
            "UDP or forwarded traffic sent faster than its pacing or the link allows",
            "several connections hashed to one flow, as in tunnels",
        ],
        next: &["tc -s -d qdisc show dev IFACE", "plumb drops --reason FQ_FLOW_LIMIT --by flow"],
        kernels: Some("6.1 shows QDISC_DROP."),
        related: &["FQ_BAND_LIMIT", "FQ_HORIZON_LIMIT"],
    },
    Entry {
        name: "DUALPI2_STEP_DROP",
        what: "A packet in DualPI2's low-latency queue waited longer than the step threshold and could \
               not be marked with ECN. The dequeue function of dualpi2 drops it instead.",
        causes: &[
            "traffic that is not ECN capable classified into the low-latency queue",
            "a step threshold too low for the link or for bursts",
        ],
        next: &["tc -s -d qdisc show dev IFACE", "plumb drops --reason DUALPI2_STEP_DROP --by flow"],
        kernels: None,
        related: &["QDISC_CONGESTED", "QDISC_OVERLIMIT"],
    },
];
