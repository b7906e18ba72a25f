use super::*;
use crate::testing::{Packet, SampleRow, any_sample, file, small};
use pcap_parser::traits::{PcapNGPacketBlock as _, PcapReaderIterator as _};
use pcap_parser::{Block, Linktype, OptionCode, PcapBlockOwned, PcapError, PcapNGOption, PcapNGReader};
use proptest::prelude::*;

/// Interfaces as (link, name, description, resolution), packets as (interface, time, bytes, length, comment).
#[derive(Debug, Default, PartialEq)]
struct Read {
    header: Vec<String>,
    interfaces: Vec<(i32, String, String, u8)>,
    packets: Vec<(u32, u64, Vec<u8>, u32, String)>,
}

fn text(options: &[PcapNGOption<'_>], code: u16) -> String {
    let found = options.iter().find(|option| option.code == OptionCode(code));
    found.map(|option| String::from_utf8(option.as_bytes().unwrap().to_vec()).unwrap()).unwrap_or_default()
}

fn read(bytes: &[u8]) -> Read {
    let mut read = Read::default();
    let mut reader = PcapNGReader::new(1 << 17, bytes).unwrap();
    loop {
        let (used, found) = match reader.next() {
            Ok(found) => found,
            Err(PcapError::Incomplete(_)) => {
                reader.refill().unwrap();
                continue;
            }
            Err(PcapError::Eof) => return read,
            Err(other) => panic!("{other:?}"),
        };
        let PcapBlockOwned::NG(found) = found else { panic!("not pcapng") };
        match found {
            Block::SectionHeader(section) => {
                read.header = [2, 3, 4].map(|code| text(&section.options, code)).to_vec();
            }
            Block::InterfaceDescription(interface) => read.interfaces.push((
                interface.linktype.0,
                text(&interface.options, option::IF_NAME),
                text(&interface.options, option::IF_DESCRIPTION),
                interface.if_tsresol,
            )),
            Block::EnhancedPacket(packet) => read.packets.push((
                packet.if_id,
                u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low),
                packet.packet_data().to_vec(),
                packet.origlen,
                text(&packet.options, option::COMMENT),
            )),
            other => panic!("unexpected {other:?}"),
        }
        reader.consume(used);
    }
}

fn packet(netns: u64, interface: &str, link: Link, bytes: &[u8]) -> SampleRow {
    let packet = Packet {
        time: 1_763_000_000_123_456_789,
        interface: Some(interface.to_owned()),
        netns: Some(netns),
        link,
        length: 1400,
        bytes: bytes.to_vec(),
    };
    SampleRow { packet: Some(packet), ..small().into() }
}

fn origin() -> Origin {
    let [hardware, system, application] = ["x86_64", "Linux 6.12.0", "plumb 0.1.0"].map(str::to_owned);
    Origin { hardware, system, application }
}

#[test]
fn packets_interfaces_and_comments() {
    let rows = [
        packet(1, "eth0", Link::Ethernet, &[1; 60]),
        SampleRow::from(small()),
        packet(2, "eth0", Link::Ethernet, &[2; 61]),
        packet(1, "eth0", Link::Ip, &[]),
        packet(1, "eth0", Link::Ethernet, &[3; 1500]),
    ];
    let read = read(&file(Pcapng::new(origin()), &rows));
    assert_eq!(read.header, ["x86_64", "Linux 6.12.0", "plumb 0.1.0"]);
    let interface =
        |link: Linktype, netns: &str| (link.0, "eth0".to_owned(), format!("network namespace {netns}"), 9);
    let [first, second] = [interface(Linktype::ETHERNET, "1"), interface(Linktype::ETHERNET, "2")];
    assert_eq!(read.interfaces, [first, second, interface(Linktype::RAW, "1")]);
    let comment = r#"name="say \"hi\"" packets=3 size_bytes=0 took_ns=0 offset_ns=0 packets_per_s=0.5 stack=a+0x1;b gaps_us=1;-2 hooks="#;
    let expected = |interface, bytes: &[u8], length| {
        (interface, 1_763_000_000_123_456_789, bytes.to_vec(), length, comment.to_owned())
    };
    assert_eq!(
        read.packets,
        [
            expected(0, &[1; 60], 1400),
            expected(1, &[2; 61], 1400),
            expected(2, &[], 1400),
            expected(0, &[3; 1500], 1500)
        ],
        "the row without captured bytes is left out, and no packet is shorter than what was captured of it"
    );
}

#[test]
fn a_file_without_packets_has_its_header() {
    let read = read(&file(Pcapng::new(origin()), &[]));
    assert_eq!((read.header.len(), read.packets.len()), (3, 0));
}

#[test]
fn many_interfaces_are_described_anew() {
    let interfaces = (0..=REMEMBERED).chain([0, REMEMBERED]).map(|index| format!("eth{index}"));
    let rows: Vec<SampleRow> = interfaces.map(|name| packet(1, &name, Link::Ip, &[])).collect();
    let read = read(&file(Pcapng::new(origin()), &rows));
    for (packet, row) in read.packets.iter().zip(&rows) {
        let name = &read.interfaces[packet.0 as usize].1;
        assert_eq!(Some(name), row.packet.as_ref().and_then(|packet| packet.interface.as_ref()));
    }
    assert_eq!(read.interfaces.len(), rows.len() - 1, "the last is still known");
}

proptest! {
    #[test]
    fn any_packet_reads_back(
        sample in any_sample(),
        time: u64,
        interface in proptest::option::of("[^\0/]{1,15}"),
        netns: Option<u64>,
        ethernet: bool,
        length in 0..70_000u32,
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let link = if ethernet { Link::Ethernet } else { Link::Ip };
        let packet = Packet { time, interface: interface.clone(), netns, link, length, bytes: bytes.clone() };
        let row = SampleRow { packet: Some(packet), ..sample.into() };
        let read = read(&file(Pcapng::new(Origin::default()), &[row.clone(), row]));
        prop_assert_eq!(read.interfaces.len(), 1);
        prop_assert_eq!(&read.interfaces[0].1, &interface.unwrap_or_default());
        prop_assert_eq!(read.packets.len(), 2);
        let found = &read.packets[1];
        let length = length.max(bytes.len() as u32);
        prop_assert_eq!((found.0, found.1, &found.2, found.3), (0, time, &bytes, length));
    }
}

#[test]
fn an_option_that_is_too_long_ends_at_a_character() {
    let mut out = Vec::new();
    write_option(&mut out, option::COMMENT, "é".repeat(40_000).as_bytes());
    assert_eq!(u16::from_le_bytes([out[2], out[3]]), 65_534);
    assert_eq!(out.len(), 4 + 65_536);
}
