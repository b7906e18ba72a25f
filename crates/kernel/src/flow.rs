//! Flows, as programs read them from headers.

use crate::wire::flow_key;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses, ports and protocol of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Source address.
    pub src: Option<IpAddr>,
    /// Destination address.
    pub dst: Option<IpAddr>,
    /// Source port.
    pub src_port: Option<u16>,
    /// Destination port.
    pub dst_port: Option<u16>,
    /// IP protocol after extension headers.
    pub protocol: Option<u8>,
}

impl Flow {
    /// The kernel side's flow key, which says by `version` and `has_ports` what it holds.
    pub(crate) fn of(key: &flow_key) -> Self {
        let address = |bytes: [u8; 16]| match key.version {
            4 => Some(IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]))),
            6 => Some(IpAddr::V6(Ipv6Addr::from(bytes))),
            _ => None,
        };
        let port = |port| (key.has_ports != 0).then_some(port);
        Self {
            src: address(key.src),
            dst: address(key.dst),
            src_port: port(key.src_port),
            dst_port: port(key.dst_port),
            protocol: (key.version != 0).then_some(key.protocol),
        }
    }
}
