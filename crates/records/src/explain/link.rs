//! Reasons at the interface: backlog, readiness, tun and tap.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "CPU_BACKLOG",
        what: "The input queue of a CPU is full. enqueue_to_backlog drops there what RPS steers to that \
               CPU and what netif_rx queues (loopback, veth, tunnels, generic XDP redirects); the RPS \
               flow limit raises it as well.",
        causes: &[
            "one CPU that cannot keep up: one fat flow, or RPS aimed at too few CPUs",
            "a burst longer than net.core.netdev_max_backlog",
            "softirq time used up by something else on that CPU",
        ],
        next: &[
            "cat /proc/net/softnet_stat",
            "sysctl net.core.netdev_max_backlog net.core.flow_limit_cpu_bitmap",
            "plumb drops --reason CPU_BACKLOG --by cpu,flow",
            "ip -s -s link show dev IFACE",
        ],
        kernels: Some("In softnet_stat the second column counts these per CPU, the eleventh the flow limit."),
        related: &["FULL_RING", "SOCKET_RCVBUFF", "DEV_READY"],
    },
    Entry {
        name: "DEV_READY",
        what: "The device was not ready to take the packet. enqueue_to_backlog raises it for an \
               interface that is down, tun_net_xmit when no process has opened the tun or tap queue, \
               tun_get_user and VXLAN for a device that is not up.",
        causes: &[
            "an interface set down or removed during traffic",
            "a VPN or virtual machine that ended while its tun or tap device stayed",
            "a tunnel device created but never set up",
        ],
        next: &[
            "ip -s link show dev IFACE",
            "ip tuntap list",
            "ip monitor link",
            "plumb drops --reason DEV_READY --by flow",
        ],
        kernels: Some(
            "On 6.1 only the tun driver (tun and tap devices) raises it. From 6.12 also packets still \
             in the backlog of a device being removed; on 6.18 also sending by a queueless device that \
             is down.",
        ),
        related: &["FULL_RING", "RECURSION_LIMIT", "TAP_FILTER"],
    },
    Entry {
        name: "FULL_RING",
        what: "The ring to the reader of a tun, tap or macvtap device is full. tun_net_xmit and \
               tap_handle_frame drop what a virtual machine monitor or VPN daemon has not fetched yet. \
               xfrm IP-TFS queues may use it too.",
        causes: &[
            "a guest or VPN process that does not get enough CPU",
            "bursts larger than the queue (txqueuelen of the device)",
            "a guest NIC that was not started, or whose vhost thread is busy",
        ],
        next: &[
            "ip -s -s link show dev IFACE",
            "plumb drops --reason FULL_RING --by flow",
            "ps -eLo pid,tid,psr,pcpu,comm --sort -pcpu",
        ],
        kernels: None,
        related: &["CPU_BACKLOG", "DEV_READY", "TAP_FILTER"],
    },
    Entry {
        name: "DEV_HDR",
        what: "The offload header in front of a written frame is invalid. tap_get_user drops the frame \
               when the virtio-net header of a macvtap writer does not fit it.",
        causes: &[
            "a guest driver or user program that writes wrong virtio-net headers (GSO type, header \
             length, checksum offsets)",
            "a mismatch of the header size (TUNSETVNETHDRSZ)",
        ],
        next: &["ethtool -k IFACE", "plumb drops --reason DEV_HDR --by process", "ip -d link show dev IFACE"],
        kernels: None,
        related: &["SKB_BAD_GSO", "HDR_TRUNC", "SKB_UCOPY_FAULT"],
    },
    Entry {
        name: "HDR_TRUNC",
        what: "A frame written to a tap device does not even hold an Ethernet header. tun_get_user \
               could not make the first 14 bytes accessible and dropped it.",
        causes: &[
            "a program that writes runt frames, or writes IP packets to a tap rather than a tun device",
        ],
        next: &["ip -d tuntap list", "plumb drops --reason HDR_TRUNC --by process"],
        kernels: None,
        related: &["PKT_TOO_SMALL", "DEV_HDR"],
    },
    Entry {
        name: "TAP_FILTER",
        what: "A BPF program attached to the tun or tap device told it to drop. tun_net_xmit runs the \
               program that was set with TUNSETFILTEREBPF, and it returned 0.",
        causes: &["the filter that a virtual machine monitor or VPN installed, working as meant"],
        next: &["bpftool prog show", "plumb drops --reason TAP_FILTER --by flow", "ip -d tuntap list"],
        kernels: None,
        related: &["TAP_TXFILTER", "SOCKET_FILTER"],
    },
    Entry {
        name: "TAP_TXFILTER",
        what: "The tap device's own address filter does not let this destination MAC through \
               (check_filter in tun_net_xmit). Set by the virtual machine monitor with TUNSETTXFILTER, \
               as a NIC would filter for its guest.",
        causes: &[
            "flooded or multicast frames that the guest has not asked for: normal",
            "a guest that changed its MAC without the filter following",
        ],
        next: &["ip maddr show dev IFACE", "bridge fdb show dev IFACE", "plumb drops --reason TAP_TXFILTER"],
        kernels: None,
        related: &["TAP_FILTER", "OTHERHOST"],
    },
];
