//! Reasons of TCP's state machine: flags, handshake, resets, connections that are going away.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "TCP_CSUM",
        what: "The TCP checksum does not match the segment. Checked by tcp_v4_rcv and tcp_v6_rcv, again \
               in tcp_rcv_established and tcp_add_backlog where the NIC did not do it; the sender sees \
               the loss and retransmits.",
        causes: &[
            "a middlebox, tunnel, XDP or TC program that rewrites addresses or payload without fixing \
             the sum",
            "a virtual NIC that hands on packets whose checksum was left to the hardware",
            "corruption by a NIC, switch or memory (look for one path or one host)",
        ],
        next: &[
            "nstat -az TcpInCsumErrors TcpInErrs",
            "plumb drops --reason TCP_CSUM --by flow",
            "ethtool -k IFACE",
            "tcpdump -ni IFACE -vv tcp",
        ],
        kernels: None,
        related: &["IP_CSUM", "UDP_CSUM", "SKB_CSUM"],
    },
    Entry {
        name: "TCP_FLAGS",
        what: "The flags make no sense in the socket's state. A segment without ACK, RST and SYN, SYN \
               together with FIN to a listener, an ACK to a listener that started no handshake with it, \
               or an ACK without SYN as answer to our SYN (tcp_rcv_state_process, tcp_rcv_established).",
        causes: &[
            "a connection that one side has forgotten: restarted host, expired NAT or firewall state, \
             failover of a load balancer",
            "port scans (null, FIN, Xmas scans)",
            "an ACK whose half-open connection has timed out, or with a bad SYN cookie",
        ],
        next: &[
            "plumb drops --reason TCP_FLAGS --by flow",
            "nstat -az TcpOutRsts TcpExtSyncookiesFailed TcpAttemptFails",
            "tcpdump -ni IFACE 'tcp[tcpflags] & (tcp-syn|tcp-ack|tcp-rst) == 0'",
        ],
        kernels: Some("6.1 shows an ACK to a listener as NOT_SPECIFIED."),
        related: &["TCP_INVALID_SYN", "TCP_RESET", "NO_SOCKET"],
    },
    Entry {
        name: "TCP_INVALID_SYN",
        what: "A SYN arrived on a connection that already exists. tcp_validate_incoming answers with a \
               challenge ACK, as RFC 5961 asks, so that a forged SYN cannot kill the connection.",
        causes: &[
            "a peer that rebooted, or a client reusing a port while our side still has the old \
             connection",
            "NAT that maps two clients to the same port",
            "a delayed or duplicated SYN; an attack",
        ],
        next: &[
            "nstat -az TcpExtTCPSYNChallenge TcpExtTCPChallengeACK",
            "plumb drops --reason TCP_INVALID_SYN --by flow",
            "ss -tinoa dst ADDR",
        ],
        kernels: None,
        related: &["TCP_RESET", "TCP_FLAGS", "TCP_RFC7323_PAWS"],
    },
    Entry {
        name: "TCP_RESET",
        what: "A reset was not believed. In an established connection its sequence number is in the \
               window but not exactly the next one, so tcp_validate_incoming sends a challenge ACK \
               instead (RFC 5961). A reset to a listener, or one without ACK during connect, is dropped \
               too.",
        causes: &[
            "a peer or middlebox that resets with an old sequence number",
            "a forged reset: censorship, attack, \"connection killer\" of a firewall",
            "stray resets to a listening port",
        ],
        next: &[
            "nstat -az TcpExtTCPChallengeACK",
            "plumb drops --reason TCP_RESET --by flow",
            "tcpdump -ni IFACE 'tcp[tcpflags] & tcp-rst != 0'",
        ],
        kernels: None,
        related: &["TCP_INVALID_SEQUENCE", "TCP_INVALID_SYN", "TCP_FLAGS"],
    },
    Entry {
        name: "TCP_CLOSE",
        what: "The segment reached a socket that is already in state CLOSE. tcp_rcv_state_process drops \
               it: the connection was torn down between finding the socket and handling the segment.",
        causes: &[
            "the application, or a timeout, killed the connection while data was on its way",
            "a segment parked in the backlog of a socket that was then closed",
        ],
        next: &[
            "plumb drops --reason TCP_CLOSE --by flow",
            "nstat -az TcpEstabResets TcpExtTCPAbortOnClose TcpExtTCPAbortOnTimeout",
            "ss -tano",
        ],
        kernels: None,
        related: &["TCP_ABORT_ON_DATA", "NO_SOCKET"],
    },
    Entry {
        name: "TCP_ABORT_ON_DATA",
        what: "Data came for a connection that nobody will read any more. tcp_rcv_state_process aborts \
               with a reset when new data arrives after the receiving side was shut down, or when the \
               socket lingers with a negative TCP_LINGER2.",
        causes: &[
            "a process closed its socket while the peer was still sending (client gone, request \
             cancelled, crash)",
            "a server that closes without reading the whole request",
        ],
        next: &[
            "nstat -az TcpExtTCPAbortOnData TcpExtTCPAbortOnClose",
            "plumb drops --reason TCP_ABORT_ON_DATA --by flow",
            "ss -tano state fin-wait-1 state fin-wait-2",
        ],
        kernels: Some("6.1 shows NOT_SPECIFIED."),
        related: &["TCP_CLOSE", "TCP_RESET"],
    },
    Entry {
        name: "TCP_FASTOPEN",
        what: "A segment for a Fast Open connection whose handshake is not finished was refused. \
               tcp_rcv_state_process calls tcp_check_req first, and that found the segment out of \
               window, too old or reset, and gave no finer reason.",
        causes: &["the client's final ACK is old or out of window", "a reset by a client that has given up"],
        next: &[
            "nstat -az TcpExtTCPFastOpenPassive TcpExtTCPFastOpenPassiveFail \
             TcpExtTCPFastOpenListenOverflow",
            "sysctl net.ipv4.tcp_fastopen",
            "plumb drops --reason TCP_FASTOPEN --by flow",
        ],
        kernels: None,
        related: &["TCP_OVERWINDOW", "TCP_RFC7323_PAWS", "TCP_LISTEN_OVERFLOW"],
    },
    Entry {
        name: "TCP_LISTEN_OVERFLOW",
        what: "The accept queue is full: the handshake's last ACK came, but the new connection cannot \
               be queued for accept(). tcp_check_req refuses the ACK; the client believes that it is \
               connected, and its data stays unacknowledged.",
        causes: &[
            "an application that accepts too slowly, is blocked, or has too few workers",
            "a listen backlog too small for the burst, capped by net.core.somaxconn",
            "no memory for the new connection's socket",
        ],
        next: &[
            "nstat -az TcpExtListenOverflows TcpExtListenDrops",
            "ss -lnt",
            "sysctl net.core.somaxconn net.ipv4.tcp_abort_on_overflow",
            "plumb drops --reason TCP_LISTEN_OVERFLOW --by flow",
        ],
        kernels: Some(
            "On 6.1 and 6.12 NOT_SPECIFIED in tcp_v4_rcv or tcp_v6_rcv. A SYN refused because of a full \
             accept queue is not freed as a drop on any of them: only the counters tell.",
        ),
        related: &["SOCKET_BACKLOG", "TCP_FASTOPEN", "NO_SOCKET"],
    },
    Entry {
        name: "TCP_MINTTL",
        what: "The packet's TTL or hop limit is lower than the socket accepts. tcp_v4_rcv and \
               tcp_v6_rcv compare it with IP_MINTTL or IPV6_MINHOPCOUNT: the guard of BGP sessions \
               against senders that are further away (GTSM, RFC 5082).",
        causes: &[
            "a BGP neighbour that does not send TTL 255, or is more hops away than configured \
             (ttl-security)",
            "a changed path between peers",
            "an attack from further away, which is what the check is for",
        ],
        next: &[
            "nstat -az TcpExtTCPMinTTLDrop",
            "tcpdump -ni IFACE -v 'tcp port 179'",
            "plumb drops --reason TCP_MINTTL --by flow",
        ],
        kernels: Some("6.1 shows NOT_SPECIFIED."),
        related: &["TCP_MD5NOTFOUND", "TCP_AONOTFOUND"],
    },
    Entry {
        name: "TCP_OLD_ACK",
        what: "A socket in SYN_RECV got an ACK that does not acknowledge its SYN-ACK. \
               tcp_rcv_state_process answers with a reset.",
        causes: &[
            "a late ACK of an earlier connection with the same ports",
            "simultaneous open or Fast Open with a confused peer",
        ],
        next: &["plumb drops --reason TCP_OLD_ACK --by flow", "nstat -az TcpAttemptFails TcpOutRsts"],
        kernels: Some("In the enum of 6.1, but nothing there raises it."),
        related: &["TCP_TOO_OLD_ACK", "TCP_INVALID_ACK_SEQUENCE"],
    },
    Entry {
        name: "TCP_INVALID_ACK_SEQUENCE",
        what: "The answer to our SYN acknowledges something that we did not send. \
               tcp_rcv_synsent_state_process resets the connection attempt (unless the segment itself \
               is a reset).",
        causes: &[
            "an old connection with the same ports still known to the peer, a firewall or NAT",
            "a SYN proxy or load balancer that mixes up sequence numbers",
            "forged answers",
        ],
        next: &[
            "nstat -az TcpAttemptFails TcpOutRsts",
            "plumb drops --reason TCP_INVALID_ACK_SEQUENCE --by flow",
            "tcpdump -ni IFACE -S 'tcp[tcpflags] & tcp-syn != 0'",
        ],
        kernels: Some("6.1 shows NOT_SPECIFIED."),
        related: &["TCP_OLD_ACK", "TCP_ACK_UNSENT_DATA"],
    },
    Entry {
        name: "TCP_TOO_OLD_ACK",
        what: "The acknowledgement number lies further back than the window ever reached, so it cannot \
               belong to this flight of data. tcp_ack drops the segment and sends a challenge ACK (RFC \
               5961, section 5.2).",
        causes: &[
            "a packet delayed for very long or replayed",
            "a blind attack with a guessed acknowledgement",
            "a middlebox that rewrites sequence numbers in one direction only",
        ],
        next: &[
            "nstat -az TcpExtTCPChallengeACK",
            "plumb drops --reason TCP_TOO_OLD_ACK --by flow",
            "tcpdump -ni IFACE -S tcp",
        ],
        kernels: None,
        related: &["TCP_ACK_UNSENT_DATA", "TCP_OLD_ACK"],
    },
    Entry {
        name: "TCP_ACK_UNSENT_DATA",
        what: "The segment acknowledges bytes that we have not sent yet. tcp_ack drops it and answers \
               with an ACK that tells the peer where we are.",
        causes: &[
            "two connections mixed up by NAT or a load balancer, or one side restored from a snapshot",
            "a middlebox that rewrites sequence numbers in one direction only",
            "a blind attack",
        ],
        next: &[
            "nstat -az TcpExtTCPChallengeACK",
            "plumb drops --reason TCP_ACK_UNSENT_DATA --by flow",
            "ss -tin dst ADDR",
        ],
        kernels: None,
        related: &["TCP_TOO_OLD_ACK", "TCP_INVALID_ACK_SEQUENCE"],
    },
];
