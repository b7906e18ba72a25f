//! Reasons of checksums, segmentation and copies that software does where hardware could not.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "SKB_CSUM",
        what: "The checksum of a packet could not be filled in, or was wrong where only generic code \
               looked. tap_handle_frame raises it when skb_checksum_help fails for a macvtap reader \
               without checksum offload; rawv6_rcv and rawv6_rcv_skb when a raw IPv6 socket's checksum \
               does not match.",
        causes: &[
            "a damaged or forged packet to a raw IPv6 socket (IPV6_CHECKSUM, or a filter attached)",
            "a guest sending offload metadata with a bad checksum offset through macvtap",
        ],
        next: &["plumb drops --reason SKB_CSUM --by flow", "ss -wanp", "ethtool -k IFACE"],
        kernels: Some("On 6.1 only the macvtap case."),
        related: &["TCP_CSUM", "UDP_CSUM", "SKB_GSO_SEG"],
    },
    Entry {
        name: "SKB_GSO_SEG",
        what: "Cutting a large offloaded packet into wire-sized ones failed. tap_handle_frame raises it \
               when __skb_gso_segment returns an error for a packet that a macvtap reader cannot take \
               whole.",
        causes: &[
            "inconsistent offload metadata from a guest or a tunnel (header lengths, protocol)",
            "memory pressure during segmentation",
        ],
        next: &["ethtool -k IFACE", "plumb drops --reason SKB_GSO_SEG --by flow", "dmesg"],
        kernels: None,
        related: &["SKB_BAD_GSO", "SKB_CSUM", "FULL_RING"],
    },
    Entry {
        name: "SKB_BAD_GSO",
        what: "The offload metadata of a packet contradicts its headers, so the qdisc layer refuses it. \
               __dev_queue_xmit raises it while it computes the length on the wire, where the headers \
               that a GSO packet announces are missing or leave no payload.",
        causes: &[
            "a virtual machine or a program on a tun, tap or packet socket that sends a malformed \
             virtio-net header",
            "fuzzing",
        ],
        next: &[
            "plumb drops --reason SKB_BAD_GSO --by process,stack",
            "ethtool -k IFACE",
            "ip -s -s link show dev IFACE",
        ],
        kernels: Some("In Debian's 6.12 (added by a stable update), not in 6.1 and 6.18.44."),
        related: &["SKB_GSO_SEG", "DEV_HDR"],
    },
    Entry {
        name: "SKB_UCOPY_FAULT",
        what: "Copying between a user process's buffer and the packet failed. tun and macvtap raise it \
               when a write cannot be copied in, and tun_net_xmit when skb_orphan_frags_rx cannot \
               replace zero-copy pages with own ones.",
        causes: &[
            "a virtual machine monitor or VPN that hands over a bad or unmapped buffer",
            "no memory to copy zero-copy pages",
        ],
        next: &["plumb drops --reason SKB_UCOPY_FAULT --by process", "ip -s link show dev IFACE"],
        kernels: None,
        related: &["DEV_HDR", "FULL_RING", "NOMEM"],
    },
];
