//! Entries for whole subsystems, whose reasons are not in the core enum.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "CORE",
        what: "Reasons of the network core: the ones that this command explains one by one. Their \
               numbers change from kernel to kernel, the names do not; Plumb reads both from the \
               running kernel.",
        causes: &["see the entry of the reason itself"],
        next: &["plumb explain --list"],
        kernels: None,
        related: &["NOT_SPECIFIED"],
    },
    Entry {
        name: "MAC80211_UNUSABLE",
        what: "Wi-Fi: mac80211 found a received frame unusable and dropped it before the network stack \
               saw it. The reasons are named RX_DROP_U_ and what failed: decryption, replay check, \
               duplicates, protection of management frames, malformed A-MSDU or mesh frames.",
        causes: &[
            "keys out of step: roaming, rekeying, a wrong or stale key (MIC_FAIL, REPLAY, DECRYPT_FAIL, \
             NO_KEY_ID)",
            "retries of frames that had arrived (DUP): normal on a busy channel",
            "frames without the required protection (UNPROT_...): interference by others, or an attack",
        ],
        next: &["iw dev IFACE station dump", "iw dev IFACE link", "dmesg", "plumb drops --by stack"],
        kernels: Some("Not on 6.1. Its numbers carry the subsystem in the upper 16 bits."),
        related: &["MAC80211_MONITOR"],
    },
    Entry {
        name: "MAC80211_MONITOR",
        what: "Wi-Fi: mac80211 dropped a received frame for the host, but still shows it to monitor \
               interfaces. The reasons are named RX_DROP_M_ and what failed, such as an unexpected \
               four-address frame or a beacon with a wrong key index.",
        causes: &[
            "frames of another mode (WDS, mesh) than this interface is in",
            "a misbehaving or hostile station",
        ],
        next: &["iw dev", "iw dev IFACE station dump", "dmesg"],
        kernels: Some("In 6.12; gone in 6.18, where these reasons belong to MAC80211_UNUSABLE."),
        related: &["MAC80211_UNUSABLE"],
    },
    Entry {
        name: "OPENVSWITCH",
        what: "Open vSwitch dropped the packet in its kernel datapath. The reasons are named OVS_DROP_ \
               and the cause: LAST_ACTION (the actions ended without output), EXPLICIT, METER, \
               CONNTRACK, IP_TTL, RECURSION_LIMIT, DEFERRED_LIMIT, ACTION_ERROR and two of \
               fragmentation.",
        causes: &[
            "a flow that says drop, or a table miss: LAST_ACTION and EXPLICIT",
            "a meter over its rate",
            "conntrack or an action that failed (mark, commit, encapsulation)",
            "loops between bridges or patch ports: RECURSION_LIMIT, DEFERRED_LIMIT",
        ],
        next: &[
            "ovs-appctl dpctl/dump-flows -m",
            "ovs-ofctl dump-flows BRIDGE",
            "ovs-appctl ofproto/trace BRIDGE FLOW",
            "plumb drops --by flow",
        ],
        kernels: Some("Not on 6.1. A packet that finds no flow goes to user space first."),
        related: &["QDISC_DROP", "NETFILTER_DROP"],
    },
];
