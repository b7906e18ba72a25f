//! Reasons of neighbour resolution (ARP and neighbour discovery) on the way out.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "NEIGH_CREATEFAIL",
        what: "The kernel could not create a neighbour entry for the next hop. ip_finish_output2 and \
               ip6_finish_output2 raise it, nearly always because the table is full.",
        causes: &[
            "more neighbours than gc_thresh3: large flat networks, scans of a subnet, many containers",
            "a device or IPv6 configuration that is just going away",
        ],
        next: &[
            "sysctl net.ipv4.neigh.default.gc_thresh3 net.ipv6.neigh.default.gc_thresh3",
            "ip -s neigh show nud all",
            "cat /proc/net/stat/arp_cache",
            "dmesg",
            "plumb drops --reason NEIGH_CREATEFAIL --by flow",
        ],
        kernels: Some(
            "The log says \"neighbour: arp_cache: neighbor table overflow!\" (ndisc_cache for IPv6).",
        ),
        related: &["NEIGH_FAILED", "NEIGH_QUEUEFULL"],
    },
    Entry {
        name: "NEIGH_FAILED",
        what: "Nobody answered for the next hop's address. arp_error_report frees the packets that \
               waited while ARP was retried, after about three seconds; __neigh_event_send raises it at \
               once where probing is switched off.",
        causes: &[
            "the next hop is down, or the address is not on this link",
            "a wrong netmask or gateway; a VLAN or Wi-Fi isolation between the hosts",
            "ARP filtered by a switch, a bridge or a cloud network",
        ],
        next: &[
            "ip neigh show to ADDR",
            "ip route get ADDR",
            "arping -I IFACE ADDR",
            "tcpdump -ni IFACE -e arp or icmp6",
            "plumb drops --reason NEIGH_FAILED --by flow",
        ],
        kernels: Some("IPv6 neighbours that fail show as NOT_SPECIFIED in neigh_invalidate."),
        related: &["NEIGH_QUEUEFULL", "NEIGH_CREATEFAIL", "IP_OUTNOROUTES"],
    },
    Entry {
        name: "NEIGH_QUEUEFULL",
        what: "More packets wait for the next hop's MAC address than the entry may hold. \
               __neigh_event_send drops the oldest to queue the newest.",
        causes: &[
            "a burst to a host that has not been resolved yet (first packets after boot or failover)",
            "a next hop that does not answer, so that the queue stays full until it fails",
        ],
        next: &[
            "sysctl net.ipv4.neigh.default.unres_qlen_bytes",
            "ip -s neigh show to ADDR",
            "ip ntable show dev IFACE",
            "cat /proc/net/stat/arp_cache",
            "plumb drops --reason NEIGH_QUEUEFULL --by flow",
        ],
        kernels: None,
        related: &["NEIGH_FAILED", "NEIGH_CREATEFAIL"],
    },
    Entry {
        name: "NEIGH_DEAD",
        what: "The neighbour entry was being removed just as the packet wanted to use it \
               (__neigh_event_send). A race; the next packet gets a new entry.",
        causes: &["the interface went down or away", "ip neigh flush or garbage collection during traffic"],
        next: &["ip monitor neigh link", "plumb drops --reason NEIGH_DEAD --by flow"],
        kernels: None,
        related: &["NEIGH_FAILED", "NEIGH_CREATEFAIL"],
    },
    Entry {
        name: "NEIGH_HH_FILLFAIL",
        what: "The link-layer header could not be written although the neighbour is known. \
               neigh_resolve_output and neigh_connected_output raise it when the device's header \
               function (dev_hard_header) fails.",
        causes: &[
            "a device type whose header builder refuses the packet: IP over InfiniBand, 6LoWPAN, tunnels",
            "no headroom or memory for the header",
        ],
        next: &[
            "ip -d link show dev IFACE",
            "ip neigh show dev IFACE",
            "plumb drops --reason NEIGH_HH_FILLFAIL --by stack",
        ],
        kernels: Some("On 6.1 and 6.12 NOT_SPECIFIED."),
        related: &["NEIGH_FAILED", "NOMEM"],
    },
];
