//! Reasons of routing and of reassembly: no route, addresses that must not be here, fragments.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "IP_OUTNOROUTES",
        what: "A packet of this host found no route out. __ip_queue_xmit raises it for a connected \
               socket whose route has gone, ip6_pkt_discard_out for IPv6, and SYN cookie handling where \
               the answer has no route. An unconnected send without a route gets ENETUNREACH and never \
               becomes a packet.",
        causes: &[
            "the route or interface disappeared while connections were up (DHCP, VPN, link down)",
            "a policy rule, or a VRF without a default route",
            "an unreachable or prohibit IPv6 route",
        ],
        next: &[
            "nstat -az IpOutNoRoutes Ip6OutNoRoutes",
            "ip route get ADDR",
            "ip rule show",
            "ip monitor route",
        ],
        kernels: None,
        related: &["IP_INNOROUTES", "NEIGH_FAILED"],
    },
    Entry {
        name: "IP_INADDRERRORS",
        what: "The packet is not for this host, and the host may not or cannot forward it. For IPv4 \
               ip_error raises it where forwarding is off on the incoming interface; for IPv6 \
               ip6_forward does, and ip6_protocol_deliver_rcu for multicast that the host has not \
               joined.",
        causes: &[
            "forwarding is off, but a neighbour uses this host as a router",
            "an address that was moved away, or not yet configured (failover, container start)",
            "a cloud or hypervisor that delivers for an address only it knows",
        ],
        next: &[
            "nstat -az IpInAddrErrors Ip6InAddrErrors",
            "sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding",
            "ip route get ADDR from SRC iif IFACE",
            "plumb drops --reason IP_INADDRERRORS --by flow",
        ],
        kernels: None,
        related: &["IP_INNOROUTES", "OTHERHOST", "IP_INVALID_DEST"],
    },
    Entry {
        name: "IP_INNOROUTES",
        what: "A received packet has no route to its destination. ip_error (with ICMP network \
               unreachable when forwarding is on) and ip6_pkt_discard raise it. IPv6 gives it also to a \
               host that does not forward, where it has no route for the address.",
        causes: &[
            "a router without a default route, or a prefix withdrawn while traffic still comes",
            "an IPv6 route of type unreachable or prohibit; a VRF without a default route",
            "traffic for a container or VM address that no longer exists",
        ],
        next: &[
            "nstat -az IpExtInNoRoutes Ip6InNoRoutes",
            "ip route get ADDR from SRC iif IFACE",
            "ip rule show",
            "plumb drops --reason IP_INNOROUTES --by flow",
        ],
        kernels: Some(
            "An IPv4 route of type blackhole, unreachable or prohibit shows as NOT_SPECIFIED in \
             ip_error.",
        ),
        related: &["IP_INADDRERRORS", "IP_OUTNOROUTES"],
    },
    Entry {
        name: "IP_LOCAL_SOURCE",
        what: "The source address is one of this host's own, yet the packet came from outside. \
               fib_validate_source refuses it unless accept_local is set.",
        causes: &[
            "the same address configured on two hosts (duplicate IP), or a loop that brings our packets \
             back",
            "traffic between two interfaces of this host through an external switch, or a mirror port",
            "spoofing",
        ],
        next: &[
            "ip -br addr show",
            "sysctl -ar '^net\\.ipv4\\.conf\\..*\\.accept_local$'",
            "arping -D -I IFACE ADDR",
            "plumb drops --reason IP_LOCAL_SOURCE --by flow",
        ],
        kernels: Some("On 6.1 and 6.12 NOT_SPECIFIED in ip_rcv_finish_core."),
        related: &["IP_RPFILTER", "IP_INVALID_SOURCE", "LOCAL_MAC"],
    },
    Entry {
        name: "IP_INVALID_SOURCE",
        what: "The source address can never be a sender. It is multicast, 255.255.255.255, in 0.0.0.0/8 \
               outside its few uses, or a broadcast address by the routing table. IPv4 input routing \
               (ip_route_input_slow, ip_mc_validate_source, fib_validate_source) calls it a martian.",
        causes: &[
            "broken or malicious senders",
            "netmasks that differ: what is a host to the sender is the broadcast address here",
        ],
        next: &[
            "sysctl net.ipv4.conf.all.log_martians",
            "dmesg",
            "ip route get SRC",
            "plumb drops --reason IP_INVALID_SOURCE --by flow",
        ],
        kernels: Some("On 6.1 and 6.12 NOT_SPECIFIED in ip_rcv_finish_core."),
        related: &["IP_INVALID_DEST", "IP_LOCALNET", "IP_RPFILTER"],
    },
    Entry {
        name: "IP_LOCALNET",
        what: "An address of 127.0.0.0/8 appeared on the wire. IPv4 input routing refuses it as source \
               and destination unless route_localnet is set on the interface.",
        causes: &[
            "DNAT to 127.0.0.1 without route_localnet (container port publishing, transparent proxies)",
            "a program bound to loopback whose packets are redirected out by policy routing or TC",
            "spoofing",
        ],
        next: &[
            "sysctl -ar '^net\\.ipv4\\.conf\\..*\\.route_localnet$'",
            "nft list ruleset",
            "plumb drops --reason IP_LOCALNET --by flow",
        ],
        kernels: Some("On 6.1 and 6.12 NOT_SPECIFIED in ip_rcv_finish_core."),
        related: &["IP_INVALID_SOURCE", "IP_INVALID_DEST"],
    },
    Entry {
        name: "IP_INVALID_DEST",
        what: "The destination can never be delivered: an address of 0.0.0.0/8, or one whose route is \
               neither unicast, local nor broadcast. ip_route_input_slow calls it a martian.",
        causes: &["packets to 0.0.0.0 from misconfigured senders", "odd route types for the destination"],
        next: &[
            "ip route get ADDR from SRC iif IFACE",
            "sysctl net.ipv4.conf.all.log_martians",
            "plumb drops --reason IP_INVALID_DEST --by flow",
        ],
        kernels: Some("On 6.1 and 6.12 NOT_SPECIFIED in ip_rcv_finish_core."),
        related: &["IP_INVALID_SOURCE", "IP_LOCALNET", "IP_INADDRERRORS"],
    },
    Entry {
        name: "ARP_PVLAN_DISABLE",
        what: "Proxy ARP will not answer out of the interface that the question came in by. \
               __mkroute_input returns it for a non-IP packet whose route leads back out of the same \
               interface while proxy_arp_pvlan is off. arp_process only asks whether the lookup failed, \
               so that a freed packet hardly ever carries it.",
        causes: &["hosts isolated from each other on one segment (private VLAN) asking for each other"],
        next: &[
            "sysctl -ar '^net\\.ipv4\\.conf\\..*\\.proxy_arp(_pvlan)?$'",
            "ip neigh show proxy",
            "tcpdump -ni IFACE -e arp",
        ],
        kernels: None,
        related: &["NEIGH_FAILED", "IP_INADDRERRORS"],
    },
    Entry {
        name: "DUP_FRAG",
        what: "A fragment covers bytes that reassembly already has, or came after its datagram was \
               complete. ip_frag_queue, the IPv6 reassembly and its conntrack twin drop that one \
               fragment.",
        causes: &[
            "packets duplicated on the way (bonding, mirror ports, Wi-Fi retries, a loop)",
            "a sender that reuses IP identifications too fast, so that fragments of two datagrams mix",
        ],
        next: &[
            "nstat -az IpReasmReqds IpReasmFails Ip6ReasmReqds Ip6ReasmFails",
            "tcpdump -ni IFACE -v 'ip[6:2] & 0x3fff != 0'",
            "plumb drops --reason DUP_FRAG --by flow",
        ],
        kernels: Some("6.1 shows NOT_SPECIFIED."),
        related: &["FRAG_REASM_TIMEOUT", "FRAG_TOO_FAR"],
    },
    Entry {
        name: "FRAG_REASM_TIMEOUT",
        what: "Fragments of a datagram did not all arrive in time, or their queue had to go. The timers \
               (ip_expire, ip6frag_expire_frag_queue) and inet_frag_destroy free what was collected; \
               each fragment is a drop of its own.",
        causes: &[
            "one fragment lost: one of N fragments gone costs the whole datagram",
            "fragments beyond the first filtered by a firewall or a load balancer that needs ports",
            "a network namespace removed while fragments wait",
        ],
        next: &[
            "nstat -az IpReasmTimeout IpReasmFails Ip6ReasmTimeout Ip6ReasmFails",
            "sysctl net.ipv4.ipfrag_time net.ipv6.ip6frag_time net.ipv4.ipfrag_high_thresh",
            "cat /proc/net/sockstat",
            "plumb drops --reason FRAG_REASM_TIMEOUT --by flow",
        ],
        kernels: Some("6.1 shows NOT_SPECIFIED."),
        related: &["DUP_FRAG", "FRAG_TOO_FAR", "PKT_TOO_BIG"],
    },
    Entry {
        name: "FRAG_TOO_FAR",
        what: "Too many other fragments of the same sender came between two of one datagram, so the \
               older ones were given up. ip_frag_reinit does so beyond ipfrag_max_dist, to protect \
               against mixing datagrams with a reused identification.",
        causes: &[
            "heavy reordering of fragments, several paths to one receiver",
            "one busy sender of fragmented UDP (NFS, DNS, video) with loss",
        ],
        next: &[
            "nstat -az IpReasmFails",
            "sysctl net.ipv4.ipfrag_max_dist",
            "plumb drops --reason FRAG_TOO_FAR --by flow",
        ],
        kernels: Some("6.1 shows NOT_SPECIFIED."),
        related: &["FRAG_REASM_TIMEOUT", "DUP_FRAG"],
    },
];
