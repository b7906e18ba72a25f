//! What frames look like.

use super::size::Sizes;
use plumb_kernel::traffic::Range;
use plumb_records::filter::{PortRange, Prefix};
use std::net::IpAddr;

/// What the IP packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Segments with these flags, as the byte of the header.
    Tcp(u8),
    /// Echo requests of the family's ICMP.
    Icmp,
}

/// What frames look like. Source and destination are of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Source and destination hardware address.
    pub mac: ([u8; 6], [u8; 6]),
    /// 802.1Q tag.
    pub vlan: Option<u16>,
    /// Source addresses.
    pub source: Prefix,
    /// Destination addresses.
    pub destination: Prefix,
    /// What the IP packet carries.
    pub transport: Transport,
    /// Source ports, or echo identifiers.
    pub source_ports: PortRange,
    /// Destination ports; echo requests have none.
    pub destination_ports: PortRange,
    /// How many flows; `None`: all that addresses and ports give.
    pub flows: Option<u32>,
    /// Lengths.
    pub sizes: Sizes,
    /// Flows and sizes at random, from this seed, rather than in turn.
    pub seed: Option<u64>,
    /// A stamp at the start of the payload.
    pub stamp: bool,
}

impl Shape {
    /// Whether the frames are of IPv6.
    pub fn is_v6(&self) -> bool {
        self.destination.network().is_ipv6()
    }

    /// What flows differ in, the fastest first: source port, destination port, and the last four bytes of source and
    /// destination address.
    pub(super) fn ranges(&self) -> [Range; 4] {
        let ports = |ports: PortRange| Range {
            first: u32::from(ports.first()),
            count: u32::from(ports.last() - ports.first()) + 1,
        };
        let none = Range { first: 0, count: 1 };
        [
            ports(self.source_ports),
            if self.transport == Transport::Icmp { none } else { ports(self.destination_ports) },
            addresses(self.source),
            addresses(self.destination),
        ]
    }

    /// How many flows addresses and ports give.
    pub fn most_flows(&self) -> u64 {
        self.ranges().iter().fold(1, |product: u64, range| product.saturating_mul(u64::from(range.count)))
    }
}

/// The addresses of a prefix that a host may have, by their last four bytes: without network and broadcast address
/// (RFC 1122, section 3.2.1.3), without the routers' anycast address (RFC 4291, section 2.6.1); all of them where the
/// prefix is as short as a link between two (RFC 3021, RFC 6164).
fn addresses(prefix: Prefix) -> Range {
    let (last, length) = match prefix.network() {
        IpAddr::V4(address) => (address.to_bits(), prefix.length()),
        // What the first 96 bits say is the same in all frames.
        IpAddr::V6(address) => (address.to_bits() as u32, prefix.length().saturating_sub(96)),
    };
    let count = 1_u64 << (32 - u32::from(length));
    let (reserved, skipped) = match prefix.network() {
        _ if count <= 2 => (0, 0),
        IpAddr::V4(_) => (2, 1),
        IpAddr::V6(_) => (1, 1),
    };
    Range { first: last.wrapping_add(skipped), count: (count - reserved) as u32 }
}

#[cfg(test)]
mod tests {
    use super::addresses;

    #[test]
    fn hosts_of_prefixes() {
        let of = |text: &str| {
            let range = addresses(text.parse().unwrap());
            (range.first, range.count)
        };
        assert_eq!(of("10.0.0.7"), (0x0a00_0007, 1));
        assert_eq!(of("10.0.0.6/31"), (0x0a00_0006, 2));
        assert_eq!(of("10.0.0.0/24"), (0x0a00_0001, 254));
        assert_eq!(of("0.0.0.0/0"), (1, u32::MAX - 1));
        assert_eq!(of("2001:db8::7"), (7, 1));
        assert_eq!(of("2001:db8::/126"), (1, 3));
        assert_eq!(of("2001:db8::/32"), (1, u32::MAX));
    }
}
