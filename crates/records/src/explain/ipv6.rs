//! Reasons of IPv6: switched off, extension headers, neighbour discovery.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "IPV6DISABLED",
        what: "IPv6 is switched off on the interface by disable_ipv6. ip6_rcv_core drops what comes in \
               (after packet sockets have seen it), ip6_output what would go out.",
        causes: &[
            "disable_ipv6 set on purpose, while neighbours go on with router advertisements and \
             discovery",
            "a container runtime that sets it in a network namespace, while programs still try IPv6",
            "duplicate address detection with accept_dad=2 switched it off",
        ],
        next: &[
            "sysctl -ar '^net\\.ipv6\\.conf\\..*\\.disable_ipv6$'",
            "nstat -az Ip6InDiscards Ip6OutDiscards",
            "plumb drops --reason IPV6DISABLED --by flow",
        ],
        kernels: Some(
            "Segment routing headers (SRH, RPL) on an interface that may not process them get it too.",
        ),
        related: &["UNHANDLED_PROTO", "IP_INHDR"],
    },
    Entry {
        name: "IPV6_BAD_EXTHDR",
        what: "The packet quoted in an ICMPv6 error has extension headers that cannot be walked. \
               icmpv6_notify gives up, since it cannot tell which protocol to inform; the error message \
               is ignored.",
        causes: &[
            "a router that quotes too little of a packet with many extension headers",
            "forged ICMPv6 errors",
        ],
        next: &[
            "nstat -az Icmp6InErrors",
            "tcpdump -ni IFACE -vv 'icmp6 and ip6[40] < 128'",
            "plumb drops --reason IPV6_BAD_EXTHDR --by flow",
        ],
        kernels: None,
        related: &["IP_INHDR", "PKT_TOO_SMALL"],
    },
    Entry {
        name: "IPV6_NDISC_FRAG",
        what: "A neighbour discovery message arrived fragmented and was refused (ndisc_rcv). RFC 6980 \
               forbids fragments there, since they get past first-hop security such as RA guard.",
        causes: &[
            "an attack on, or a test of, router advertisement filtering",
            "a router whose advertisement is larger than the link MTU",
        ],
        next: &["sysctl -ar 'suppress_frag_ndisc'", "dmesg", "tcpdump -ni IFACE 'ip6 proto 44'"],
        kernels: None,
        related: &["IPV6_NDISC_BAD_OPTIONS", "IPV6_NDISC_HOP_LIMIT"],
    },
    Entry {
        name: "IPV6_NDISC_HOP_LIMIT",
        what: "A neighbour discovery message has a hop limit other than 255, so it may have come \
               through a router. ndisc_rcv drops it; only a host on the same link can send 255 that \
               arrives as 255.",
        causes: &[
            "forged messages from off the link",
            "a tunnel, relay or virtual switch that decrements the hop limit of link-local traffic",
            "scripts that build such messages and forget the hop limit",
        ],
        next: &[
            "tcpdump -ni IFACE -vv 'icmp6 and ip6[40] >= 133 and ip6[40] <= 137'",
            "plumb drops --reason IPV6_NDISC_HOP_LIMIT --by flow",
        ],
        kernels: None,
        related: &["IPV6_NDISC_FRAG", "IPV6_NDISC_BAD_CODE"],
    },
    Entry {
        name: "IPV6_NDISC_BAD_CODE",
        what: "A neighbour discovery message has an ICMPv6 code other than 0 (ndisc_rcv). No other code \
               is defined, so the message is malformed.",
        causes: &["a scanner, fuzzer or broken stack on the link"],
        next: &[
            "tcpdump -ni IFACE -e -vv 'icmp6 and ip6[40] >= 133 and ip6[40] <= 137'",
            "plumb drops --reason IPV6_NDISC_BAD_CODE --by flow",
        ],
        kernels: None,
        related: &["IPV6_NDISC_BAD_OPTIONS", "IPV6_NDISC_HOP_LIMIT"],
    },
    Entry {
        name: "IPV6_NDISC_BAD_OPTIONS",
        what: "The options of a solicitation, advertisement or redirect cannot be parsed. \
               ndisc_parse_options found one with length zero or reaching past the message, and the \
               receiving function dropped it.",
        causes: &["a router or hypervisor that pads or truncates messages", "a fuzzer on the link"],
        next: &[
            "tcpdump -ni IFACE -e -vv -X 'icmp6 and ip6[40] >= 133 and ip6[40] <= 137'",
            "rdisc6 IFACE",
            "plumb drops --reason IPV6_NDISC_BAD_OPTIONS --by flow",
        ],
        kernels: None,
        related: &["IPV6_NDISC_BAD_CODE", "IPV6_NDISC_FRAG"],
    },
    Entry {
        name: "IPV6_NDISC_NS_OTHERHOST",
        what: "A neighbour solicitation asks for an address that this host does not have and is no \
               proxy for (ndisc_recv_ns). Common: the solicited-node group is shared by addresses with \
               the same last 24 bits, and promiscuous or flooded links bring all of them.",
        causes: &[
            "normal discovery of other hosts on the link",
            "someone looking for an address that was removed here, so that their traffic to it fails",
        ],
        next: &[
            "ip -6 addr show dev IFACE",
            "ip -6 neigh show proxy",
            "tcpdump -ni IFACE 'icmp6 and ip6[40] == 135'",
        ],
        kernels: Some("6.1 shows NOT_SPECIFIED."),
        related: &["OTHERHOST", "NEIGH_FAILED"],
    },
];
