//! Reasons of TCP signatures: MD5 (RFC 2385) and TCP-AO (RFC 5925), and of PSP encryption.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "TCP_AUTH_HDR",
        what: "The authentication options cannot be used: malformed, twice the same, or MD5 and TCP-AO \
               together. tcp_inbound_hash stops before looking at any key.",
        causes: &[
            "a broken implementation or a middlebox that rewrites TCP options",
            "an attack on BGP sessions",
        ],
        next: &[
            "perf trace -e tcp:tcp_hash_bad_header",
            "tcpdump -ni IFACE -vv 'tcp port 179'",
            "plumb drops --reason TCP_AUTH_HDR --by flow",
        ],
        kernels: Some("Not on 6.1, which takes the first MD5 option that it finds."),
        related: &["TCP_MD5FAILURE", "TCP_AOFAILURE"],
    },
    Entry {
        name: "TCP_MD5NOTFOUND",
        what: "The socket has an MD5 key for this peer, but the segment is not signed. tcp_inbound_hash \
               drops it (tcp_inbound_md5_hash on 6.1).",
        causes: &[
            "the password is set on our side only, or the peer lost it in a restart",
            "a middlebox or proxy that strips TCP options",
            "a scan or attack on a BGP port",
        ],
        next: &[
            "nstat -az TcpExtTCPMD5NotFound",
            "ss -tin '( sport = :179 or dport = :179 )'",
            "perf trace -e tcp:tcp_hash_md5_required",
            "plumb drops --reason TCP_MD5NOTFOUND --by flow",
        ],
        kernels: None,
        related: &["TCP_MD5UNEXPECTED", "TCP_MD5FAILURE", "TCP_AONOTFOUND"],
    },
    Entry {
        name: "TCP_MD5UNEXPECTED",
        what: "The segment carries an MD5 signature, but the socket has no key for this peer. \
               tcp_inbound_md5_hash drops it.",
        causes: &[
            "the password is set on the peer's side only, or for another address or VRF here",
            "the routing daemon on our side has not set the key yet after a restart",
        ],
        next: &[
            "nstat -az TcpExtTCPMD5Unexpected",
            "plumb drops --reason TCP_MD5UNEXPECTED --by flow",
            "perf trace -e tcp:tcp_hash_md5_unexpected",
        ],
        kernels: None,
        related: &["TCP_MD5NOTFOUND", "TCP_MD5FAILURE", "TCP_AOUNEXPECTED"],
    },
    Entry {
        name: "TCP_MD5FAILURE",
        what: "The MD5 signature does not match what our key gives. tcp_inbound_md5_hash drops the \
               segment.",
        causes: &[
            "different passwords on the two sides",
            "NAT or a proxy between the peers: the addresses and ports are part of the signature",
            "corruption that the checksum did not catch",
        ],
        next: &[
            "nstat -az TcpExtTCPMD5Failure",
            "perf trace -e tcp:tcp_hash_md5_mismatch",
            "plumb drops --reason TCP_MD5FAILURE --by flow",
        ],
        kernels: Some("6.1 and other kernels without the tracepoint log it (dmesg)."),
        related: &["TCP_MD5NOTFOUND", "TCP_MD5UNEXPECTED", "TCP_AOFAILURE"],
    },
    Entry {
        name: "TCP_AONOTFOUND",
        what: "The socket demands TCP-AO from this peer, but the segment has no signature. \
               tcp_inbound_hash drops it.",
        causes: &[
            "TCP-AO configured on our side only",
            "a middlebox that strips TCP options",
            "a scan or attack on a BGP port",
        ],
        next: &[
            "nstat -az TcpExtTCPAORequired",
            "perf trace -e tcp:tcp_hash_ao_required",
            "plumb drops --reason TCP_AONOTFOUND --by flow",
        ],
        kernels: Some("TCP-AO is not in 6.1."),
        related: &["TCP_AOUNEXPECTED", "TCP_AOKEYNOTFOUND", "TCP_MD5NOTFOUND"],
    },
    Entry {
        name: "TCP_AOUNEXPECTED",
        what: "The segment has a TCP-AO signature, but the socket has no TCP-AO keys at all. \
               tcp_inbound_ao_hash drops it.",
        causes: &[
            "TCP-AO configured on the peer's side only",
            "a listener that has not been given its keys yet",
        ],
        next: &[
            "nstat -az TcpExtTCPAOKeyNotFound",
            "perf trace -e tcp:tcp_ao_key_not_found",
            "plumb drops --reason TCP_AOUNEXPECTED --by flow",
        ],
        kernels: Some("TCP-AO is not in 6.1."),
        related: &["TCP_AONOTFOUND", "TCP_AOKEYNOTFOUND", "TCP_MD5UNEXPECTED"],
    },
    Entry {
        name: "TCP_AOKEYNOTFOUND",
        what: "The socket uses TCP-AO, but has no key with the identifier that the segment names. \
               tcp_inbound_ao_hash drops it.",
        causes: &[
            "a key rotation that one side has not finished",
            "different key identifiers (send and receive id swapped) or another peer address or VRF",
        ],
        next: &[
            "nstat -az TcpExtTCPAOKeyNotFound",
            "perf trace -e tcp:tcp_ao_key_not_found",
            "plumb drops --reason TCP_AOKEYNOTFOUND --by flow",
        ],
        kernels: Some("TCP-AO is not in 6.1."),
        related: &["TCP_AOFAILURE", "TCP_AOUNEXPECTED"],
    },
    Entry {
        name: "TCP_AOFAILURE",
        what: "The TCP-AO signature is wrong, or its length is. tcp_ao_verify_hash drops the segment; \
               tcp_inbound_hash does where one packet of a handshake used TCP-AO and the next did not.",
        causes: &[
            "different master keys or algorithms on the two sides",
            "NAT between the peers: the addresses are part of the signature",
            "different settings for including TCP options",
        ],
        next: &[
            "nstat -az TcpExtTCPAOBad TcpExtTCPAOGood",
            "perf trace -e tcp:tcp_ao_mismatch",
            "plumb drops --reason TCP_AOFAILURE --by flow",
        ],
        kernels: Some("TCP-AO is not in 6.1."),
        related: &["TCP_AOKEYNOTFOUND", "TCP_AUTH_HDR", "TCP_MD5FAILURE"],
    },
    Entry {
        name: "PSP_INPUT",
        what: "The PSP encryption of a received TCP segment does not fit its socket. \
               psp_sk_rx_policy_check (TIME_WAIT: psp_twsk_rx_policy_check) refuses clear text where an \
               association demands PSP, PSP where there is none, and a wrong SPI, key generation, \
               version or device.",
        causes: &[
            "a peer that has not switched to encryption yet, or falls back to clear text",
            "a key rotation on the device that has outlived the association",
            "a connection that moved to another NIC",
        ],
        next: &["plumb drops --reason PSP_INPUT --by flow", "ethtool -S IFACE", "ss -tin dst ADDR"],
        kernels: None,
        related: &["PSP_OUTPUT", "TCP_AONOTFOUND"],
    },
    Entry {
        name: "PSP_OUTPUT",
        what: "A TCP segment that must be sent with PSP encryption cannot be. psp_validate_xmit refuses \
               it when it is routed to a device other than the one that holds the keys; a driver when \
               it cannot add the PSP header.",
        causes: &[
            "a route or bond change that moved an encrypted connection to another NIC",
            "no headroom or memory for the encapsulation",
        ],
        next: &["plumb drops --reason PSP_OUTPUT --by flow", "ip route get ADDR", "ethtool -S IFACE"],
        kernels: None,
        related: &["PSP_INPUT", "NOMEM"],
    },
];
