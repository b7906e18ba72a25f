//! Crafted frames: correct ones by etherparse, and the edits that make them wrong.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{IpNumber, PacketBuilder, PacketBuilderStep, TcpHeader, err::packet::BuildWriteError};

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

fn write(
    size: usize,
    build: impl FnOnce(&mut Vec<u8>) -> std::result::Result<(), BuildWriteError>,
) -> Result<Vec<u8>> {
    let mut frame = Vec::with_capacity(size);
    build(&mut frame).map_err(|error| Error::Frame(error.to_string()))?;
    Ok(frame)
}

/// Writes `bytes` over the frame at `offset`; an edit beyond its end is an error.
pub fn patch(frame: &mut [u8], offset: usize, bytes: &[u8]) -> Result<()> {
    let end = offset + bytes.len();
    let length = frame.len();
    let room = frame
        .get_mut(offset..end)
        .ok_or_else(|| Error::Frame(format!("bytes {offset} to {end} of a frame of {length}")))?;
    room.copy_from_slice(bytes);
    Ok(())
}

/// Inverts the bits of the byte at `offset`, which breaks the checksum that covers it.
pub fn corrupt(frame: &mut [u8], offset: usize) -> Result<()> {
    let length = frame.len();
    let byte =
        frame.get_mut(offset).ok_or_else(|| Error::Frame(format!("byte {offset} of a frame of {length}")))?;
    *byte = !*byte;
    Ok(())
}

/// Makes the IPv4 header's checksum right again after an edit; the header's length is read from the header.
pub fn fix_ipv4_checksum(frame: &mut [u8]) -> Result<()> {
    const CHECKSUM: usize = ETHERNET + 10;
    patch(frame, CHECKSUM, &[0, 0])?;
    let words = usize::from(frame[ETHERNET] & 0x0f) * 2;
    let mut sum: u32 = 0;
    for pair in frame[ETHERNET..].chunks_exact(2).take(words) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair[1]]));
    }
    // Twice: the first fold can carry.
    for _ in 0..2 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    patch(frame, CHECKSUM, &(!(sum as u16)).to_be_bytes())
}

/// Inserts an 802.1Q tag behind the hardware addresses.
pub fn tag(frame: &mut Vec<u8>, vlan: u16) {
    const ADDRESSES: usize = 12;
    let [high, low] = vlan.to_be_bytes();
    frame.splice(ADDRESSES..ADDRESSES, [0x81, 0x00, high, low]);
}

#[cfg(test)]
mod tests {
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    use super::*;

    fn path() -> Path {
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
    fn checksums_break_and_heal() {
        let mut frame = path().udp(Family::V4, (1, 2), b"x").unwrap();
        let intact = frame.clone();
        corrupt(&mut frame, ETHERNET + 10).unwrap();
        assert_ne!(frame, intact);
        fix_ipv4_checksum(&mut frame).unwrap();
        assert_eq!(frame, intact);
        patch(&mut frame, ETHERNET + 8, &[1]).unwrap();
        fix_ipv4_checksum(&mut frame).unwrap();
        let header = etherparse::Ipv4HeaderSlice::from_slice(&frame[ETHERNET..]).unwrap().to_header();
        assert_eq!(header.calc_header_checksum(), header.header_checksum);
    }

    #[test]
    fn a_tag_is_read_back() {
        let mut frame = path().echo(Family::V6, 1, b"").unwrap();
        tag(&mut frame, 42);
        let packet = SlicedPacket::from_ethernet(&frame).unwrap();
        assert_eq!(packet.vlan_ids()[0].value(), 42);
    }

    #[test]
    fn edits_beyond_the_end_are_errors() {
        let mut frame = path().ethernet(0x88b5, b"");
        assert!(patch(&mut frame, ETHERNET, &[0]).is_err());
        assert!(corrupt(&mut frame, ETHERNET).is_err());
        assert!(fix_ipv4_checksum(&mut frame).is_err());
    }
}
