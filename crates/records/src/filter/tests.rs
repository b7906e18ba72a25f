use super::{Comm, Filter, PortRange, Prefix, Protocol, Subject};
use proptest::prelude::*;
use std::net::IpAddr;

fn parse<T: std::str::FromStr<Err = super::WordError>>(text: &str) -> T {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal<T: std::str::FromStr<Err = super::WordError> + std::fmt::Debug>(text: &str) -> String {
    text.parse::<T>().expect_err(text).to_string()
}

#[test]
fn errors_say_what_would_be_right() {
    let host_bits =
        "'10.0.0.1/8' has address bits beyond its prefix length; write 10.0.0.0/8, or the address alone";
    assert_eq!(refusal::<Prefix>("10.0.0.1/8"), host_bits);
    assert!(refusal::<Prefix>("2001:db8::1/32").contains("write 2001:db8::/32,"));
    assert_eq!(
        refusal::<Prefix>("10.0.0.0/33"),
        "'10.0.0.0/33' has no valid prefix length: IPv4 takes 0 to 32"
    );
    assert!(refusal::<Prefix>("::/129").contains("IPv6 takes 0 to 128"));
    for text in ["", "host", "10.0.0", "10.0.0.0/8/8", "fe80::1%eth0", "10.0.0.0/+8", "10.0.0.0/"] {
        refusal::<Prefix>(text);
    }
    assert_eq!(
        refusal::<PortRange>("2000-1000"),
        "the port range '2000-1000' ends before it starts; write 1000-2000"
    );
    for text in ["", "-", "http", "65536", "1-", "-1", "+1", "1-2-3"] {
        refusal::<PortRange>(text);
    }
    assert!(refusal::<Protocol>("256").contains("0 to 255"));
    assert!(refusal::<Comm>("sixteen-bytes-it").contains("15 bytes"));
    refusal::<Comm>("");
    refusal::<Comm>("a\0b");
}

#[test]
fn protocols_by_name_and_number() {
    for (text, number, printed) in [
        ("TCP", 6, "tcp"),
        ("ipv6-icmp", 58, "icmpv6"),
        ("58", 58, "icmpv6"),
        ("253", 253, "253"),
        ("ah", 51, "ah"),
    ] {
        let protocol: Protocol = parse(text);
        assert_eq!((protocol.0, protocol.to_string().as_str()), (number, printed));
    }
}

#[test]
fn words_are_anded_and_alternatives_ored() {
    let packet = Subject {
        protocol: Some(6),
        source: Some("10.1.0.1".parse().unwrap()),
        destination: Some("192.0.2.7".parse().unwrap()),
        source_port: Some(40_000),
        destination_port: Some(443),
        comm: Some(b"curl"),
        ifindex: Some(2),
        netns: Some(4),
        netns_cookie: Some(7),
        ..Subject::default()
    };
    let filter = Filter {
        protocols: vec![parse("udp"), parse("tcp")],
        hosts: vec![parse("192.0.2.0/24")],
        ports: vec![parse("80"), parse("443-444")],
        ..Filter::default()
    };
    assert!(filter.matches(&packet));
    assert!(!Filter { destination_ports: vec![parse("40000")], ..filter.clone() }.matches(&packet));
    assert!(!Filter { sources: vec![parse("192.0.2.0/24")], ..filter.clone() }.matches(&packet));
    assert!(Filter { comms: vec![parse("curl")], ..filter.clone() }.matches(&packet));
    assert!(!Filter { comms: vec![parse("cur")], ..filter.clone() }.matches(&packet));
    assert!(Filter { interfaces: vec![(7, 2)], netns: Some(4), ..filter.clone() }.matches(&packet));
    assert!(Filter { netns: Some(4), netns_cookie: Some(7), ..filter.clone() }.matches(&packet));
    assert!(
        !Filter { netns: Some(4), netns_cookie: Some(8), ..filter.clone() }.matches(&packet),
        "same inode, earlier namespace"
    );
    assert!(
        !Filter { interfaces: vec![(8, 2)], ..filter.clone() }.matches(&packet),
        "same index, other namespace"
    );
    assert!(!Filter { uids: vec![0], ..filter.clone() }.matches(&packet), "no socket, so no owner");
    assert_eq!(filter.describe(), ["proto udp or tcp", "host 192.0.2.0/24", "port 80 or 443-444"]);
}

#[test]
fn a_packet_without_ports_or_addresses_passes_no_such_word() {
    let ping = Subject { protocol: Some(1), source: Some("10.0.0.1".parse().unwrap()), ..Subject::default() };
    assert!(!Filter { ports: vec![parse("0-65535")], ..Filter::default() }.matches(&ping));
    assert!(Filter { hosts: vec![parse("0.0.0.0/0")], ..Filter::default() }.matches(&ping));
    assert!(!Filter { hosts: vec![parse("::/0")], ..Filter::default() }.matches(&ping));
    assert!(!Filter { hosts: vec![parse("0.0.0.0/0")], ..Filter::default() }.matches(&Subject::default()));
}

#[test]
fn at_most_eight_alternatives() {
    let pids = |count| Filter { pids: (0..count).collect(), ..Filter::default() };
    assert!(pids(8).check().is_ok());
    let error = pids(9).check().unwrap_err().to_string();
    assert_eq!(error, "--pid was given 9 times, and at most 8 alternatives are compared");
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
        any::<u128>().prop_map(|b| IpAddr::V6(b.into()))
    ]
}

fn prefix() -> impl Strategy<Value = Prefix> {
    (address(), 0..=128u8)
        .prop_filter_map("length of the family", |(ip, length)| Prefix::containing(ip, length))
}

fn port_range() -> impl Strategy<Value = PortRange> {
    any::<(u16, u16)>().prop_map(|(one, other)| PortRange::between(one, other))
}

prop_compose! {
    fn filter()(
        protocols in prop::collection::vec(any::<u8>().prop_map(Protocol), 0..3),
        hosts in prop::collection::vec(prefix(), 0..3),
        sources in prop::collection::vec(prefix(), 0..3),
        ports in prop::collection::vec(port_range(), 0..3),
        source_ports in prop::collection::vec(port_range(), 0..3),
        pids in prop::collection::vec(0..4u32, 0..3),
    ) -> Filter {
        Filter { protocols, hosts, sources, ports, source_ports, pids, ..Filter::default() }
    }
}

prop_compose! {
    fn subject()(
        protocol in any::<Option<u8>>(),
        source in prop::option::of(address()),
        destination in prop::option::of(address()),
        source_port in any::<Option<u16>>(),
        destination_port in any::<Option<u16>>(),
        pid in prop::option::of(0..4u32),
    ) -> Subject<'static> {
        Subject { protocol, source, destination, source_port, destination_port, pid, ..Subject::default() }
    }
}

/// The subject as its answer would look.
fn reversed(subject: Subject<'_>) -> Subject<'_> {
    Subject {
        source: subject.destination,
        destination: subject.source,
        source_port: subject.destination_port,
        destination_port: subject.source_port,
        ..subject
    }
}

proptest! {
    #[test]
    fn words_never_panic(text in "\\PC*") {
        let _ = (text.parse::<Prefix>(), text.parse::<PortRange>(), text.parse::<Protocol>(), text.parse::<Comm>());
    }

    #[test]
    fn near_misses_never_panic(text in "[0-9a-f:./+-]{0,24}") {
        let _ = (text.parse::<Prefix>(), text.parse::<PortRange>(), text.parse::<Protocol>());
    }

    #[test]
    fn display_and_parse_are_inverse(prefix in prefix(), ports in port_range(), protocol: u8, comm in "[a-z /:.-]{1,15}") {
        prop_assert_eq!(parse::<Prefix>(&prefix.to_string()), prefix);
        prop_assert_eq!(parse::<PortRange>(&ports.to_string()), ports);
        prop_assert_eq!(parse::<Protocol>(&Protocol(protocol).to_string()), Protocol(protocol));
        prop_assert_eq!(parse::<Comm>(&comm).to_string(), comm);
    }

    #[test]
    fn a_prefix_contains_what_shares_its_bits(prefix in prefix(), other in address()) {
        prop_assert!(prefix.contains(prefix.network()));
        let same_bits = match (prefix.network(), other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= prefix.length().into(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= prefix.length().into(),
            _ => false,
        };
        prop_assert_eq!(prefix.contains(other), same_bits);
    }

    #[test]
    fn the_empty_filter_keeps_everything(subject in subject()) {
        prop_assert!(Filter::default().matches(&subject));
    }

    #[test]
    fn each_word_only_narrows(filter in filter(), subject in subject()) {
        if filter.matches(&subject) {
            let words = [
                Filter { protocols: filter.protocols.clone(), ..Filter::default() },
                Filter { hosts: filter.hosts.clone(), sources: filter.sources.clone(), ..Filter::default() },
                Filter { ports: filter.ports.clone(), pids: filter.pids.clone(), ..Filter::default() },
            ];
            prop_assert!(words.iter().all(|word| word.matches(&subject)));
        }
    }

    #[test]
    fn an_alternative_only_widens(mut filter in filter(), more in prefix(), subject in subject()) {
        let before = filter.matches(&subject);
        if !filter.hosts.is_empty() {
            filter.hosts.push(more);
            prop_assert!(!before || filter.matches(&subject));
        }
    }

    #[test]
    fn host_and_port_do_not_see_direction(filter in filter(), subject in subject()) {
        let either_end = Filter { sources: vec![], source_ports: vec![], ..filter };
        prop_assert_eq!(either_end.matches(&subject), either_end.matches(&reversed(subject)));
    }

    #[test]
    fn host_is_source_or_destination(hosts in prop::collection::vec(prefix(), 1..4), subject in subject()) {
        let source = Filter { sources: hosts.clone(), ..Filter::default() }.matches(&subject);
        let destination = Filter { destinations: hosts.clone(), ..Filter::default() }.matches(&subject);
        prop_assert_eq!(Filter { hosts, ..Filter::default() }.matches(&subject), source || destination);
    }
}
