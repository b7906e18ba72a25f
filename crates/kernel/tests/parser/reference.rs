//! What etherparse says of a frame, on what both define.

use etherparse::{LaxNetSlice, LaxSlicedPacket, TransportSlice};
use std::net::{IpAddr, Ipv6Addr};

/// One flow as the C parser answers it: `struct flow_key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) addresses: Option<(IpAddr, IpAddr)>,
    pub(crate) ports: Option<(u16, u16)>,
    pub(crate) protocol: u8,
}

/// `struct answer` of host.c.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) flow: Flow,
    pub(crate) inner: Flow,
    pub(crate) vlan: i32,
    pub(crate) tcp_flags: i32,
    pub(crate) tunnel: u32,
    pub(crate) ethertype: u32,
    pub(crate) sequence: u32,
    pub(crate) tcp_header: u32,
}

impl Answer {
    pub(crate) const SIZE: usize = 104;

    pub(crate) fn from_bytes(bytes: &[u8; Self::SIZE]) -> Self {
        let word = |at: usize| i32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        Self {
            flow: flow(&bytes[..40]),
            inner: flow(&bytes[40..80]),
            vlan: word(80),
            tcp_flags: word(84),
            tunnel: word(88) as u32,
            ethertype: word(92) as u32,
            sequence: word(96) as u32,
            tcp_header: word(100) as u32,
        }
    }
}

fn flow(key: &[u8]) -> Flow {
    let address = |bytes: &[u8]| -> Option<IpAddr> {
        match key[37] {
            4 => Some(<[u8; 4]>::try_from(&bytes[..4]).expect("four bytes").into()),
            6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).expect("sixteen bytes")).into()),
            _ => None,
        }
    };
    let port = |at: usize| u16::from_ne_bytes([key[at], key[at + 1]]);
    Flow {
        addresses: address(&key[..16]).zip(address(&key[16..32])),
        ports: (key[38] != 0).then(|| (port(32), port(34))),
        protocol: key[36],
    }
}

/// How often each kind was met: a test that met none of a kind proves nothing about it.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    v4: u32,
    v6: u32,
    tcp: u32,
    udp: u32,
    vlan: u32,
    fragments: u32,
    tunnels: [u32; 5],
}

impl Coverage {
    pub(crate) fn assert_everything_was_met(&self) {
        let counts = [self.v4, self.v6, self.tcp, self.udp, self.vlan, self.fragments];
        assert!(counts.iter().chain(&self.tunnels[1..]).all(|count| *count > 500), "{self:?}");
    }
}

/// Compares; etherparse's lax reading also stops at lengths that the kernel's drops may well have wrong, so where it
/// found no transport the C parser may still have found ports.
pub(crate) fn agree(frame: &[u8], answer: &Answer, seen: &mut Coverage) -> Result<(), String> {
    seen.tunnels[answer.tunnel as usize] += 1;
    if answer.tunnel != 0 && answer.inner.addresses.is_none() {
        return Err("a tunnel without a flow inside".into());
    }
    // A pre-standard tag that etherparse follows; the kernel does not (eth_type_vlan in include/linux/if_vlan.h).
    if answer.ethertype == 0x9100 {
        return Ok(());
    }
    let Ok(packet) = LaxSlicedPacket::from_ethernet(frame) else { return Ok(()) };
    vlan(&packet, answer, seen)?;
    // etherparse goes by the version in the IP header where it contradicts the ethertype; the kernel drops such packets
    // as malformed, and the C parser gives them no flow.
    let contradicts = match packet.net {
        Some(LaxNetSlice::Ipv4(_)) => answer.ethertype != 0x0800,
        Some(LaxNetSlice::Ipv6(_)) => answer.ethertype != 0x86dd,
        _ => false,
    };
    // Tags beyond two are not followed by the C parser.
    if contradicts || packet.vlan_ids().len() > 2 {
        return Ok(());
    }
    network(&packet, answer, seen)?;
    transport(&packet, answer, seen)
}

fn vlan(packet: &LaxSlicedPacket<'_>, answer: &Answer, seen: &mut Coverage) -> Result<(), String> {
    let Some(vlan) = packet.vlan_ids().first().copied() else { return Ok(()) };
    seen.vlan += 1;
    same("vlan", answer.vlan, i32::from(vlan.value()))
}

fn network(packet: &LaxSlicedPacket<'_>, answer: &Answer, seen: &mut Coverage) -> Result<(), String> {
    let addresses = match &packet.net {
        Some(LaxNetSlice::Ipv4(ip)) => {
            seen.v4 += 1;
            let header = ip.header();
            same("protocol", answer.flow.protocol, header.protocol().0)?;
            if header.fragments_offset().value() > 0 {
                seen.fragments += 1;
                same("ports of a later fragment", answer.flow.ports, None)?;
            }
            (header.source_addr().into(), header.destination_addr().into())
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            seen.v6 += 1;
            (ip.header().source_addr().into(), ip.header().destination_addr().into())
        }
        _ => return Ok(()),
    };
    same("addresses", answer.flow.addresses, Some(addresses))
}

fn transport(packet: &LaxSlicedPacket<'_>, answer: &Answer, seen: &mut Coverage) -> Result<(), String> {
    match &packet.transport {
        Some(TransportSlice::Udp(udp)) => {
            seen.udp += 1;
            same("UDP ports", answer.flow.ports, Some((udp.source_port(), udp.destination_port())))
        }
        Some(TransportSlice::Tcp(tcp)) => {
            seen.tcp += 1;
            same("TCP ports", answer.flow.ports, Some((tcp.source_port(), tcp.destination_port())))?;
            same("TCP flags", answer.tcp_flags, i32::from(tcp.slice()[13]))?;
            same("TCP sequence number", answer.sequence, tcp.sequence_number())?;
            same("TCP header", answer.tcp_header, u32::from(tcp.data_offset()) * 4)
        }
        _ => Ok(()),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: T, theirs: T) -> Result<(), String> {
    if ours == theirs { Ok(()) } else { Err(format!("{what}: {ours:?}, and etherparse says {theirs:?}")) }
}
