//! Reasons of TCP data: sequence numbers, windows, timestamps and the out-of-order queue.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "TCP_ZEROWINDOW",
        what: "The receive window is closed: the application has not read, and the sender sent anyway. \
               tcp_data_queue drops the data and repeats the ACK with window 0. Probes of stacks that \
               send a byte into the closed window look like this too.",
        causes: &["a reader that is slow or stuck", "a receive buffer too small for the rate"],
        next: &[
            "nstat -az TcpExtTCPZeroWindowDrop TcpExtTCPToZeroWindowAdv TcpExtTCPWantZeroWindowAdv",
            "ss -tinmp",
            "sysctl net.ipv4.tcp_rmem",
            "plumb drops --reason TCP_ZEROWINDOW --by flow",
        ],
        kernels: None,
        related: &["TCP_OVERWINDOW", "PROTO_MEM", "SOCKET_BACKLOG"],
    },
    Entry {
        name: "TCP_OLD_DATA",
        what: "Every byte of the segment had been received before: an unnecessary retransmission. \
               tcp_data_queue drops it and sends a duplicate SACK so that the sender can undo its \
               reaction. No data is lost.",
        causes: &[
            "ACKs lost or delayed on the way back",
            "reordering or delay spikes that make the sender retransmit too early (Wi-Fi, mobile, \
             bonding)",
            "tail loss probes, which repeat the last segment",
        ],
        next: &[
            "nstat -az TcpExtDelayedACKLost TcpExtTCPDSACKOldSent",
            "plumb drops --reason TCP_OLD_DATA --by flow",
            "ss -tin dst ADDR",
        ],
        kernels: None,
        related: &["TCP_OFOMERGE", "TCP_OLD_SEQUENCE", "TCP_OFO_DROP"],
    },
    Entry {
        name: "TCP_OVERWINDOW",
        what: "The data starts at or beyond the right edge of the receive window. tcp_data_queue drops \
               it and repeats the ACK; tcp_check_req uses the same reason for a segment outside the \
               window of a half-open connection.",
        causes: &[
            "a sender that ignores the window, or a window that was shrunk after it was announced",
            "duplicates of an earlier handshake with the same ports",
            "a middlebox that rewrites sequence numbers or window scaling",
        ],
        next: &[
            "nstat -az TcpExtBeyondWindow TcpExtTCPACKSkippedSynRecv",
            "plumb drops --reason TCP_OVERWINDOW --by flow",
            "ss -tinm",
        ],
        kernels: Some(
            "The half-open case is NOT_SPECIFIED on 6.1 and 6.12; TcpExtBeyondWindow is not in their \
             counters.",
        ),
        related: &["TCP_ZEROWINDOW", "TCP_INVALID_SEQUENCE"],
    },
    Entry {
        name: "TCP_INVALID_SEQUENCE",
        what: "The segment starts beyond the receive window. tcp_sequence finds it, and \
               tcp_validate_incoming drops it and sends a duplicate ACK, at a limited rate.",
        causes: &[
            "a forged or replayed packet",
            "a restarted or confused peer; NAT that mixes two connections",
            "a middlebox that randomises sequence numbers in one direction only",
        ],
        next: &[
            "nstat -az TcpExtBeyondWindow TcpExtTCPACKSkippedSeq",
            "plumb drops --reason TCP_INVALID_SEQUENCE --by flow",
            "tcpdump -ni IFACE -S tcp",
        ],
        kernels: Some(
            "On 6.1 it also covers segments before the window (keepalives among them), later \
             TCP_OLD_SEQUENCE.",
        ),
        related: &["TCP_OLD_SEQUENCE", "TCP_INVALID_END_SEQUENCE", "TCP_RESET", "TCP_OVERWINDOW"],
    },
    Entry {
        name: "TCP_INVALID_END_SEQUENCE",
        what: "The segment starts inside the window but reaches beyond it, while data is still waiting \
               to be read. tcp_sequence refuses it; with an empty receive queue it would be let \
               through.",
        causes: &[
            "a sender that overruns the announced window",
            "a receiver whose window was shrunk by memory pressure after it was announced",
        ],
        next: &[
            "nstat -az TcpExtBeyondWindow",
            "plumb drops --reason TCP_INVALID_END_SEQUENCE --by flow",
            "ss -tinmp",
        ],
        kernels: Some("Kernels before it accept such segments at this check."),
        related: &["TCP_INVALID_SEQUENCE", "TCP_OVERWINDOW", "TCP_ZEROWINDOW"],
    },
    Entry {
        name: "TCP_OLD_SEQUENCE",
        what: "The segment ends before what we last acknowledged. tcp_sequence finds it, and \
               tcp_validate_incoming drops it and sends a duplicate ACK. No data is lost.",
        causes: &[
            "retransmissions that crossed with our ACK, or duplicates made by the network",
            "keepalive and zero-window probes, which use the sequence number before the next one: normal",
        ],
        next: &[
            "nstat -az TcpExtTCPACKSkippedSeq TcpExtDelayedACKLost",
            "plumb drops --reason TCP_OLD_SEQUENCE --by flow",
            "ss -tin dst ADDR",
        ],
        kernels: Some("6.1 shows TCP_INVALID_SEQUENCE."),
        related: &["TCP_OLD_DATA", "TCP_INVALID_SEQUENCE"],
    },
    Entry {
        name: "TCP_OFOMERGE",
        what: "The bytes of this segment are already covered by others in the out-of-order queue. \
               tcp_data_queue_ofo drops the newcomer, or the older segments that it covers, and reports \
               them by duplicate SACK.",
        causes: &[
            "retransmission of data that had arrived but was not yet acknowledged in order",
            "duplicates made by the network; heavy reordering",
        ],
        next: &[
            "nstat -az TcpExtTCPOFOMerge TcpExtTCPDSACKOfoSent TcpExtTCPOFOQueue",
            "plumb drops --reason TCP_OFOMERGE --by flow",
            "ss -tin dst ADDR",
        ],
        kernels: None,
        related: &["TCP_OLD_DATA", "TCP_OFO_DROP"],
    },
    Entry {
        name: "TCP_OFO_QUEUE_PRUNE",
        what: "Segments waiting out of order were thrown away to make room. tcp_prune_ofo_queue frees \
               them, highest sequence first, when the socket is over its receive buffer or TCP is under \
               memory pressure; the sender has to send them again.",
        causes: &[
            "a hole that stays open (loss) on a fast or long path with too small a receive buffer",
            "a slow reader; many connections and a small tcp_mem",
        ],
        next: &[
            "nstat -az TcpExtOfoPruned TcpExtPruneCalled TcpExtRcvPruned TcpExtTCPRcvCollapsed",
            "ss -tinm",
            "sysctl net.ipv4.tcp_rmem net.ipv4.tcp_mem",
            "plumb drops --reason TCP_OFO_QUEUE_PRUNE --by flow",
        ],
        kernels: None,
        related: &["PROTO_MEM", "TCP_OFO_DROP", "TCP_ZEROWINDOW"],
    },
    Entry {
        name: "TCP_OFO_DROP",
        what: "When a hole was filled, this queued segment turned out to hold nothing new. \
               tcp_ofo_queue frees segments whose bytes have all been received meanwhile. No data is \
               lost.",
        causes: &["retransmissions that overlap with data that had come out of order"],
        next: &[
            "nstat -az TcpExtTCPDSACKOfoSent TcpExtTCPOFOQueue",
            "plumb drops --reason TCP_OFO_DROP --by flow",
        ],
        kernels: Some(
            "The counter TcpExtTCPOFODrop is something else: out-of-order data for which there was no \
             memory (PROTO_MEM).",
        ),
        related: &["TCP_OFOMERGE", "TCP_OLD_DATA"],
    },
    Entry {
        name: "TCP_RFC7323_PAWS",
        what: "The timestamp is older than the newest one seen, so the segment may be a leftover of \
               earlier data (PAWS, RFC 7323). Raised by tcp_validate_incoming for data, by \
               tcp_check_req for half-open connections, and while connecting.",
        causes: &[
            "heavy reordering: a segment overtaken by later ones",
            "several machines behind one NAT or load balancer address with different clocks",
            "a peer whose timestamp clock jumped (migration, restore, SYN proxy)",
        ],
        next: &[
            "nstat -az TcpExtPAWSEstab TcpExtPAWSActive TcpExtTCPACKSkippedPAWS",
            "sysctl net.ipv4.tcp_timestamps",
            "plumb drops --reason TCP_RFC7323_PAWS --by flow",
            "tcpdump -ni IFACE -v tcp",
        ],
        kernels: Some(
            "On 6.1 and 6.12 it includes old pure ACKs, later TCP_RFC7323_PAWS_ACK; half-open and \
             TIME_WAIT cases are NOT_SPECIFIED there.",
        ),
        related: &["TCP_RFC7323_PAWS_ACK", "TCP_RFC7323_TW_PAWS", "TCP_RFC7323_TSECR"],
    },
    Entry {
        name: "TCP_RFC7323_PAWS_ACK",
        what: "A pure ACK with an old timestamp and an old sequence number: it was overtaken by later \
               packets. tcp_validate_incoming drops it without an answer. It carries nothing that is \
               needed, so this is harmless.",
        causes: &["reordering of ACKs, as over several paths or queues"],
        next: &["nstat -az TcpExtPAWSOldAck", "plumb drops --reason TCP_RFC7323_PAWS_ACK --by flow"],
        kernels: Some("On 6.1 and 6.12 counted as TCP_RFC7323_PAWS."),
        related: &["TCP_RFC7323_PAWS"],
    },
    Entry {
        name: "TCP_RFC7323_TW_PAWS",
        what: "A segment for a connection in TIME_WAIT has an old timestamp. tcp_timewait_state_process \
               refuses it; a new SYN that reuses the ports is refused for the same reason, and the \
               client retries.",
        causes: &[
            "a client, or several behind one NAT address, that reuses the port quickly with an older \
             timestamp",
            "late duplicates of the closed connection",
        ],
        next: &[
            "nstat -az TcpExtPAWSTimewait TcpExtTCPACKSkippedTimeWait TcpExtTW",
            "ss -tan state time-wait",
            "plumb drops --reason TCP_RFC7323_TW_PAWS --by flow",
        ],
        kernels: Some("On 6.1 and 6.12 NOT_SPECIFIED in tcp_v4_rcv or tcp_v6_rcv."),
        related: &["TCP_RFC7323_PAWS", "NO_SOCKET"],
    },
    Entry {
        name: "TCP_RFC7323_TSECR",
        what: "The handshake's last ACK echoes a timestamp that our SYN-ACK never carried. \
               tcp_check_req drops it: a sign of a forged or mixed-up ACK.",
        causes: &[
            "a middlebox or SYN proxy that rewrites timestamps in one direction only",
            "a blind attempt to complete a handshake",
        ],
        next: &[
            "nstat -az TcpExtTSEcrRejected",
            "plumb drops --reason TCP_RFC7323_TSECR --by flow",
            "tcpdump -ni IFACE -v 'tcp[tcpflags] & tcp-syn != 0'",
        ],
        kernels: Some("6.1 and 6.12 do not check this."),
        related: &["TCP_RFC7323_PAWS", "TCP_OVERWINDOW"],
    },
];
