//! Crafted frames: correct ones by etherparse, and the edits that make them wrong.

mod edit;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{IpNumber, PacketBuilder, PacketBuilderStep, TcpHeader, err::packet::BuildWriteError};

pub use edit::{corrupt, fix_ipv4_checksum, patch, tag};

use crate::{Error, Host, Result};

/// Length of an Ethernet header without tags: where the IP header starts.
pub const ETHERNET: usize = 14;
/// Where the transport header starts in an IPv4 frame without options.
pub const TRANSPORT_V4: usize = ETHERNET + 20;
/// Where the transport header starts in an IPv6 frame without extension headers.
pub const TRANSPORT_V6: usize = ETHERNET + 40;

/// An IP version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Where a frame comes from and goes to.
#[derive(Debug, Clone, Copy)]
pub struct Path {
    /// Source and destination hardware address.
    pub mac: ([u8; 6], [u8; 6]),
    /// Source and destination IPv4 address.
    pub v4: (Ipv4Addr, Ipv4Addr),
    /// Source and destination IPv6 address.
    pub v6: (Ipv6Addr, Ipv6Addr),
    /// IPv4 time to live, IPv6 hop limit.
    pub ttl: u8,
}

impl Path {
    /// From one host to the other.
    pub fn between(source: &Host, destination: &Host) -> Self {
        Self {
            mac: (source.mac, destination.mac),
            v4: (source.v4, destination.v4),
            v6: (source.v6, destination.v6),
            ttl: 64,
        }
    }

    /// The same path from another source address.
    pub fn from(mut self, source: impl Into<IpAddr>) -> Self {
        match source.into() {
            IpAddr::V4(address) => self.v4.0 = address,
            IpAddr::V6(address) => self.v6.0 = address,
        }
        self
    }

    /// The same path to another destination address.
    pub fn to(mut self, destination: impl Into<IpAddr>) -> Self {
        match destination.into() {
            IpAddr::V4(address) => self.v4.1 = address,
            IpAddr::V6(address) => self.v6.1 = address,
        }
        self
    }

    /// The way back.
    pub fn reversed(self) -> Self {
        Self {
            mac: (self.mac.1, self.mac.0),
            v4: (self.v4.1, self.v4.0),
            v6: (self.v6.1, self.v6.0),
            ttl: self.ttl,
        }
    }

    /// A UDP datagram with right checksums.
    pub fn udp(&self, family: Family, ports: (u16, u16), payload: &[u8]) -> Result<Vec<u8>> {
        let step = self.ip(family).udp(ports.0, ports.1);
        write(step.size(payload.len()), |frame| step.write(frame, payload))
    }

    /// A TCP segment with right checksums; `header` gives ports, numbers, flags, window and options.
    pub fn tcp(&self, family: Family, header: TcpHeader, payload: &[u8]) -> Result<Vec<u8>> {
        let step = self.ip(family).tcp_header(header);
        write(step.size(payload.len()), |frame| step.write(frame, payload))
    }

    /// An echo request of the family's ICMP.
    pub fn echo(&self, family: Family, sequence: u16, payload: &[u8]) -> Result<Vec<u8>> {
        const IDENTIFIER: u16 = 0x706c;
        match family {
            Family::V4 => {
                let step = self.ip(family).icmpv4_echo_request(IDENTIFIER, sequence);
                write(step.size(payload.len()), |frame| step.write(frame, payload))
            }
            Family::V6 => {
                let step = self.ip(family).icmpv6_echo_request(IDENTIFIER, sequence);
                write(step.size(payload.len()), |frame| step.write(frame, payload))
            }
        }
    }

    /// An ICMPv6 message with a right checksum; `body` is what follows type, code, checksum and four zero bytes.
    pub fn icmpv6(&self, kind: u8, code: u8, body: &[u8]) -> Result<Vec<u8>> {
        let step = self.ip(Family::V6).icmpv6_raw(kind, code, [0; 4]);
        write(step.size(body.len()), |frame| step.write(frame, body))
    }

    /// A UDP datagram cut in two: the first fragment ends after `first` bytes of IP payload, a multiple of 8.
    pub fn fragments(
        &self,
        family: Family,
        ports: (u16, u16),
        identifier: u16,
        first: u16,
    ) -> Result<[Vec<u8>; 2]> {
        let whole = self.udp(family, ports, &vec![0; usize::from(first)])?;
        let start = match family {
            Family::V4 => TRANSPORT_V4,
            Family::V6 => TRANSPORT_V6,
        };
        let (head, tail) = whole[start..].split_at(usize::from(first));
        Ok([
            self.fragment(family, identifier, FragmentPlace { offset: 0, more: true }, head)?,
            self.fragment(family, identifier, FragmentPlace { offset: first, more: false }, tail)?,
        ])
    }

    fn fragment(
        &self,
        family: Family,
        identifier: u16,
        place: FragmentPlace,
        data: &[u8],
    ) -> Result<Vec<u8>> {
        const UDP: u8 = 17;
        const FRAGMENT_HEADER: u8 = 44;
        match family {
            // RFC 791: the offset counts in units of 8 bytes, below three bits of flags.
            Family::V4 => {
                let mut frame = self.raw(family, UDP, data)?;
                let field = (place.offset / 8) | (u16::from(place.more) << 13);
                patch(&mut frame, ETHERNET + 4, &identifier.to_be_bytes())?;
                patch(&mut frame, ETHERNET + 6, &field.to_be_bytes())?;
                fix_ipv4_checksum(&mut frame)?;
                Ok(frame)
            }
            // RFC 8200, section 4.5: likewise, above three bits.
            Family::V6 => {
                let field = place.offset | u16::from(place.more);
                let mut payload = vec![UDP, 0];
                payload.extend(field.to_be_bytes());
                payload.extend(u32::from(identifier).to_be_bytes());
                payload.extend(data);
                self.raw(family, FRAGMENT_HEADER, &payload)
            }
        }
    }

    /// A packet of any IP protocol.
    pub fn raw(&self, family: Family, protocol: u8, payload: &[u8]) -> Result<Vec<u8>> {
        let step = self.ip(family);
        write(step.size(payload.len()), |frame| step.write(frame, IpNumber(protocol), payload))
    }

    /// A frame of any ethertype.
    pub fn ethernet(&self, ethertype: u16, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::with_capacity(ETHERNET + payload.len());
        frame.extend(self.mac.1);
        frame.extend(self.mac.0);
        frame.extend(ethertype.to_be_bytes());
        frame.extend(payload);
        frame
    }

    fn ip(&self, family: Family) -> PacketBuilderStep<etherparse::IpHeaders> {
        let ethernet = PacketBuilder::ethernet2(self.mac.0, self.mac.1);
        match family {
            Family::V4 => {
                let header = etherparse::Ipv4Header {
                    source: self.v4.0.octets(),
                    destination: self.v4.1.octets(),
                    time_to_live: self.ttl,
                    dont_fragment: true,
                    ..Default::default()
                };
                ethernet.ip(etherparse::IpHeaders::Ipv4(header, Default::default()))
            }
            Family::V6 => {
                let header = etherparse::Ipv6Header {
                    source: self.v6.0.octets(),
                    destination: self.v6.1.octets(),
                    hop_limit: self.ttl,
                    ..Default::default()
                };
                ethernet.ip(etherparse::IpHeaders::Ipv6(header, Default::default()))
            }
        }
    }
}

/// Where a fragment belongs, in bytes, and whether more follow.
struct FragmentPlace {
    offset: u16,
    more: bool,
}

fn write(
    size: usize,
    build: impl FnOnce(&mut Vec<u8>) -> std::result::Result<(), BuildWriteError>,
) -> Result<Vec<u8>> {
    let mut frame = Vec::with_capacity(size);
    build(&mut frame).map_err(|error| Error::Frame(error.to_string()))?;
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    use super::*;

    pub(super) fn path() -> Path {
        Path {
            mac: ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]),
            v4: (Ipv4Addr::new(198, 18, 0, 1), Ipv4Addr::new(198, 18, 0, 2)),
            v6: ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap()),
            ttl: 9,
        }
    }

    #[test]
    fn a_reader_finds_what_was_written() {
        let frame =
            path().from(Ipv4Addr::new(192, 0, 2, 9)).udp(Family::V4, (1000, 2000), b"payload").unwrap();
        let packet = SlicedPacket::from_ethernet(&frame).unwrap();
        let Some(NetSlice::Ipv4(ip)) = packet.net else { panic!("no IPv4") };
        assert_eq!(ip.header().source_addr(), Ipv4Addr::new(192, 0, 2, 9));
        assert_eq!(ip.header().ttl(), 9);
        let Some(TransportSlice::Udp(udp)) = packet.transport else { panic!("no UDP") };
        assert_eq!((udp.source_port(), udp.destination_port(), udp.payload()), (1000, 2000, &b"payload"[..]));

        let frame = path().reversed().tcp(Family::V6, TcpHeader::new(5, 6, 7, 8), b"").unwrap();
        let packet = SlicedPacket::from_ethernet(&frame).unwrap();
        let Some(NetSlice::Ipv6(ip)) = packet.net else { panic!("no IPv6") };
        assert_eq!(ip.header().source_addr(), path().v6.1);
        let Some(TransportSlice::Tcp(tcp)) = packet.transport else { panic!("no TCP") };
        assert_eq!((tcp.source_port(), tcp.sequence_number(), tcp.window_size()), (5, 7, 8));
    }

    #[test]
    fn fragments_are_read_back() {
        let [first, last] = path().fragments(Family::V4, (1, 2), 77, 16).unwrap();
        let header = etherparse::Ipv4HeaderSlice::from_slice(&first[ETHERNET..]).unwrap().to_header();
        assert_eq!(
            (header.identification, header.more_fragments, header.fragment_offset.value()),
            (77, true, 0)
        );
        let header = etherparse::Ipv4HeaderSlice::from_slice(&last[ETHERNET..]).unwrap().to_header();
        assert_eq!(
            (header.identification, header.more_fragments, header.fragment_offset.value()),
            (77, false, 2)
        );
        assert_eq!(header.calc_header_checksum(), header.header_checksum);
        assert_eq!(first.len() + last.len(), 2 * TRANSPORT_V4 + 8 + 16);

        let [_, last] = path().fragments(Family::V6, (1, 2), 78, 24).unwrap();
        let (header, _) = etherparse::Ipv6FragmentHeader::from_slice(&last[TRANSPORT_V6..]).unwrap();
        assert_eq!(
            (header.identification, header.more_fragments, header.fragment_offset.value()),
            (78, false, 3)
        );
        assert_eq!(header.next_header, etherparse::ip_number::UDP);
    }
}
