//! Segments that a socket's or the host's policy refuses: signatures, distance, IPsec.

use std::net::SocketAddr;

use socket2::{SockAddr, Socket};

use super::{
    Segment, both,
    connection::{address, listen},
    drops, offer,
    options::{self, MD5_KEY, Md5Key, MinHopCount, MinTtl},
    rcv,
};
use crate::{
    Error, Host, KernelVersion, Lab, Result,
    faults::{
        Count, Expect, Fault,
        inject::{SOURCE_PORT, path},
        since,
    },
    frames::Family,
};

/// Option kinds and lengths: signature (RFC 2385) and authentication (RFC 5925).
const MD5_OPTION: [u8; 2] = [19, 18];
const AO_OPTION: [u8; 2] = [29, 16];

pub(in crate::faults) const FAULTS: &[Fault] = both![
    (
        "tcp-min-ttl",
        "TCP segments from farther away than the socket allows (RFC 5082)",
        |lab, n| knock(lab, FAMILY, n, b"", |listener| demand_neighbour(listener, FAMILY)),
        |kernel| {
            since(
                kernel,
                KernelVersion(6, 12),
                const { &[Expect::main("TCP_MINTTL", rcv(FAMILY))] },
                const { &[Expect::main("NOT_SPECIFIED", rcv(FAMILY))] },
            )
        },
    ),
    (
        "tcp-md5-unexpected",
        "TCP segments with a signature to a socket without a key (RFC 2385)",
        |lab, n| knock(lab, FAMILY, n, &signature(), |_| Ok(())),
        |_| const { &[Expect::main("TCP_MD5UNEXPECTED", rcv(FAMILY))] },
    ),
    (
        "tcp-md5-missing",
        "TCP segments without a signature to a socket with a key for the peer (RFC 2385)",
        |lab, n| knock(lab, FAMILY, n, b"", |listener| share_key(listener, lab.sender(), FAMILY)),
        |_| const { &[Expect::main("TCP_MD5NOTFOUND", rcv(FAMILY))] },
    ),
    (
        "tcp-md5-wrong",
        "TCP segments with a wrong signature (RFC 2385)",
        |lab, n| knock(lab, FAMILY, n, &signature(), |listener| share_key(listener, lab.sender(), FAMILY)),
        |_| const { &[Expect::main("TCP_MD5FAILURE", rcv(FAMILY))] },
    ),
    (
        "tcp-two-signatures",
        "TCP segments with both a signature and an authentication option (RFC 5925, section 2.2)",
        |lab, n| knock(lab, FAMILY, n, &[signature(), authentication()].concat(), |_| Ok(())),
        |kernel| {
            since(
                kernel,
                KernelVersion(6, 12),
                const { &[Expect::main("TCP_AUTH_HDR", rcv(FAMILY))] },
                const { &[Expect::main("TCP_MD5UNEXPECTED", rcv(FAMILY))] },
            )
        },
    ),
    (
        "tcp-ipsec-policy",
        "TCP segments that the IPsec policy blocks",
        |lab, n| blocked(lab, FAMILY, n),
        |_| const { &[Expect::main("XFRM_POLICY", rcv(FAMILY))] },
    ),
];

fn signature() -> Vec<u8> {
    let mut option = MD5_OPTION.to_vec();
    option.resize(usize::from(MD5_OPTION[1]), 0);
    option
}

fn authentication() -> Vec<u8> {
    let mut option = AO_OPTION.to_vec();
    option.resize(usize::from(AO_OPTION[1]), 0);
    option
}

/// Sends SYNs with `options` to a listener that `prepare` made strict.
fn knock(
    lab: &Lab,
    family: Family,
    n: u64,
    options: &[u8],
    prepare: impl FnOnce(&Socket) -> Result<()>,
) -> Result<Count> {
    let listener = listen(lab.receiver(), family, 1)?;
    prepare(&listener)?;
    let mut segment = Segment::new(SOURCE_PORT, address(&listener)?.port());
    segment.header.syn = true;
    segment.header.set_options_raw(options).map_err(|error| Error::Frame(error.to_string()))?;
    let frame = segment.frame(path(lab), family)?;
    offer(lab, &frame, n, || drops(&listener)).map(Count::main)
}

/// Only neighbours can send with the highest TTL.
fn demand_neighbour(listener: &Socket, family: Family) -> Result<()> {
    const HIGHEST: u32 = 255;
    match family {
        Family::V4 => options::set(listener, MinTtl, &HIGHEST, "IP_MINTTL"),
        Family::V6 => options::set(listener, MinHopCount, &HIGHEST, "IPV6_MINHOPCOUNT"),
    }
}

/// Sets a key for segments from `peer`.
fn share_key(listener: &Socket, peer: &Host, family: Family) -> Result<()> {
    // struct tcp_md5sig: address, flags, prefix length, key length, interface, key.
    const ADDRESS: usize = 128;
    const KEY_LENGTH: usize = ADDRESS + 2;
    const KEY: usize = ADDRESS + 8;
    const SECRET: &[u8; 5] = b"plumb";
    let address = match family {
        Family::V4 => SocketAddr::from((peer.v4, 0)),
        Family::V6 => SocketAddr::from((peer.v6, 0)),
    };
    let mut bytes = [0; MD5_KEY];
    sockaddr(address, &mut bytes);
    bytes[KEY_LENGTH..KEY_LENGTH + 2].copy_from_slice(&(SECRET.len() as u16).to_ne_bytes());
    bytes[KEY..KEY + SECRET.len()].copy_from_slice(SECRET);
    options::set(listener, Md5Key, &bytes, "TCP_MD5SIG")
}

/// Writes `address` as a sockaddr_in or sockaddr_in6 with port 0.
fn sockaddr(address: SocketAddr, to: &mut [u8]) {
    let family = SockAddr::from(address).family();
    to[..2].copy_from_slice(&family.to_ne_bytes());
    match address {
        SocketAddr::V4(v4) => to[4..8].copy_from_slice(&v4.ip().octets()),
        SocketAddr::V6(v6) => to[8..24].copy_from_slice(&v6.ip().octets()),
    }
}

fn blocked(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let receiver = lab.receiver();
    let listener = listen(receiver, family, 1)?;
    let port = address(&listener)?.port();
    let anywhere = match family {
        Family::V4 => "0.0.0.0/0",
        Family::V6 => "::/0",
    };
    let selector = format!("src {anywhere} dst {anywhere} proto tcp dport {port} dir in");
    let mut segment = Segment::new(SOURCE_PORT, port);
    segment.header.syn = true;
    let frame = segment.frame(path(lab), family)?;
    receiver.ip(&[&format!("xfrm policy add {selector} action block")])?;
    let count = offer(lab, &frame, n, || drops(&listener)).map(Count::main);
    receiver.ip(&[&format!("xfrm policy delete {selector}")])?;
    count
}
