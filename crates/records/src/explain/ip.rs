//! Reasons of IP input before and beside routing: headers, checksums, addresses of the link, protocols,
//! netfilter.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "OTHERHOST",
        what: "The frame's destination MAC is not this interface's, so IP ignores it. It got this far \
               because the interface is promiscuous or the link floods; ip_rcv_core and ip6_rcv_core \
               discard it. Normal while something captures in promiscuous mode.",
        causes: &[
            "a capture tool, a bridge or a hypervisor has set the interface promiscuous",
            "a switch flooding unicast because it does not know the MAC",
            "a neighbour that caches an old MAC (failover, moved address), or a VLAN tag for which no \
             interface exists",
        ],
        next: &[
            "ip -d link show dev IFACE",
            "ip -s -s link show dev IFACE",
            "tcpdump -pni IFACE -e",
            "plumb drops --reason OTHERHOST --by flow",
        ],
        kernels: None,
        related: &["UNICAST_IN_L2_MULTICAST", "LOCAL_MAC", "UNHANDLED_PROTO"],
    },
    Entry {
        name: "IP_CSUM",
        what: "The IPv4 header checksum is wrong (ip_rcv_core). Unlike transport checksums it is \
               verified in software for every packet, so the header itself was damaged or written \
               wrongly.",
        causes: &[
            "a sender that builds headers by hand (raw sockets, test tools, XDP or TC programs that \
             rewrite addresses without fixing the sum)",
            "a middlebox or driver that changes the header and not the sum",
            "memory or link corruption past the Ethernet FCS",
        ],
        next: &[
            "nstat -az IpExtInCsumErrors IpInHdrErrors",
            "plumb drops --reason IP_CSUM --by flow",
            "tcpdump -ni IFACE -vv ip",
            "ethtool -S IFACE",
        ],
        kernels: None,
        related: &["IP_INHDR", "TCP_CSUM", "UDP_CSUM"],
    },
    Entry {
        name: "IP_INHDR",
        what: "The IP header is invalid, or the packet's time to live ran out. ip_rcv_core and \
               ip6_rcv_core check version and lengths, others options and extension headers. Routers \
               also raise it when TTL or hop limit runs out (ip_forward, ip6_forward), after sending \
               the ICMP error.",
        causes: &[
            "traceroute through this host, or a routing loop: the TTL reached 1 while forwarding",
            "malformed packets or options from scanners and test tools; IPv6 with a multicast source or \
             a loopback address from outside",
        ],
        next: &[
            "nstat -az IpInHdrErrors Ip6InHdrErrors IcmpOutTimeExcds Icmp6OutTimeExcds",
            "plumb drops --reason IP_INHDR --by flow",
            "ip route get ADDR from SRC iif IFACE",
            "tcpdump -ni IFACE -v 'ip[8] <= 1'",
        ],
        kernels: Some("An IPv4 loose or strict source route refused by sysctl shows as NOT_SPECIFIED."),
        related: &["IP_CSUM", "PKT_TOO_SMALL", "IPV6_BAD_EXTHDR"],
    },
    Entry {
        name: "IP_RPFILTER",
        what: "The reverse path check failed: the route back to the packet's source does not lead out \
               of the interface it came in by. fib_validate_source raises it, and ip_rcv_finish_core \
               counts it.",
        causes: &[
            "asymmetric routing with rp_filter=1 (strict): several uplinks, VPNs, policy routing by mark",
            "a source with no route back at all (refused in loose mode, 2, too)",
            "spoofed sources",
            "replies to a tunnel or container that arrive on the wrong interface",
        ],
        next: &[
            "nstat -az TcpExtIPReversePathFilter",
            "sysctl -ar '^net\\.ipv4\\.conf\\..*\\.rp_filter$'",
            "ip route get SRC",
            "plumb drops --reason IP_RPFILTER --by flow",
        ],
        kernels: Some(
            "The larger of conf.all and conf.IFACE applies. IPv6 has no such check in routing; there \
             nftables or ip6tables rules do it (NETFILTER_DROP).",
        ),
        related: &["IP_LOCAL_SOURCE", "IP_INVALID_SOURCE", "IP_INNOROUTES"],
    },
    Entry {
        name: "UNICAST_IN_L2_MULTICAST",
        what: "A packet to one host came in a frame to many, and the interface is told to refuse that. \
               ip_rcv_finish_core and ip6_rcv_core raise it where drop_unicast_in_l2_multicast is set: \
               a protection against injection with a Wi-Fi group key.",
        causes: &[
            "an access point or switch that turns unicast into multicast frames, or a cluster with \
             multicast MACs (network load balancing)",
            "an attempt at spoofing between Wi-Fi stations",
        ],
        next: &[
            "sysctl -ar 'drop_unicast_in_l2_multicast'",
            "tcpdump -ni IFACE -e",
            "plumb drops --reason UNICAST_IN_L2_MULTICAST --by flow",
        ],
        kernels: None,
        related: &["OTHERHOST", "IP_INHDR"],
    },
    Entry {
        name: "IP_NOPROTO",
        what: "No handler and no raw socket for the packet's IP protocol number. \
               ip_protocol_deliver_rcu answers with ICMP protocol unreachable, ip6_protocol_deliver_rcu \
               with a parameter problem.",
        causes: &[
            "a tunnel or routing protocol (GRE, ESP, SCTP, OSPF, VRRP, PIM) whose module or daemon is \
             not loaded or running",
            "protocol scans",
        ],
        next: &[
            "nstat -az IpInUnknownProtos Ip6InUnknownProtos",
            "plumb drops --reason IP_NOPROTO --by flow",
            "lsmod",
            "ss -wanp",
        ],
        kernels: None,
        related: &["UNHANDLED_PROTO", "NO_SOCKET"],
    },
    Entry {
        name: "UDP_CSUM",
        what: "The UDP checksum does not match the data. __udp4_lib_rcv or the socket's queueing checks \
               it where a filter or encapsulation needs it, otherwise recvmsg while it copies; the \
               reader does not notice, except that it goes on waiting.",
        causes: &[
            "a sender, tunnel or NAT that rewrites addresses or payload without fixing the checksum",
            "a virtual NIC that passes on packets whose checksum was left to the hardware",
            "corruption in a NIC, switch or memory",
        ],
        next: &[
            "nstat -az UdpInCsumErrors Udp6InCsumErrors",
            "plumb drops --reason UDP_CSUM --by flow",
            "ethtool -k IFACE",
            "tcpdump -ni IFACE -vv udp",
        ],
        kernels: Some(
            "Found while the reader copies, it shows as NOT_SPECIFIED on 6.1 and 6.12. An IPv6 datagram \
             with checksum zero gets this reason too unless the socket allows it.",
        ),
        related: &["TCP_CSUM", "IP_CSUM", "SKB_CSUM"],
    },
    Entry {
        name: "ICMP_CSUM",
        what: "The checksum of an ICMP or ICMPv6 message is wrong. icmp_rcv and icmpv6_rcv verify it \
               for each message before they look at its type.",
        causes: &[
            "a test tool or middlebox that builds ICMP wrongly, often NAT that rewrites the quoted \
             packet",
            "corruption on the way",
        ],
        next: &[
            "nstat -az IcmpInCsumErrors Icmp6InCsumErrors",
            "tcpdump -ni IFACE -vv 'icmp or icmp6'",
            "plumb drops --reason ICMP_CSUM --by flow",
        ],
        kernels: None,
        related: &["IP_CSUM", "INVALID_PROTO"],
    },
    Entry {
        name: "NETFILTER_DROP",
        what: "A netfilter hook decided to drop: an nftables or iptables rule or chain policy, \
               conntrack, or another hook. Freed in nft_do_chain where an nftables rule decides (reject \
               included), in nf_hook_slow for a chain's policy and all else.",
        causes: &[
            "a firewall rule doing its work; a base chain with policy drop",
            "the connection tracking table is full, or the packet is invalid to it and a rule drops that",
            "a container, Kubernetes or libvirt rule set that nobody remembers",
            "an NFQUEUE program that returned a drop verdict (not on 6.1)",
        ],
        next: &[
            "nft list ruleset",
            "nft monitor trace",
            "iptables-save -c",
            "conntrack -S",
            "plumb drops --reason NETFILTER_DROP --by flow,stack",
        ],
        kernels: None,
        related: &["TC_INGRESS", "BPF_CGROUP_EGRESS", "XFRM_POLICY"],
    },
];
