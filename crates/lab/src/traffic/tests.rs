//! Every generated frame is read back by etherparse, whose checksums are the reference.

use super::*;
use etherparse::{SlicedPacket, TransportSlice};
use plumb_records::filter::{PortRange, Prefix};
use proptest::prelude::*;
use std::collections::HashMap;
use std::net::IpAddr;

const MAC: ([u8; 6], [u8; 6]) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn shape(v6: bool, transport: Transport) -> Shape {
    let (source, destination) =
        if v6 { ("2001:db8::/120", "2001:db8:1::7") } else { ("10.1.0.0/24", "10.2.0.7") };
    Shape {
        mac: MAC,
        vlan: None,
        source: prefix(source),
        destination: prefix(destination),
        transport,
        source_ports: PortRange::between(1000, 1099),
        destination_ports: PortRange::between(53, 54),
        flows: None,
        sizes: Sizes::Fixed(128),
        seed: None,
        stamp: false,
    }
}

fn frame(plan: &plumb_kernel::traffic::Plan, number: u64) -> Vec<u8> {
    let mut frame = Vec::new();
    craft(plan, number, number, 1_700_000_000_123_456_789, &mut frame);
    frame
}

/// Source, destination, and ports or echo identifier and sequence.
type Flow = (IpAddr, IpAddr, u16, u16);

/// Reads a frame, checks every length and checksum in it, and tells its flow, flags and payload.
fn check(bytes: &[u8], shape: &Shape) -> (Flow, u8, Vec<u8>) {
    let packet = SlicedPacket::from_ethernet(bytes).unwrap();
    let vlan = packet.vlan_ids().first().map(|id| id.value());
    assert_eq!(vlan, shape.vlan);
    let (source, destination, payload_length) = match packet.net.as_ref().unwrap() {
        etherparse::NetSlice::Ipv4(ip) => {
            let header = ip.header().to_header();
            assert_eq!(header.calc_header_checksum(), header.header_checksum, "IPv4 header checksum");
            assert!(header.dont_fragment && header.time_to_live == 64);
            (
                IpAddr::from(header.source),
                IpAddr::from(header.destination),
                header.payload_len().unwrap() as usize,
            )
        }
        etherparse::NetSlice::Ipv6(ip) => {
            let header = ip.header().to_header();
            assert_eq!(header.hop_limit, 64);
            (IpAddr::from(header.source), IpAddr::from(header.destination), header.payload_length as usize)
        }
        other => panic!("{other:?}"),
    };
    let link = if shape.vlan.is_some() { 18 } else { 14 };
    assert_eq!(link + if shape.is_v6() { 40 } else { 20 } + payload_length, bytes.len(), "lengths agree");
    let addresses = (source, destination);
    let (ports, flags, payload) = match packet.transport.as_ref().unwrap() {
        TransportSlice::Udp(udp) => {
            let header = udp.to_header();
            assert_eq!(usize::from(header.length), payload_length);
            let right = match addresses {
                (IpAddr::V4(from), IpAddr::V4(to)) => {
                    header.calc_checksum_ipv4_raw(from.octets(), to.octets(), udp.payload()).unwrap()
                }
                (IpAddr::V6(from), IpAddr::V6(to)) => {
                    header.calc_checksum_ipv6_raw(from.octets(), to.octets(), udp.payload()).unwrap()
                }
                _ => unreachable!(),
            };
            assert_eq!(header.checksum, right, "UDP checksum");
            ((header.source_port, header.destination_port), 0, udp.payload().to_vec())
        }
        TransportSlice::Tcp(tcp) => {
            let header = tcp.to_header();
            let right = match addresses {
                (IpAddr::V4(from), IpAddr::V4(to)) => {
                    header.calc_checksum_ipv4_raw(from.octets(), to.octets(), tcp.payload()).unwrap()
                }
                (IpAddr::V6(from), IpAddr::V6(to)) => {
                    header.calc_checksum_ipv6_raw(from.octets(), to.octets(), tcp.payload()).unwrap()
                }
                _ => unreachable!(),
            };
            assert_eq!(header.checksum, right, "TCP checksum");
            (
                (header.source_port, header.destination_port),
                bytes[link + if shape.is_v6() { 40 } else { 20 } + 13],
                tcp.payload().to_vec(),
            )
        }
        TransportSlice::Icmpv4(icmp) => {
            let header = icmp.header();
            assert_eq!(header.icmp_type.calc_checksum(icmp.payload()), header.checksum, "ICMP checksum");
            let etherparse::Icmpv4Type::EchoRequest(echo) = header.icmp_type else {
                panic!("no echo request")
            };
            ((echo.id, echo.seq), 0, icmp.payload().to_vec())
        }
        TransportSlice::Icmpv6(icmp) => {
            let (IpAddr::V6(from), IpAddr::V6(to)) = addresses else { unreachable!() };
            let header = icmp.header();
            let right = header.icmp_type.calc_checksum(from.octets(), to.octets(), icmp.payload()).unwrap();
            assert_eq!(right, header.checksum, "ICMPv6 checksum");
            let etherparse::Icmpv6Type::EchoRequest(echo) = header.icmp_type else {
                panic!("no echo request")
            };
            ((echo.id, echo.seq), 0, icmp.payload().to_vec())
        }
        other => panic!("{other:?}"),
    };
    ((source, destination, ports.0, ports.1), flags, payload)
}

fn transports() -> impl Strategy<Value = Transport> {
    prop_oneof![Just(Transport::Udp), any::<u8>().prop_map(Transport::Tcp), Just(Transport::Icmp)]
}

fn sizes() -> impl Strategy<Value = Sizes> {
    prop_oneof![
        (102_u32..9000).prop_map(Sizes::Fixed),
        (102_u32..300, 301_u32..9000).prop_map(|(least, most)| Sizes::Between(least, most)),
        Just(Sizes::Fixed(65_535)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn every_frame_is_right(
        v6: bool,
        transport in transports(),
        sizes in sizes(),
        vlan in proptest::option::of(0_u16..4095),
        seed in proptest::option::of(any::<u64>()),
        stamp: bool,
        stream in 0_u32..4,
        number: u64,
    ) {
        let shape = Shape { vlan, sizes, seed, stamp, ..shape(v6, transport) };
        let mut plan = plan(&shape).unwrap();
        (plan.stream, plan.streams) = (stream, 4);
        let frame = frame(&plan, number);
        let (least, most) = sizes.bounds();
        prop_assert!((least as usize..=most as usize).contains(&frame.len()));
        let ((source, destination, source_port, _), flags, payload) = check(&frame, &shape);
        prop_assert!(shape.source.contains(source) && shape.destination.contains(destination));
        prop_assert!(shape.source_ports.contains(source_port));
        if let Transport::Tcp(asked) = transport {
            prop_assert_eq!(flags, asked);
        }
        let read = Stamp::read(&payload);
        let written = Stamp { stream, sequence: number, time_ns: 1_700_000_000_123_456_789 };
        prop_assert_eq!(read, stamp.then_some(written));
        let after = if stamp { Stamp::BYTES } else { 0 };
        prop_assert!(payload[after..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn any_shape_is_planned_or_refused(
        v6: bool,
        transport in transports(),
        size in 14_u32..200,
        flows in proptest::option::of(any::<u32>()),
        stamp: bool,
    ) {
        let shape = Shape { sizes: Sizes::Fixed(size), flows, stamp, ..shape(v6, transport) };
        let fits = size >= least_size(&shape) && flows.is_none_or(|flows| u64::from(flows) <= shape.most_flows());
        prop_assert_eq!(plan(&shape).is_ok(), fits);
    }
}

#[test]
fn flows_are_taken_in_turn() {
    let shape = Shape { flows: Some(500), ..shape(false, Transport::Udp) };
    let plan = plan(&shape).unwrap();
    let mut seen: HashMap<Flow, u32> = HashMap::new();
    for number in 0..1000 {
        *seen.entry(check(&frame(&plan, number), &shape).0).or_default() += 1;
    }
    assert_eq!(seen.len(), 500);
    assert!(seen.values().all(|count| *count == 2));
    // Source ports first, then destination ports, then source addresses.
    let ports: Vec<u16> = (0..3).map(|number| check(&frame(&plan, number), &shape).0.2).collect();
    assert_eq!(ports, [1000, 1001, 1002]);
    assert_eq!(check(&frame(&plan, 100), &shape).0.3, 54);
    assert_eq!(check(&frame(&plan, 200), &shape).0.0, "10.1.0.2".parse::<IpAddr>().unwrap());
}

#[test]
fn streams_make_different_frames_and_together_all() {
    let shape = Shape { flows: Some(7), ..shape(true, Transport::Udp) };
    let mut plan = plan(&shape).unwrap();
    plan.streams = 3;
    let mut seen: HashMap<Flow, u32> = HashMap::new();
    for stream in 0..3 {
        plan.stream = stream;
        for sequence in 0..7 {
            let number = sequence * 3 + u64::from(stream);
            *seen.entry(check(&frame(&plan, number), &shape).0).or_default() += 1;
        }
    }
    assert!(seen.len() == 7 && seen.values().all(|count| *count == 3), "{seen:?}");
}

#[test]
fn the_mix_and_ranges_are_complete() {
    let lengths = |sizes, seed: Option<u64>, frames: u64| {
        let plan = plan(&Shape { sizes, seed, ..shape(false, Transport::Udp) }).unwrap();
        let mut lengths: HashMap<usize, u64> = HashMap::new();
        (0..frames).for_each(|number| *lengths.entry(frame(&plan, number).len()).or_default() += 1);
        lengths
    };
    assert_eq!(lengths(Sizes::Imix, None, 1200), HashMap::from([(60, 700), (590, 400), (1514, 100)]));
    let range = lengths(Sizes::Between(64, 163), None, 1000);
    assert!(range.len() == 100 && range.values().all(|count| *count == 10));
    let random = lengths(Sizes::Imix, Some(1), 12_000);
    assert!(random[&60].abs_diff(7000) < 300 && random[&1514].abs_diff(1000) < 200, "{random:?}");
}

#[test]
fn a_seed_is_a_sequence() {
    let frames = |seed| {
        let plan = plan(&Shape { seed: Some(seed), ..shape(false, Transport::Udp) }).unwrap();
        (0..50).map(|number| frame(&plan, number)).collect::<Vec<_>>()
    };
    assert_eq!(frames(1), frames(1));
    assert_ne!(frames(1), frames(2));
}

#[test]
fn a_checksum_of_zero_is_sent_as_all_ones() {
    // Ports of every remainder: one of them makes it zero.
    let shape = Shape { source_ports: PortRange::between(1, 65_535), ..shape(false, Transport::Udp) };
    let plan = plan(&shape).unwrap();
    let zero = (0..65_535).map(|number| frame(&plan, number)).find(|frame| frame[40..42] == [0xff, 0xff]);
    check(&zero.unwrap(), &shape);
}
