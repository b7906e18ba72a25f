//! Packets that are dropped, one of each form of headers, and the columns that each must give.

use anyhow::Result;
use plumb_kernel::support::netns_cookie;
use plumb_lab::frames::{self, ETHERNET, Family, Path, TRANSPORT_V4, TRANSPORT_V6};
use plumb_lab::{Host, Lab};
use plumb_records::drop::Drop;
use serde_json::{Map, Value, json};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::slice;

use crate::scene::{GUARDED, own_cgroup};

/// Closed everywhere.
const CLOSED: u16 = 40_003;
/// VLANs that the lab has no interface for: the outer one, and one within it.
const VLAN: u16 = 42;
const INNER_VLAN: u16 = 43;
/// IEEE 802.1ad.
const SERVICE_TAG: [u8; 2] = [0x88, 0xa8];
/// Local experimental ethertype 1 (IEEE 802).
const UNKNOWN_ETHERTYPE: u16 = 0x88b5;
const UDP: u8 = 17;
const TCP: u8 = 6;
/// Columns that no sample says in advance, because each test knows better.
const BY_THE_TEST: [&str; 5] = ["time", "reason_id", "cpu", "pid", "comm"];

/// A packet and its record.
pub(crate) struct Sample {
    /// What is special about it.
    pub(crate) name: &'static str,
    /// What the sender sends; `None` for a packet that a host sends of its own accord.
    pub(crate) frame: Option<Vec<u8>>,
    /// Columns by name; `location` without its offset.
    pub(crate) expect: Value,
}

/// The fields of a 5-tuple under the names that the columns of `prefix` have.
fn tuple(
    prefix: &str,
    protocol: u8,
    path: &Path,
    family: Family,
    ports: Option<(u16, u16)>,
) -> Map<String, Value> {
    let (src, dst) = match family {
        Family::V4 => (path.v4.0.to_string(), path.v4.1.to_string()),
        Family::V6 => (path.v6.0.to_string(), path.v6.1.to_string()),
    };
    let values = [
        ("src_ip", json!(src)),
        ("dst_ip", json!(dst)),
        ("src_port", json!(ports.map(|ports| ports.0))),
        ("dst_port", json!(ports.map(|ports| ports.1))),
        ("protocol", json!(protocol)),
    ];
    values.into_iter().map(|(name, value)| (format!("{prefix}{name}"), value)).collect()
}

/// A record of `host`: null where nothing else is said.
fn record(host: &Host, columns: &[Map<String, Value>], also: Value) -> Value {
    let mut all: Map<String, Value> = Drop::COLUMNS
        .iter()
        .filter(|column| !BY_THE_TEST.contains(&column.name))
        .map(|column| (column.name.to_owned(), Value::Null))
        .collect();
    let cookie = host.run(|| Ok(netns_cookie().ok())).ok().flatten();
    let place = json!({
        "record": "drop", "subsystem": "core", "interface": host.interface, "ifindex": host.ifindex,
        "netns": host.netns.inode(), "netns_cookie": cookie, "netns_name": host.netns.name(),
        "in_softirq": true,
    });
    let more = [place, also].into_iter().filter_map(|value| match value {
        Value::Object(map) => Some(map),
        _ => None,
    });
    all.extend(columns.iter().cloned().chain(more).flatten());
    Value::Object(all)
}

/// What the sender's guard drops of a local datagram of one byte to `address`.
pub(crate) fn local(lab: &Lab, address: &str, on_device: bool) -> Result<Sample> {
    let (family, text, header) =
        if address.contains(':') { (Family::V6, "ipv6", 40) } else { (Family::V4, "ipv4", 20) };
    let path = Path::between(lab.sender(), lab.receiver());
    let mut flow = tuple("", UDP, &path, family, Some((0, GUARDED)));
    flow.remove("src_port");
    let length = header + 8 + 1;
    let also = json!({
        "reason": "NETFILTER_DROP", "location": "nft_do_chain", "family": text, "length_bytes": length,
    });
    let mut expect = record(lab.sender(), &[flow], also);
    if !on_device {
        expect["interface"] = Value::Null;
        expect["ifindex"] = Value::Null;
    }
    if let Some(columns) = expect.as_object_mut() {
        columns.remove("src_port");
    }
    Ok(Sample { name: "local datagram", frame: None, expect })
}

/// All that the sender can put on the wire.
pub(crate) fn samples(lab: &Lab) -> Result<Vec<Sample>> {
    let mut samples = plain(lab)?;
    samples.extend(tcp(lab)?);
    samples.extend(layer_two(lab)?);
    samples.extend(tunnels(lab)?);
    Ok(samples)
}

/// UDP and ICMP, one IPv6 packet with extension headers.
fn plain(lab: &Lab) -> Result<Vec<Sample>> {
    let (path, receiver) = (Path::between(lab.sender(), lab.receiver()), lab.receiver());
    let closed = |family, location: &str, length: usize, ports| {
        let (text, flow) = (name(family), tuple("", UDP, &path, family, Some(ports)));
        let also =
            json!({ "reason": "NO_SOCKET", "location": location, "family": text, "length_bytes": length });
        record(receiver, &[flow], also)
    };
    let datagram = path.udp(Family::V6, (1003, CLOSED), &[0; 13])?;
    // RFC 8200: hop-by-hop and destination options of eight bytes each, filled by PadN.
    let padding = [1, 4, 0, 0, 0, 0];
    let headers = [[60, 0].as_slice(), &padding, &[UDP, 0], &padding, &datagram[TRANSPORT_V6..]].concat();
    // The library writes no extension header, so that the next header is put right afterwards.
    let mut extended = path.raw(Family::V6, UDP, &headers)?;
    frames::patch(&mut extended, ETHERNET + 6, &[0])?;
    let mut ping = path.echo(Family::V4, 7, &[0; 14])?;
    frames::corrupt(&mut ping, TRANSPORT_V4 + 2)?;
    let ping_also =
        json!({ "reason": "ICMP_CSUM", "location": "icmp_rcv", "family": "ipv4", "length_bytes": 8 + 14 });
    Ok(vec![
        Sample {
            name: "UDP",
            frame: Some(path.udp(Family::V4, (1001, CLOSED), &[0; 11])?),
            expect: closed(Family::V4, "__udp4_lib_rcv", 8 + 11, (1001, CLOSED)),
        },
        Sample {
            name: "UDP over IPv6",
            frame: Some(path.udp(Family::V6, (1002, CLOSED), &[0; 12])?),
            expect: closed(Family::V6, "__udp6_lib_rcv", 8 + 12, (1002, CLOSED)),
        },
        Sample {
            name: "extension headers",
            frame: Some(extended),
            expect: closed(Family::V6, "__udp6_lib_rcv", 8 + 13, (1003, CLOSED)),
        },
        Sample {
            name: "ICMP",
            frame: Some(ping),
            expect: record(receiver, &[tuple("", 1, &path, Family::V4, None)], ping_also),
        },
    ])
}

/// Segments to a closed port, and the resets that they are answered with.
fn tcp(lab: &Lab) -> Result<Vec<Sample>> {
    let path = Path::between(lab.sender(), lab.receiver());
    let closed = |host, path: &Path, family, ports, flags: &str, payload: usize| {
        let location = if family == Family::V4 { "tcp_v4_rcv" } else { "tcp_v6_rcv" };
        let also = json!({
            "reason": "NO_SOCKET", "location": location, "family": name(family), "tcp_flags": flags,
            "length_bytes": 20 + payload,
        });
        record(host, &[tuple("", TCP, path, family, Some(ports))], also)
    };
    let header = |port| etherparse::TcpHeader::new(port, CLOSED, 1, 1024);
    let syn = etherparse::TcpHeader { syn: true, ..header(1101) };
    let ack = etherparse::TcpHeader { ack: true, psh: true, acknowledgment_number: 9, ..header(1102) };
    let mut every = header(1103);
    for flag in [
        &mut every.cwr,
        &mut every.ece,
        &mut every.urg,
        &mut every.ack,
        &mut every.psh,
        &mut every.rst,
        &mut every.syn,
        &mut every.fin,
    ] {
        *flag = true;
    }
    let (near, far, back) = (lab.sender(), lab.receiver(), path.reversed());
    Ok(vec![
        Sample {
            name: "SYN",
            frame: Some(path.tcp(Family::V4, syn, b"")?),
            expect: closed(far, &path, Family::V4, (1101, CLOSED), "S", 0),
        },
        Sample {
            name: "reset of the SYN",
            frame: None,
            expect: closed(near, &back, Family::V4, (CLOSED, 1101), "AR", 0),
        },
        Sample {
            name: "data over IPv6",
            frame: Some(path.tcp(Family::V6, ack, &[0; 5])?),
            expect: closed(far, &path, Family::V6, (1102, CLOSED), "AP", 5),
        },
        Sample {
            name: "reset of the data",
            frame: None,
            expect: closed(near, &back, Family::V6, (CLOSED, 1102), "R", 0),
        },
        Sample {
            name: "every flag",
            frame: Some(path.tcp(Family::V4, every, &[0; 3])?),
            expect: closed(far, &path, Family::V4, (1103, CLOSED), "CEUAPRSF", 3),
        },
    ])
}

/// A frame that no protocol takes. It still belongs to the socket that sent it: IP is where a packet leaves its sender.
fn layer_two(lab: &Lab) -> Result<Vec<Sample>> {
    let (path, receiver) = (Path::between(lab.sender(), lab.receiver()), lab.receiver());
    let unknown = json!({
        "reason": "UNHANDLED_PROTO", "location": "__netif_receive_skb_core", "family": "0x88b5", "length_bytes": 50,
        "uid": nix::unistd::getuid().as_raw(), "cgroup": own_cgroup()?,
    });
    Ok(vec![Sample {
        name: "unknown ethertype",
        frame: Some(path.ethernet(UNKNOWN_ETHERTYPE, &[0; 50])),
        expect: record(receiver, &[], unknown),
    }])
}

/// A frame with a VLAN tag (or, with `inner`, two) that the receiver drops as it comes in, the outer tag in the packet's
/// metadata by then, the same that the sender drops as it goes out, the tags still among its bytes, and one that the
/// receiver drops because it has no interface for the VLAN: by then __netif_receive_skb_core has cleared the tag.
pub(crate) fn tagged(lab: &Lab, inner: bool) -> Result<[Sample; 3]> {
    let path = Path::between(lab.sender(), lab.receiver());
    let flow = tuple("", UDP, &path, Family::V4, Some((1201, CLOSED)));
    let mut frame = path.udp(Family::V4, (1201, CLOSED), &[0; 21])?;
    if inner {
        frames::tag(&mut frame, INNER_VLAN);
    }
    frames::tag(&mut frame, VLAN);
    if inner {
        frames::patch(&mut frame, ETHERNET - 2, &SERVICE_TAG)?;
    }
    let sample = |name, host, reason: &str, location: &str, length: usize| {
        let also = json!({
            "reason": reason, "location": location, "family": "ipv4", "vlan": VLAN, "length_bytes": length,
            "uid": nix::unistd::getuid().as_raw(), "cgroup": own_cgroup()?,
        });
        Ok(Sample { name, frame: Some(frame.clone()), expect: record(host, slice::from_ref(&flow), also) })
    };
    let whole = frame.len();
    let incoming = sample(
        "tag in metadata",
        lab.receiver(),
        "TC_INGRESS",
        "__netif_receive_skb_core",
        whole - ETHERNET - 4,
    );
    let mut outgoing: Result<Sample> =
        sample("tag in bytes", lab.sender(), "TC_EGRESS", "__dev_queue_xmit", whole);
    if let Ok(sample) = &mut outgoing {
        sample.expect["in_softirq"] = false.into();
    }
    let mut untaken =
        sample("tag that nobody takes", lab.receiver(), "OTHERHOST", "ip_rcv_core", whole - ETHERNET - 4);
    if let Ok(sample) = &mut untaken {
        sample.expect["vlan"] = Value::Null;
    }
    Ok([incoming?, outgoing?, untaken?])
}

/// Packets inside packets: nobody takes the outer ones, so that they are dropped whole.
fn tunnels(lab: &Lab) -> Result<Vec<Sample>> {
    let inside = Path {
        mac: ([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 1, 2]),
        v4: (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(203, 0, 113, 2)),
        v6: (Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1), Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 2)),
        ttl: 9,
    };
    let four = inside.udp(Family::V4, (501, 502), &[0; 31])?;
    let six = inside.tcp(Family::V6, etherparse::TcpHeader::new(503, 504, 1, 1), &[0; 7])?;
    // RFC 7348: flag I and a network identifier. RFC 8926: one option of four bytes, an Ethernet frame inside.
    let vxlan = [[8, 0, 0, 0, 0, 0, 77, 0].as_slice(), &four].concat();
    let geneve = [[1, 0, 0x65, 0x58, 0, 0, 77, 0].as_slice(), &[0, 1, 2, 0], &six].concat();
    // RFC 2784 without, RFC 2890 with a key.
    let gre = [[0, 0, 8, 0].as_slice(), &four[ETHERNET..]].concat();
    let keyed = [[0x20, 0, 0x86, 0xdd].as_slice(), &[0, 0, 0, 5], &six[ETHERNET..]].concat();
    let inner_four = || tuple("inner_", UDP, &inside, Family::V4, Some((501, 502)));
    let inner_six = || tuple("inner_", TCP, &inside, Family::V6, Some((503, 504)));
    let outer = Outer { lab, path: Path::between(lab.sender(), lab.receiver()) };
    Ok(vec![
        outer.datagram("VXLAN", "vxlan", Family::V4, 4789, &vxlan, inner_four())?,
        outer.datagram("Geneve over IPv6", "geneve", Family::V6, 6081, &geneve, inner_six())?,
        outer.packet("GRE", "gre", 47, &gre, inner_four())?,
        outer.packet("GRE with a key", "gre", 47, &keyed, inner_six())?,
        outer.packet("IPv4 in IPv4", "ipip", 4, &four[ETHERNET..], inner_four())?,
        outer.packet("IPv6 in IPv4", "ipip", 41, &six[ETHERNET..], inner_six())?,
    ])
}

/// What carries a tunnel's packets.
struct Outer<'a> {
    lab: &'a Lab,
    path: Path,
}

impl Outer<'_> {
    fn datagram(
        &self,
        name: &'static str,
        tunnel: &str,
        family: Family,
        port: u16,
        payload: &[u8],
        inner: Map<String, Value>,
    ) -> Result<Sample> {
        let ports = (1301, port);
        let frame = self.path.udp(family, ports, payload)?;
        let location = if family == Family::V4 { "__udp4_lib_rcv" } else { "__udp6_lib_rcv" };
        let also = json!({
            "reason": "NO_SOCKET", "location": location, "family": self::name(family), "tunnel": tunnel,
            "length_bytes": 8 + payload.len(),
        });
        let flow = tuple("", UDP, &self.path, family, Some(ports));
        Ok(Sample { name, frame: Some(frame), expect: record(self.lab.receiver(), &[flow, inner], also) })
    }

    /// Where and why a packet of this protocol is dropped depends on the kernel's modules.
    fn packet(
        &self,
        name: &'static str,
        tunnel: &str,
        protocol: u8,
        payload: &[u8],
        inner: Map<String, Value>,
    ) -> Result<Sample> {
        let frame = self.path.raw(Family::V4, protocol, payload)?;
        let also = json!({ "family": "ipv4", "tunnel": tunnel, "length_bytes": payload.len() });
        let flow = tuple("", protocol, &self.path, Family::V4, None);
        let mut expect = record(self.lab.receiver(), &[flow, inner], also);
        if let Some(columns) = expect.as_object_mut() {
            columns.remove("reason");
            columns.remove("location");
        }
        Ok(Sample { name, frame: Some(frame), expect })
    }
}

fn name(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}
