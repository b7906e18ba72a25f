//! Reasons of bridges, VXLAN and other tunnels.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "MAC_INVALID_SOURCE",
        what: "The frame's source MAC is not one that a station can have: all zero or multicast. \
               br_handle_frame refuses it at a bridge port, vxlan_snoop when VXLAN would learn from it.",
        causes: &[
            "a broken sender, an interface with MAC 00:00:00:00:00:00, or a traffic generator",
            "a fuzzer or attack on the forwarding table",
        ],
        next: &[
            "tcpdump -ni IFACE -e 'ether[6] & 1 = 1 or ether src 00:00:00:00:00:00'",
            "bridge link show",
            "plumb drops --reason MAC_INVALID_SOURCE",
        ],
        kernels: Some("On 6.12 only VXLAN raises it, bridges show NOT_SPECIFIED; on 6.1 both do."),
        related: &["LOCAL_MAC", "MAC_IEEE_MAC_CONTROL"],
    },
    Entry {
        name: "LOCAL_MAC",
        what: "A frame out of a VXLAN tunnel has our own VXLAN device's MAC as its source. \
               vxlan_set_mac drops it as a packet of ours that came back.",
        causes: &[
            "a loop, or the multicast echo of flooded frames",
            "two tunnel endpoints with the same MAC (cloned machines, images)",
        ],
        next: &[
            "ip -d link show type vxlan",
            "bridge fdb show dev IFACE",
            "tcpdump -ni UPLINK -e udp port 4789",
            "plumb drops --reason LOCAL_MAC --by flow",
        ],
        kernels: Some("6.1 shows NOT_SPECIFIED."),
        related: &["MAC_INVALID_SOURCE", "IP_LOCAL_SOURCE", "OTHERHOST"],
    },
    Entry {
        name: "MAC_IEEE_MAC_CONTROL",
        what: "A MAC control frame (01:80:C2:00:00:01, as Ethernet pause uses) reached a bridge port. \
               br_handle_frame drops it always: the standard forbids to forward it.",
        causes: &["a switch or NIC with flow control on whose pause frames are not absorbed by the NIC"],
        next: &["ethtool -a IFACE", "ethtool -S IFACE", "tcpdump -ni IFACE -e ether dst 01:80:c2:00:00:01"],
        kernels: Some("On 6.1 and 6.12 NOT_SPECIFIED."),
        related: &["BRIDGE_INGRESS_STP_STATE", "MAC_INVALID_SOURCE"],
    },
    Entry {
        name: "BRIDGE_INGRESS_STP_STATE",
        what: "The bridge port may not receive in its spanning tree state. br_handle_frame drops frames \
               at a blocking, listening or disabled port, br_handle_frame_finish those at a learning \
               port once the address is learned.",
        causes: &[
            "a port that has just come up and waits forward_delay (twice 15 s unless set) with STP on",
            "a redundant link that spanning tree blocks: as it should be",
            "a state set by hand, or by an MSTP or MRP daemon",
        ],
        next: &["bridge -d link show dev IFACE", "ip -d link show dev BRIDGE", "bridge monitor link"],
        kernels: Some("On 6.1 and 6.12 NOT_SPECIFIED."),
        related: &["NO_TX_TARGET", "MAC_IEEE_MAC_CONTROL"],
    },
    Entry {
        name: "NO_TX_TARGET",
        what: "There is no port or remote to send the frame to. Bridges raise it in br_flood and \
               br_multicast_flood when no port may take the frame, VXLAN when the forwarding table has \
               neither the address nor a default entry.",
        causes: &[
            "flooding switched off on all other ports, isolated ports, or a bridge with a single port",
            "multicast snooping: nobody subscribed",
            "a VXLAN table without the MAC and without the all-zero entry (controller not in sync)",
        ],
        next: &[
            "bridge fdb show",
            "bridge -d link show",
            "bridge mdb show",
            "plumb drops --reason NO_TX_TARGET --by flow",
        ],
        kernels: Some("On 6.12 VXLAN only; on 6.1 NOT_SPECIFIED."),
        related: &["VXLAN_VNI_NOT_FOUND", "BRIDGE_INGRESS_STP_STATE"],
    },
    Entry {
        name: "VXLAN_INVALID_HDR",
        what: "The VXLAN header is invalid. vxlan_rcv drops packets without the flag that says a VNI is \
               present, and those with bits set that this device does not understand.",
        causes: &[
            "something else sends to the VXLAN port",
            "a peer with extensions (GBP, GPE, checksum offload) that are not enabled here",
        ],
        next: &[
            "ip -d link show type vxlan",
            "tcpdump -ni UPLINK -vv -X udp port 4789",
            "plumb drops --reason VXLAN_INVALID_HDR --by flow",
        ],
        kernels: Some("6.1 shows NOT_SPECIFIED."),
        related: &["VXLAN_VNI_NOT_FOUND", "IP_TUNNEL_ECN"],
    },
    Entry {
        name: "VXLAN_VNI_NOT_FOUND",
        what: "No VXLAN device here has the packet's VNI on this UDP port (vxlan_rcv).",
        causes: &[
            "a peer configured with a VNI that this host does not have, or has no more",
            "a multicast group shared by several VNIs",
            "an interface binding (dev) or VNI filter that does not match",
        ],
        next: &[
            "ip -d link show type vxlan",
            "bridge vni show",
            "plumb drops --reason VXLAN_VNI_NOT_FOUND --by flow",
            "tcpdump -ni UPLINK -vv udp port 4789",
        ],
        kernels: Some(
            "6.1 shows NOT_SPECIFIED. Newer kernels also raise it on transmit, where the destination is \
             local but has no such device.",
        ),
        related: &["VXLAN_INVALID_HDR", "NO_TX_TARGET"],
    },
    Entry {
        name: "VXLAN_ENTRY_EXISTS",
        what: "The inner source MAC is fixed in the forwarding table with another remote, so VXLAN may \
               not move it. vxlan_snoop drops the packet rather than believe it (static entry, or one \
               with a nexthop).",
        causes: &[
            "a host or VM that moved while its entry is static or managed by a controller",
            "the same MAC in two places; spoofing",
        ],
        next: &[
            "bridge -d fdb show dev IFACE",
            "plumb drops --reason VXLAN_ENTRY_EXISTS --by flow",
            "ip -d link show type vxlan",
        ],
        kernels: Some("6.1 shows NOT_SPECIFIED."),
        related: &["LOCAL_MAC", "NO_TX_TARGET"],
    },
    Entry {
        name: "IP_TUNNEL_ECN",
        what: "The outer header says \"congestion experienced\", but the inner packet says that it does \
               not know ECN. RFC 6040 asks to drop it, and vxlan_rcv does; passing it on would hide the \
               signal.",
        causes: &[
            "a congested router that marks the outer header although the tunnel does not copy ECN \
             inwards",
            "a tunnel start point that sets ECN on the outer header only",
        ],
        next: &[
            "ip -s -s link show dev IFACE",
            "tcpdump -ni UPLINK -v 'udp port 4789 and ip[1] & 3 = 3'",
            "plumb drops --reason IP_TUNNEL_ECN --by flow",
        ],
        kernels: Some("6.1 shows NOT_SPECIFIED. Other tunnels than VXLAN still do."),
        related: &["VXLAN_INVALID_HDR", "QDISC_CONGESTED"],
    },
    Entry {
        name: "TUNNEL_TXINFO",
        what: "A packet was sent to a tunnel device in external mode without tunnel metadata. \
               vxlan_xmit cannot know VNI and remote, and drops it.",
        causes: &[
            "traffic of the host itself (ARP, router solicitations, multicast) sent to a device that \
             only Open vSwitch, BPF or TC shall use",
            "a missing tunnel_key set action, bpf_skb_set_tunnel_key call or encap route",
        ],
        next: &[
            "ip -d link show dev IFACE",
            "tc -s filter show dev IFACE egress",
            "plumb drops --reason TUNNEL_TXINFO --by flow",
        ],
        kernels: Some("6.1 shows NOT_SPECIFIED."),
        related: &["NO_TX_TARGET", "VXLAN_VNI_NOT_FOUND"],
    },
];
