//! Reasons that are not bound to one layer: markers that mean "no drop", the catch-all, sizes, memory,
//! protocols.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "NOT_DROPPED_YET",
        what: "Not a drop: zero, the value that checks return while a packet may go on. The tracepoint \
               should never show it, and a kernel built with CONFIG_DEBUG_NET warns when a packet is \
               freed with it (sk_skb_reason_drop; kfree_skb_reason on 6.1).",
        causes: &[
            "a code path (often an out-of-tree driver or protocol module) that frees a packet although \
             its last check returned success",
        ],
        next: &["plumb drops --reason NOT_DROPPED_YET --by stack", "dmesg"],
        kernels: None,
        related: &["CONSUMED", "NOT_SPECIFIED"],
    },
    Entry {
        name: "CONSUMED",
        what: "Not a drop: the packet reached the end of its life as intended. ICMPv6 messages that \
               were handled and packets that a capture socket did not want are freed with it; the \
               kernel then fires consume_skb, not kfree_skb.",
        causes: &["normal operation; nothing was lost"],
        next: &["plumb explain --list"],
        kernels: Some("Not in the enum of 6.1."),
        related: &["NOT_DROPPED_YET"],
    },
    Entry {
        name: "NOT_SPECIFIED",
        what: "The code that freed the packet gave no cause: it called kfree_skb, or left the reason at \
               its default. Only the location tells what happened, so read the symbol, then the stack. \
               Many of these frees are normal life, such as a socket closed with unread data \
               (udp_destruct_common) or multicast that nobody joined (ip6_mc_input).",
        causes: &[
            "a path that has not been taught to give reasons (drivers, IPv6, older kernels in general)",
            "the XDP verdict XDP_DROP or XDP_ABORTED on a packet that is already an skb \
             (do_xdp_generic, veth_xdp_rcv_skb)",
            "a blackhole, unreachable or prohibit IPv4 route (ip_error), or an IPv6 neighbour that \
             failed (neigh_invalidate)",
            "sockets closed with data still queued",
        ],
        next: &[
            "plumb drops --reason NOT_SPECIFIED --noise show --by stack",
            "plumb drops --reason NOT_SPECIFIED --noise show --by flow",
            "nstat -z",
        ],
        kernels: Some(
            "The older the kernel the more ends here. On 6.1 icmpv6_rcv frees almost every message so, \
             handled or not, and there is no reason of its own for martian addresses, duplicate \
             fragments, VXLAN, neighbour discovery or a full accept queue; 6.12 still has none for IPv4 \
             source checks and the accept queue, nor for a UDP checksum that is found wrong while the \
             reader copies.",
        ),
        related: &["QUEUE_PURGE", "SOCKET_CLOSE", "XDP"],
    },
    Entry {
        name: "PKT_TOO_SMALL",
        what: "The packet is shorter than its headers claim. ip_rcv_core and ip6_rcv_core raise it when \
               the IP length exceeds the bytes received; TCP, UDP, ICMP and neighbour discovery when \
               their own header or length does not fit, and pskb_may_pull_reason on behalf of many \
               others.",
        causes: &[
            "a sender or middlebox that writes wrong lengths, or a fuzzer",
            "frames cut short on the way: a capture replayed with a snap length, a driver or NIC that \
             truncates",
            "an encapsulation parsed as something it is not",
        ],
        next: &[
            "plumb drops --reason PKT_TOO_SMALL --by flow",
            "nstat -az IpExtInTruncatedPkts Ip6InTruncatedPkts UdpInErrors TcpInErrs IcmpInErrors",
            "ethtool -S IFACE",
            "tcpdump -ni IFACE -vv -e",
        ],
        kernels: None,
        related: &["HDR_TRUNC", "IP_INHDR", "UDP_CSUM"],
    },
    Entry {
        name: "PKT_TOO_BIG",
        what: "The packet does not fit the MTU of the way out and must not be fragmented. ip_forward \
               (DF set) and ip6_forward raise it after sending the ICMP error that path MTU discovery \
               needs; Open vSwitch raises it on output to a port with a smaller MTU.",
        causes: &[
            "a tunnel or VPN behind this router whose MTU is smaller than the sender's",
            "ICMP \"fragmentation needed\" or \"packet too big\" filtered on its way back, so that the \
             sender never learns",
            "one interface of the path configured with a smaller MTU by mistake",
        ],
        next: &[
            "nstat -az IpFragFails Ip6InTooBigErrors Ip6FragFails IcmpOutDestUnreachs Icmp6OutPktTooBigs",
            "ip route get ADDR",
            "ip -d link show",
            "tracepath -n ADDR",
        ],
        kernels: Some("A host's own IPv4 packet with DF over the MTU is NOT_SPECIFIED in ip_fragment."),
        related: &["SKB_GSO_SEG", "NETFILTER_DROP"],
    },
    Entry {
        name: "NOMEM",
        what: "An allocation made for this packet failed. It was made in atomic context, so the kernel \
               could not wait for memory: copying a header before changing it, growing headroom, \
               cloning, or making a route entry.",
        causes: &[
            "the host is short of free pages; atomic allocations fail first",
            "memory so fragmented that a larger contiguous block is not to be had",
            "a cgroup or VM memory limit that leaves no reserve",
        ],
        next: &["dmesg", "vmstat 1 5", "sysctl vm.min_free_kbytes", "plumb drops --reason NOMEM --by stack"],
        kernels: None,
        related: &["PROTO_MEM", "PFMEMALLOC"],
    },
    Entry {
        name: "QUEUE_PURGE",
        what: "A whole queue was emptied at once and its packets were freed unread (skb_queue_purge and \
               __skb_queue_purge). Mostly a socket that was closed, or a device or qdisc taken down, \
               with data still queued: usually normal.",
        causes: &[
            "a process closed a raw, packet, netlink or TCP socket before reading everything",
            "an interface was set down or removed with packets in its queues",
            "a neighbour or tunnel object destroyed with packets waiting",
        ],
        next: &[
            "plumb drops --reason QUEUE_PURGE --noise show --by process,stack",
            "ip monitor link",
            "ss -tunap",
        ],
        kernels: Some("6.1 shows the same frees as NOT_SPECIFIED."),
        related: &["SOCKET_CLOSE", "NOT_SPECIFIED", "UNIX_DISCONNECT"],
    },
    Entry {
        name: "PFMEMALLOC",
        what: "The packet lives in memory reserved for emergencies, and its receiver is not one that \
               may use it. sk_filter_trim_cap, tcp_add_backlog and __netif_receive_skb_core refuse it, \
               so that the reserve serves only sockets that help to free memory (swap over NFS, iSCSI \
               or NBD).",
        causes: &[
            "the host is so short of memory that drivers receive into the emergency reserve",
            "min_free_kbytes too small for the receive rate of a fast NIC",
        ],
        next: &["nstat -az TcpExtPFMemallocDrop", "vmstat 1 5", "sysctl vm.min_free_kbytes", "dmesg"],
        kernels: Some(
            "On 6.1 and 6.12 the socket shows SOCKET_FILTER or SOCKET_BACKLOG, and \
             __netif_receive_skb_core UNHANDLED_PROTO.",
        ),
        related: &["SOCKET_FILTER", "SOCKET_BACKLOG", "NOMEM"],
    },
    Entry {
        name: "RECURSION_LIMIT",
        what: "Sending this packet led back into sending, too often. __dev_queue_xmit refuses a packet \
               once the nesting of stacked devices on this CPU exceeds its limit, or when the driver of \
               a queueless device cannot take it; the log says \"Dead loop on virtual device\".",
        causes: &[
            "a tunnel whose outer destination is routed through the tunnel itself",
            "two virtual devices (bond, team, macvlan, tunnels, mirred rules) that redirect to each \
             other",
            "very deep stacks of tunnels",
        ],
        next: &["dmesg", "ip route get OUTER_ADDR", "ip -d link show", "tc filter show dev IFACE egress"],
        kernels: Some(
            "Came to 6.18 by a stable update. Kernels without it show NOT_SPECIFIED in \
             __dev_queue_xmit; the interface's tx_dropped counts it on all.",
        ),
        related: &["TC_RECLASSIFY_LOOP", "DEV_READY"],
    },
    Entry {
        name: "INVALID_PROTO",
        what: "The protocol forbids or does not expect this packet in this form. icmp_rcv raises it for \
               ICMP sent to a broadcast or multicast address: echo and timestamp requests where the \
               sysctl ignores them, and every other type but address masks.",
        causes: &[
            "pings to a broadcast address (smurf-style scans, discovery tools)",
            "IPv6 Home Address options with an address that is not unicast",
        ],
        next: &[
            "sysctl net.ipv4.icmp_echo_ignore_broadcasts",
            "nstat -az IcmpInErrors",
            "plumb drops --reason INVALID_PROTO --by flow",
        ],
        kernels: Some(
            "Newer kernels also return it from IPv4 input routing for non-IP packets (ARP) to a \
             broadcast or multicast address, a result that arp_process only takes as \"no route\".",
        ),
        related: &["UNHANDLED_PROTO", "IP_NOPROTO"],
    },
    Entry {
        name: "UNHANDLED_PROTO",
        what: "Nobody on this host takes this protocol. __netif_receive_skb_core raises it when no \
               packet handler is registered for the frame's EtherType; ip6_rcv_core for a version other \
               than 6; IPv6 option parsing and icmp_rcv for types they must not ignore.",
        causes: &[
            "EtherTypes of switches and other hosts (LLDP, STP, LACP, MPLS, PPPoE, loop detection) with \
             nothing listening",
            "a protocol module that is not loaded, or IPv6 built out",
            "frames on a bridge or bond port that only its own control protocols may receive",
        ],
        next: &[
            "tcpdump -ni IFACE -e not ip and not ip6 and not arp",
            "ip -s -s link show dev IFACE",
            "cat /proc/net/ptype",
            "plumb drops --reason UNHANDLED_PROTO --by flow",
        ],
        kernels: None,
        related: &["IP_NOPROTO", "OTHERHOST", "PFMEMALLOC"],
    },
];
