//! What etherparse says of all headers of a frame, on what both define, beside what the programs at XDP and TC say.

use etherparse::{
    EtherType, Ipv6ExtensionSlice, LaxIpv4Slice, LaxIpv6Slice, LaxLinkExtSlice, LaxNetSlice, LaxSlicedPacket,
    TcpOptionElement, TcpSlice, TransportSlice,
};
use std::net::IpAddr;

const AH: u8 = 51;
const MOBILITY: u8 = 135;
/// Extension headers and VLAN tags that the C parser follows.
const EXTENSIONS: usize = 8;
const TAGS: usize = 2;

/// A frame's headers as the C parser tells them; `None` is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Headers {
    pub(crate) addresses: Option<(IpAddr, IpAddr)>,
    pub(crate) protocol: u8,
    pub(crate) ports: Option<(u16, u16)>,
    pub(crate) vlan: Option<u16>,
    pub(crate) ip_length: u32,
    pub(crate) network_header: u32,
    pub(crate) transport_header: Option<u32>,
    pub(crate) payload: u32,
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    pub(crate) ip_id: Option<u32>,
    /// Whether it is the first one.
    pub(crate) fragment: Option<bool>,
    pub(crate) truncated: bool,
    pub(crate) icmp: Option<(u8, u8)>,
    pub(crate) icmp_id: Option<u16>,
    /// Flags, window, sequence and acknowledgement numbers.
    pub(crate) tcp: Option<(u16, u16, u32, u32)>,
    /// Maximum segment size and window scale of a SYN, where the answer has them.
    pub(crate) syn: Option<(Option<u16>, Option<u8>)>,
}

/// How often each kind was met: a test that met none of a kind proves nothing about it.
#[derive(Debug, Default)]
pub(crate) struct Met {
    v4: u64,
    v6: u64,
    tags: u64,
    extensions: u64,
    fragments: u64,
    tcp: u64,
    udp: u64,
    icmp: u64,
    none: u64,
}

impl Met {
    pub(crate) fn assert_everything(&self, least: u64) {
        let Self { v4, v6, tags, extensions, fragments, tcp, udp, icmp, none } = self;
        let all = [v4, v6, tags, extensions, fragments, tcp, udp, icmp, none];
        assert!(all.iter().all(|count| **count > least), "{self:?}");
    }
}

/// Compares; `ours` is `None` where the program has no packet. etherparse's lax reading stops at lengths that contradict each
/// other, where the C parser goes on with what is there: of what it did not reach it tells nothing.
pub(crate) fn agree(frame: &[u8], ours: Option<&Headers>, met: &mut Met) -> Result<(), String> {
    let Ok(packet) = LaxSlicedPacket::from_ethernet(frame) else { return same("a packet", ours, None) };
    if follows_further(&packet, frame) {
        return Ok(());
    }
    let ethertype = packet.ether_payload().map(|payload| payload.ether_type);
    let (expected, whole) = match &packet.net {
        Some(LaxNetSlice::Ipv4(ip)) if ethertype == Some(EtherType::IPV4) => (v4(ip), true),
        Some(LaxNetSlice::Ipv6(ip)) if ethertype == Some(EtherType::IPV6) => {
            (v6(ip, packet.stop_err.is_none()), packet.stop_err.is_none())
        }
        // A header whose options are cut is not there for etherparse.
        None if matches!(packet.stop_err, Some((etherparse::err::packet::SliceError::Len(_), _))) => {
            return Ok(());
        }
        _ => {
            met.none += 1;
            return same("a packet", ours, None);
        }
    };
    let ours = ours.ok_or("no packet, and etherparse has one")?;
    same("addresses", ours.addresses, expected.addresses)?;
    same(
        "IP length, TTL, TOS",
        (ours.ip_length, ours.ttl, ours.tos),
        (expected.ip_length, expected.ttl, expected.tos),
    )?;
    same("VLAN", ours.vlan, packet.vlan_ids().first().map(|vlan| vlan.value()))?;
    let v4 = matches!(packet.net, Some(LaxNetSlice::Ipv4(_)));
    *(if v4 { &mut met.v4 } else { &mut met.v6 }) += 1;
    met.tags += u64::from(ours.vlan.is_some());
    if !v4 && (!whole || !comparable(&packet, &expected)) {
        return Ok(());
    }
    let network = |of: &Headers| (of.protocol, of.network_header, of.ip_id, of.fragment);
    same("protocol, IP header, identification, fragment", network(ours), network(&expected))?;
    met.extensions += u64::from(!v4 && ours.network_header > 40);
    met.fragments += u64::from(ours.fragment.is_some());
    if ours.fragment == Some(false) {
        return same("ports of a later fragment", (ours.ports, ours.transport_header), (None, None));
    }
    if v4 && expected.protocol == AH {
        return same("ports behind AH of IPv4", ours.ports, None);
    }
    packet.transport.as_ref().map_or(Ok(()), |found| transport(found, ours, &expected, met))
}

/// etherparse follows more tags than two, a pre-standard one, and MACsec; the kernel does not (eth_type_vlan in
/// include/linux/if_vlan.h).
fn follows_further(packet: &LaxSlicedPacket<'_>, frame: &[u8]) -> bool {
    let tagged = |number: usize| frame.get(12 + 4 * number..14 + 4 * number);
    packet.link_exts.len() > TAGS
        || packet.link_exts.iter().any(|ext| !matches!(ext, LaxLinkExtSlice::Vlan(_)))
        || (0..packet.link_exts.len()).any(|number| tagged(number) == Some(&[0x91, 0x00]))
}

/// Whether both follow the same extension headers to the same end.
fn comparable(packet: &LaxSlicedPacket<'_>, expected: &Headers) -> bool {
    let Some(LaxNetSlice::Ipv6(ip)) = &packet.net else { return false };
    let count = ip.extensions().clone().into_iter().count();
    // Behind a later fragment's header the C parser reads no further.
    count <= EXTENSIONS && expected.protocol != MOBILITY && expected.fragment != Some(false)
}

fn v4(ip: &LaxIpv4Slice<'_>) -> Headers {
    let header = ip.header();
    let fragment = match (header.fragments_offset().value(), header.more_fragments()) {
        (0, more) => more.then_some(true),
        _ => Some(false),
    };
    Headers {
        addresses: Some((header.source_addr().into(), header.destination_addr().into())),
        protocol: header.protocol().0,
        ip_length: u32::from(header.total_len()),
        network_header: u32::from(header.ihl()) * 4,
        ttl: header.ttl(),
        tos: header.dcp().value() << 2 | header.ecn().value(),
        ip_id: Some(u32::from(header.identification())),
        fragment,
        ..nothing()
    }
}

/// Extension headers are walked only where all of them are `whole`: etherparse reads beyond those that are not.
fn v6(ip: &LaxIpv6Slice<'_>, whole: bool) -> Headers {
    let header = ip.header();
    let extensions = whole.then(|| ip.extensions().clone().into_iter()).into_iter().flatten();
    let fragments = extensions.filter_map(|extension| match extension {
        Ipv6ExtensionSlice::Fragment(fragment) => Some(fragment),
        _ => None,
    });
    let (mut ip_id, mut fragment) = (None, None);
    for header in fragments {
        ip_id = Some(header.identification());
        if header.fragment_offset().value() > 0 {
            fragment = Some(false);
            break;
        }
        fragment = header.more_fragments().then_some(true).or(fragment);
    }
    Headers {
        addresses: Some((header.source_addr().into(), header.destination_addr().into())),
        protocol: ip.payload().ip_number.0,
        ip_length: 40 + u32::from(header.payload_length()),
        network_header: 40 + ip.extensions().slice().len() as u32,
        ttl: header.hop_limit(),
        tos: header.traffic_class(),
        ip_id,
        fragment,
        ..nothing()
    }
}

fn nothing() -> Headers {
    Headers {
        addresses: None,
        protocol: 0,
        ports: None,
        vlan: None,
        ip_length: 0,
        network_header: 0,
        transport_header: None,
        payload: 0,
        ttl: 0,
        tos: 0,
        ip_id: None,
        fragment: None,
        truncated: false,
        icmp: None,
        icmp_id: None,
        tcp: None,
        syn: None,
    }
}

fn transport(
    found: &TransportSlice<'_>,
    ours: &Headers,
    network: &Headers,
    met: &mut Met,
) -> Result<(), String> {
    let mut expected = nothing();
    match found {
        TransportSlice::Udp(udp) => {
            met.udp += 1;
            expected.ports = Some((udp.source_port(), udp.destination_port()));
            expected.transport_header = Some(8);
        }
        TransportSlice::Tcp(tcp) => {
            met.tcp += 1;
            expected.ports = Some((tcp.source_port(), tcp.destination_port()));
            expected.transport_header = Some(u32::from(tcp.data_offset()) * 4);
            let flags = u16::from_be_bytes([tcp.slice()[12] & 0x0f, tcp.slice()[13]]);
            expected.tcp =
                Some((flags, tcp.window_size(), tcp.sequence_number(), tcp.acknowledgment_number()));
            expected.syn = options(tcp).or(ours.syn);
        }
        TransportSlice::Icmpv4(icmp) => {
            met.icmp += 1;
            icmp_of(&mut expected, (icmp.type_u8(), icmp.code_u8()), icmp.bytes5to8(), &[0, 8]);
        }
        TransportSlice::Icmpv6(icmp) => {
            met.icmp += 1;
            icmp_of(&mut expected, (icmp.type_u8(), icmp.code_u8()), icmp.bytes5to8(), &[128, 129]);
        }
        // Of ICMP etherparse reads only what belongs to the version.
        _ => return Ok(()),
    }
    let headers = network.network_header + expected.transport_header.unwrap_or(0);
    expected.payload = network.ip_length.saturating_sub(headers);
    let of = |of: &Headers| {
        let syn = ours.syn.and(of.syn);
        (of.ports, of.transport_header, of.payload, of.tcp, of.icmp, of.icmp_id, syn, of.truncated)
    };
    same("transport", of(ours), of(&expected))
}

fn icmp_of(expected: &mut Headers, kind: (u8, u8), rest: [u8; 4], echos: &[u8]) {
    expected.transport_header = Some(8);
    expected.icmp = Some(kind);
    expected.icmp_id = echos.contains(&kind.0).then(|| u16::from_be_bytes([rest[0], rest[1]]));
}

/// Maximum segment size and window scale of a SYN; `None` where the options are damaged, or one is there twice.
fn options(tcp: &TcpSlice<'_>) -> Option<(Option<u16>, Option<u8>)> {
    let (mut sizes, mut scales) = (Vec::new(), Vec::new());
    for option in tcp.options_iterator().take_while(|_| tcp.syn()) {
        match option.ok()? {
            TcpOptionElement::MaximumSegmentSize(size) => sizes.push(size),
            TcpOptionElement::WindowScale(scale) => scales.push(scale),
            _ => {}
        }
    }
    // The C parser has no room for the numbers 0 and 255, which nobody sends.
    let size = sizes.first().copied().filter(|size| *size > 0);
    let scale = scales.first().copied().filter(|scale| *scale < 255);
    (sizes.len() < 2 && scales.len() < 2).then_some((size, scale))
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: T, theirs: T) -> Result<(), String> {
    if ours == theirs { Ok(()) } else { Err(format!("{what}: {ours:?}, and etherparse says {theirs:?}")) }
}
