//! Reasons at the socket: none there, no room, filtered, closed.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "NO_SOCKET",
        what: "Nobody listens on the packet's address and port. __udp4_lib_rcv and __udp6_lib_rcv \
               answer with ICMP port unreachable, tcp_v4_rcv and tcp_v6_rcv with a reset. An ICMP echo \
               reply without a matching ping socket gets it too, as does an ACK with a good SYN cookie \
               for which no socket can be made.",
        causes: &[
            "the service is down, restarting, or bound to another address or port",
            "late packets of a closed connection, resets, port scans, clients with an outdated \
             configuration",
            "a listener in another network namespace or VRF than the packet",
            "echo replies to a ping that uses a raw socket, which got its copy all the same",
        ],
        next: &[
            "nstat -az UdpNoPorts Udp6NoPorts TcpOutRsts",
            "ss -lntup",
            "plumb drops --reason NO_SOCKET --by flow",
            "ip netns list",
        ],
        kernels: Some("The SYN cookie case is NOT_SPECIFIED on 6.1."),
        related: &["SOCKET_CLOSE", "TCP_FLAGS", "TCP_CLOSE"],
    },
    Entry {
        name: "SOCKET_CLOSE",
        what: "The socket that owned the packet was closed before it was read. AF_UNIX frees the unread \
               queue of a released socket with it (unix_release_sock); newer kernels also when the last \
               reference goes (unix_sock_destructor) and the garbage collector runs.",
        causes: &[
            "a process ended or closed a UNIX socket with unread messages: usually harmless",
            "a client that gives up before reading the answer",
        ],
        next: &[
            "ss -xap",
            "plumb drops --reason SOCKET_CLOSE --noise show --by process",
            "journalctl --since -10min",
        ],
        kernels: Some(
            "6.1 shows NOT_SPECIFIED. UDP and TCP sockets closed with unread data still show \
             NOT_SPECIFIED or QUEUE_PURGE on 6.18.",
        ),
        related: &["QUEUE_PURGE", "UNIX_DISCONNECT", "UNIX_SKIP_OOB"],
    },
    Entry {
        name: "SOCKET_FILTER",
        what: "A filter at the receiving socket refused the packet (sk_filter_trim_cap, called by TCP, \
               UDP, raw and tun sockets). Either the program that the application attached with \
               SO_ATTACH_FILTER or SO_ATTACH_BPF returned 0, or a cgroup's BPF program of type \
               cgroup_skb ingress did.",
        causes: &[
            "a cgroup policy: systemd IPAddressDeny, a container runtime, a CNI agent",
            "an application's own filter working as meant (ping and routing daemons on raw sockets, UDP \
             servers)",
        ],
        next: &[
            "bpftool cgroup tree",
            "bpftool prog show",
            "ss -tuwanpe",
            "plumb drops --reason SOCKET_FILTER --by cgroup,flow",
        ],
        kernels: Some(
            "On 6.1 and 6.12 it also covers refusals by an LSM (SELinux, Smack) and packets from \
             emergency memory; 6.18 calls those SECURITY_HOOK and PFMEMALLOC. Packets that a capture \
             socket's filter refuses are CONSUMED (6.1: no reason).",
        ),
        related: &["BPF_CGROUP_EGRESS", "SECURITY_HOOK", "PFMEMALLOC", "TAP_FILTER"],
    },
    Entry {
        name: "SOCKET_RCVBUFF",
        what: "The socket's receive buffer is full: the application reads too slowly or in too large \
               gaps. Raised by __udp_queue_rcv_skb, and by sock_queue_rcv_skb_reason (raw, ping and \
               other sockets).",
        causes: &[
            "a reader that is too slow, blocked, or has one thread for too much traffic",
            "bursts larger than the buffer: SO_RCVBUF small, capped by net.core.rmem_max",
            "small packets, since each is charged with its whole allocation (truesize), not its payload",
            "the reader starved of CPU (cgroup quota, softirq on the same core)",
        ],
        next: &[
            "nstat -az UdpRcvbufErrors Udp6RcvbufErrors",
            "ss -uanmp",
            "sysctl net.core.rmem_default net.core.rmem_max",
            "plumb drops --reason SOCKET_RCVBUFF --by flow",
        ],
        kernels: None,
        related: &["PROTO_MEM", "SOCKET_BACKLOG", "PACKET_SOCK_ERROR"],
    },
    Entry {
        name: "SOCKET_BACKLOG",
        what: "The backlog of a socket that a process holds locked is full. While a system call owns \
               the socket, tcp_add_backlog parks arriving segments; beyond about twice its receive \
               buffer plus half its send buffer it drops them.",
        causes: &[
            "a process that stays long in one send or receive call on a fast connection",
            "CPU starvation of that process: quota, real-time tasks, a busy softirq on the same CPU",
            "small receive buffers set by the application",
        ],
        next: &[
            "nstat -az TcpExtTCPBacklogDrop TcpExtTCPBacklogCoalesce",
            "ss -tinmp",
            "sysctl net.ipv4.tcp_rmem net.ipv4.tcp_wmem",
            "plumb drops --reason SOCKET_BACKLOG --by flow",
        ],
        kernels: Some("On 6.1 and 6.12 only TCP raises it, also for packets from emergency memory."),
        related: &["SOCKET_RCVBUFF", "PFMEMALLOC", "TCP_ZEROWINDOW"],
    },
    Entry {
        name: "PROTO_MEM",
        what: "The protocol as a whole may not take more memory. UDP (__udp_queue_rcv_skb), raw sockets \
               and TCP (tcp_data_queue, tcp_data_queue_ofo, when tcp_try_rmem_schedule fails) raise it \
               when udp_mem, tcp_mem or the cgroup's socket memory is used up, or this TCP socket's \
               buffer cannot be made to fit.",
        causes: &[
            "many sockets with full receive queues; a leak of unread sockets",
            "tcp_mem or udp_mem too small for this host",
            "a memory cgroup at its limit, which throttles its sockets",
        ],
        next: &[
            "cat /proc/net/sockstat",
            "nstat -az TcpExtTCPRcvQDrop TcpExtTCPOFODrop TcpExtPruneCalled TcpExtTCPMemoryPressures \
             UdpMemErrors Udp6MemErrors",
            "sysctl net.ipv4.tcp_mem net.ipv4.udp_mem",
            "ss -tunamp",
        ],
        kernels: None,
        related: &["SOCKET_RCVBUFF", "NOMEM", "TCP_OFO_QUEUE_PRUNE"],
    },
    Entry {
        name: "UNIX_DISCONNECT",
        what: "A UNIX datagram socket was connected to another peer, and messages of the former peer \
               were thrown away. unix_dgram_disconnected empties the receive queue, since a connected \
               datagram socket hears only its peer.",
        causes: &["a program that calls connect() again on a UNIX datagram socket with unread messages"],
        next: &["ss -xap", "plumb drops --reason UNIX_DISCONNECT --noise show --by process"],
        kernels: Some("Older kernels show NOT_SPECIFIED (6.1) or QUEUE_PURGE (6.12)."),
        related: &["SOCKET_CLOSE", "QUEUE_PURGE", "UNIX_SKIP_OOB"],
    },
    Entry {
        name: "UNIX_SKIP_OOB",
        what: "The reader of a UNIX stream socket passed over an out-of-band byte without taking it, \
               and it was freed. manage_oob and unix_stream_read_skb do so when ordinary reading \
               reaches the mark without SO_OOBINLINE or MSG_OOB.",
        causes: &["a peer that sends with MSG_OOB to a program that never reads out-of-band data"],
        next: &["ss -xap", "plumb drops --reason UNIX_SKIP_OOB --noise show --by process"],
        kernels: None,
        related: &["SOCKET_CLOSE", "UNIX_DISCONNECT"],
    },
    Entry {
        name: "PACKET_SOCK_ERROR",
        what: "A capture socket (AF_PACKET) lost its copy of the packet; the packet itself went on. \
               packet_rcv and tpacket_rcv raise it when the receive buffer or ring is full, or the copy \
               cannot be made.",
        causes: &[
            "a sniffer (tcpdump, IDS, DHCP client) that reads more slowly than packets come",
            "a ring or receive buffer too small for bursts",
            "a filter that lets far more through than the tool needs",
        ],
        next: &["ss -0 -aemp", "cat /proc/net/packet", "plumb drops --reason PACKET_SOCK_ERROR --by process"],
        kernels: Some("6.1 shows NOT_SPECIFIED."),
        related: &["SOCKET_RCVBUFF", "SOCKET_FILTER"],
    },
    Entry {
        name: "SECURITY_HOOK",
        what: "A security module refused the packet or connection. On 6.18 sk_filter_trim_cap raises it \
               when security_sock_rcv_skb says no; cookie_v4_check and cookie_v6_check raise it when \
               security_inet_conn_request refuses a connection built from a SYN cookie.",
        causes: &[
            "SELinux or Smack packet labelling (SECMARK, NetLabel, labelled IPsec) without a rule that \
             permits it",
            "a BPF LSM program",
        ],
        next: &[
            "dmesg",
            "journalctl _TRANSPORT=audit --since -10min",
            "cat /sys/kernel/security/lsm",
            "plumb drops --reason SECURITY_HOOK --by process,flow",
        ],
        kernels: Some("On 6.12 only the SYN cookie case; the other shows as SOCKET_FILTER there and on 6.1."),
        related: &["SOCKET_FILTER", "XFRM_POLICY"],
    },
    Entry {
        name: "BPF_CGROUP_EGRESS",
        what: "A BPF program attached to the sender's cgroup refused the outgoing packet. \
               ip_finish_output, ip_mc_finish_output and ip6_finish_output raise it; the sender gets \
               EPERM from its system call, and to TCP it looks like loss.",
        causes: &[
            "systemd IPAddressDeny or IPAddressAllow on the unit",
            "a container or CNI policy enforced by a cgroup_skb program",
        ],
        next: &[
            "bpftool cgroup tree",
            "plumb drops --reason BPF_CGROUP_EGRESS --by cgroup,flow",
            "bpftool prog show",
        ],
        kernels: None,
        related: &["SOCKET_FILTER", "NETFILTER_DROP", "TC_EGRESS"],
    },
    Entry {
        name: "XFRM_POLICY",
        what: "IPsec policy does not allow the packet in this form: no policy permits it, or one \
               demands protection that it did not have. Checked for input by each protocol \
               (__xfrm_policy_check), and for forwarding by ip_forward and ip6_forward.",
        causes: &[
            "a plain packet where the policy demands ESP, often because the peer has lost its security \
             association",
            "selectors of both sides that do not match; templates with another mode or request id",
            "a block policy",
        ],
        next: &[
            "cat /proc/net/xfrm_stat",
            "ip -s xfrm policy",
            "ip -s xfrm state",
            "plumb drops --reason XFRM_POLICY --by flow",
        ],
        kernels: None,
        related: &["NETFILTER_DROP", "SECURITY_HOOK"],
    },
];
