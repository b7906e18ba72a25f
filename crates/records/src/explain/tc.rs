//! Reasons of programmable hooks at the device: TC filters and actions, XDP.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "TC_INGRESS",
        what: "A TC filter, action or TCX program on ingress told the kernel to drop \
               (sch_handle_ingress). Packet sockets have seen the packet before; IP and netfilter have \
               not.",
        causes: &[
            "a policer or a drop action of tc filter",
            "a BPF program of a CNI agent, load balancer or firewall (TC_ACT_SHOT, TCX_DROP)",
        ],
        next: &[
            "tc -s filter show dev IFACE ingress",
            "bpftool net show dev IFACE",
            "plumb drops --reason TC_INGRESS --by flow",
        ],
        kernels: None,
        related: &["TC_EGRESS", "XDP", "NETFILTER_DROP"],
    },
    Entry {
        name: "TC_EGRESS",
        what: "A TC filter, action or TCX program on egress told the kernel to drop \
               (sch_handle_egress), before the qdisc. The sending program may see ENOBUFS.",
        causes: &[
            "a BPF program of a CNI agent or firewall (TC_ACT_SHOT, TCX_DROP)",
            "a policer or drop action on clsact egress",
        ],
        next: &[
            "tc -s filter show dev IFACE egress",
            "bpftool net show dev IFACE",
            "plumb drops --reason TC_EGRESS --by flow",
        ],
        kernels: None,
        related: &["TC_INGRESS", "QDISC_DROP", "BPF_CGROUP_EGRESS"],
    },
    Entry {
        name: "XDP",
        what: "A redirect by a generic (skb mode) XDP program failed. do_xdp_generic frees the packet \
               when xdp_do_generic_redirect returns an error. XDP_DROP and XDP_ABORTED do not get this \
               reason.",
        causes: &[
            "the target interface is down, missing in the devmap, or has a smaller MTU",
            "an AF_XDP socket whose ring is full, or nobody at that map index",
        ],
        next: &[
            "bpftool net show",
            "plumb drops --reason XDP --by flow",
            "ip -d link show dev IFACE",
            "bpftool map show",
        ],
        kernels: Some(
            "Drops by generic XDP are NOT_SPECIFIED in do_xdp_generic; native XDP drops frames before \
             they are packets, and no reason exists.",
        ),
        related: &["TC_INGRESS", "NOT_SPECIFIED"],
    },
    Entry {
        name: "TC_CHAIN_NOTFOUND",
        what: "A goto chain action, or metadata left by hardware, names a TC chain that does not exist. \
               tcf_classify and tcf_action_exec then drop.",
        causes: &[
            "a chain deleted while filters still jump to it",
            "hardware offload that processed part of the chains while software was reconfigured",
        ],
        next: &[
            "tc -s filter show dev IFACE ingress",
            "tc chain show dev IFACE ingress",
            "plumb drops --reason TC_CHAIN_NOTFOUND --by flow",
        ],
        kernels: None,
        related: &["TC_COOKIE_ERROR", "TC_RECLASSIFY_LOOP", "TC_INGRESS"],
    },
    Entry {
        name: "TC_COOKIE_ERROR",
        what: "Hardware handed a packet over in the middle of a filter's actions, and the filter is \
               gone or changed. tcf_classify cannot resume from the cookie that the NIC left, so it \
               drops.",
        causes: &[
            "filters replaced or deleted while a NIC with TC offload processes packets",
            "a driver bug in handing over",
        ],
        next: &[
            "tc -s filter show dev IFACE ingress",
            "ethtool -k IFACE",
            "plumb drops --reason TC_COOKIE_ERROR --by flow",
        ],
        kernels: None,
        related: &["TC_CHAIN_NOTFOUND", "TC_INGRESS"],
    },
    Entry {
        name: "TC_RECLASSIFY_LOOP",
        what: "Classification went round in circles. __tcf_classify gives up after 16 jumps (reclassify \
               or goto chain); some kernels also raise it in __dev_xmit_skb when a mirred action sends \
               back into the qdisc that is being served.",
        causes: &[
            "filters whose goto chain or reclassify actions form a loop",
            "a mirred action that redirects egress of a device to itself",
        ],
        next: &[
            "tc -s filter show dev IFACE ingress",
            "tc -s filter show dev IFACE egress",
            "dmesg",
            "plumb drops --reason TC_RECLASSIFY_LOOP --by stack",
        ],
        kernels: Some("On 6.1 TC_INGRESS or TC_EGRESS."),
        related: &["TC_CHAIN_NOTFOUND", "RECURSION_LIMIT"],
    },
];
