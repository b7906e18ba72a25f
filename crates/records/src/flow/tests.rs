//! Numbers in, cells out: definitions by example, and properties that hold for any numbers.

mod any;
mod profiles;

use super::*;
use crate::column::{Column, Row, Shown, Value};
use any::any_flow;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

/// One cell, with what it borrows.
#[derive(Clone, Debug, PartialEq)]
enum Owned {
    Null,
    Number(i128),
    Real(f64),
    Text(String),
    List(Vec<i64>),
}

fn owned(value: Value<'_>) -> Owned {
    match value {
        Value::Null => Owned::Null,
        Value::Bool(truth) => Owned::Number(truth.into()),
        Value::Number(number) | Value::Time(number) => Owned::Number(number.into()),
        Value::Signed(number) => Owned::Number(number.into()),
        Value::Real(real) => Owned::Real(real),
        Value::Text(text) => Owned::Text(text.into()),
        Value::Address(address) => Owned::Text(address.to_string()),
        Value::Integers(list) => Owned::List(list.to_vec()),
        other => panic!("no flow has {other:?}"),
    }
}

fn flow(numbers: &FlowNumbers) -> Flow<'_> {
    Flow { numbers, interface: Some("eth0"), epoch_ns: 0, sampling: 1, firsts: 20 }
}

fn cells(table: &Table, numbers: &FlowNumbers) -> HashMap<&'static str, Owned> {
    let mut cells = HashMap::new();
    let row = table.row(flow(numbers), Shown::ALL);
    row.walk(&mut |index, value| {
        cells.insert(table.columns[index].name, owned(value));
    });
    cells
}

/// One packet of a made-up flow: microseconds, backward, length from the IP header on.
#[derive(Clone, Copy, Debug)]
struct Sent(u64, bool, u16);

/// What a kernel that never errs would count.
fn counted(packets: &[Sent]) -> FlowNumbers {
    let mut flow = FlowNumbers { stats: Some(Stats::default()), protocol: 17, ..FlowNumbers::default() };
    flow.start_ns = packets[0].0 * 1000;
    flow.last_ns = packets[packets.len() - 1].0 * 1000;
    let stats = flow.stats.as_mut().unwrap();
    stats.shared.active_since_us = packets[0].0;
    stats.shared.gap_us = spread(gaps(packets.iter()));
    for (direction, backward) in [false, true].into_iter().enumerate() {
        let sent: Vec<&Sent> = packets.iter().filter(|sent| sent.1 == backward).collect();
        let side = &mut flow.sides[direction];
        side.packets = sent.len() as u64;
        side.ip_bytes = sent.iter().map(|sent| u64::from(sent.2)).sum();
        side.first_ns = sent.first().map_or(0, |sent| sent.0 * 1000);
        side.last_ns = sent.last().map_or(0, |sent| sent.0 * 1000);
        stats.sides[direction].ip_length = spread(sent.iter().map(|sent| u64::from(sent.2)));
        stats.sides[direction].gap_us = spread(gaps(sent.into_iter()));
    }
    flow
}

fn gaps<'a>(packets: impl Iterator<Item = &'a Sent> + Clone) -> impl Iterator<Item = u64> + Clone {
    packets.clone().zip(packets.skip(1)).map(|(before, after)| after.0 - before.0)
}

fn spread(numbers: impl Iterator<Item = u64> + Clone) -> Spread {
    let short = |number: Option<u64>| number.unwrap_or(0) as u32;
    Spread {
        squares: numbers.clone().map(|number| number * number).sum(),
        min: short(numbers.clone().min()),
        max: short(numbers.max()),
    }
}

fn near(cell: &Owned, expected: f64) -> bool {
    matches!(cell, Owned::Real(real) if (real - expected).abs() <= 1e-9 * expected.abs().max(1.0))
}

#[test]
fn a_flow_by_hand() {
    let numbers = counted(&[Sent(1_000, false, 100), Sent(1_010, true, 200), Sent(1_040, false, 400)]);
    let cells = cells(&NATIVE, &numbers);
    let number = |name| match cells[name] {
        Owned::Number(number) => number,
        ref other => panic!("{name}: {other:?}"),
    };
    assert_eq!(["packets", "fwd_packets", "bwd_packets"].map(number), [3, 2, 1]);
    assert_eq!(["duration_us", "fwd_iat_total_us", "bwd_iat_total_us"].map(number), [40, 40, 0]);
    assert_eq!(["ip_len_min", "ip_len_max", "bwd_ip_len_max"].map(number), [100, 400, 200]);
    assert_eq!(["iat_min_us", "iat_max_us", "fwd_iat_min_us"].map(number), [10, 30, 40]);
    assert!(near(&cells["ip_len_mean"], 700.0 / 3.0));
    assert!(near(&cells["ip_len_var"], 70_000.0 / 3.0));
    assert!(near(&cells["iat_std_us"], 200f64.sqrt()));
    assert!(near(&cells["packets_per_s"], 75_000.0));
    assert!(near(&cells["down_up_ratio"], 0.5));
    for unknown in
        ["bwd_ip_len_std", "bwd_iat_min_us", "fwd_iat_std_us", "syn_count", "splt_dir", "vlan", "idle_min_us"]
    {
        assert_eq!(cells[unknown], Owned::Null, "{unknown}");
    }
    assert_eq!([number("active_count"), number("active_min_us"), number("subflow_count")], [1, 40, 1]);
}

#[test]
fn nothing_is_divided_by_zero() {
    let mut one = counted(&[Sent(5, true, 60)]);
    let cells_of_one = cells(&NATIVE, &one);
    for unknown in ["packets_per_s", "bytes_per_s", "down_up_ratio", "iat_mean_us", "ip_len_std"] {
        assert_eq!(cells_of_one[unknown], Owned::Null, "{unknown}");
    }
    one.sides[1].packets = 0;
    assert_eq!(cells(&NATIVE, &one)["ip_len_mean"], Owned::Null);
}

#[test]
fn levels_show_their_columns_and_those_before() {
    let names = |level| {
        let shown = NATIVE.shown(level);
        let columns = NATIVE.columns.iter().enumerate().filter(|(index, _)| shown.has(*index));
        columns.map(|(_, column)| column.name).collect::<HashSet<_>>()
    };
    let [basic, stats, full] = [Level::Basic, Level::Stats, Level::Full].map(names);
    assert!(basic.is_subset(&stats) && stats.is_subset(&full));
    assert!(basic.contains("fwd_packets") && !basic.contains("ip_len_mean"));
    assert!(stats.contains("iat_std_us") && !stats.contains("splt_dir"));
    assert_eq!(full.len(), NATIVE.columns.len());
}

#[test]
fn names_are_unique_and_in_snake_case() {
    let names: HashSet<&str> = NATIVE.columns.iter().map(|column| column.name).collect();
    assert_eq!(names.len(), NATIVE.columns.len());
    let plain = |name: &&str| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    assert_eq!(names.iter().find(|name| !plain(name)), None);
    assert!(NATIVE.columns.iter().all(|Column { help, .. }| !help.is_empty()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_numbers_give_finite_cells(numbers in any_flow(), epoch_ns: i64) {
        let flow = Flow { epoch_ns, ..flow(&numbers) };
        for table in [NATIVE, CICFLOWMETER, CICFLOWMETER_2017, NFSTREAM] {
            table.row(flow, Shown::ALL).walk(&mut |index, value| {
                if let Value::Real(real) = value {
                    assert!(real.is_finite(), "{}", table.columns[index].name);
                }
            });
        }
    }

    #[test]
    fn means_are_totals_by_counts(packets in flows()) {
        let numbers = counted(&packets);
        let cells = cells(&NATIVE, &numbers);
        for prefix in ["", "fwd_", "bwd_"] {
            let of: Vec<f64> = packets.iter()
                .filter(|sent| prefix.is_empty() || sent.1 == (prefix == "bwd_"))
                .map(|sent| f64::from(sent.2))
                .collect();
            let (mean, deviation) = (cells[&*format!("{prefix}ip_len_mean")].clone(), cells[&*format!("{prefix}ip_len_std")].clone());
            if of.is_empty() {
                prop_assert_eq!(mean, Owned::Null);
                continue;
            }
            let expected = of.iter().sum::<f64>() / of.len() as f64;
            prop_assert!(near(&mean, expected));
            match of.len() {
                1 => prop_assert_eq!(deviation, Owned::Null),
                many => {
                    let squares: f64 = of.iter().map(|length| (length - expected).powi(2)).sum();
                    prop_assert!(near(&deviation, (squares / (many - 1) as f64).sqrt()));
                }
            }
        }
    }

    #[test]
    fn halves_add_up_to_the_whole(numbers in prop::collection::vec(0u64..65_536, 2..50), cut in 0usize..50, swap: bool) {
        let of = |part: &[u64]| {
            Moments::new(part.len() as u64, part.iter().sum(), spread(part.iter().copied()))
        };
        let (left, right) = numbers.split_at(cut.min(numbers.len()));
        let merged = if swap { of(right).merge(of(left)) } else { of(left).merge(of(right)) };
        prop_assert_eq!(merged, of(&numbers));
        let mut sorted = numbers.clone();
        sorted.sort();
        prop_assert_eq!(of(&sorted), of(&numbers));
    }

    #[test]
    fn a_flow_seen_from_the_other_end_is_the_same(packets in flows()) {
        let turned: Vec<Sent> = packets.iter().map(|sent| Sent(sent.0, !sent.1, sent.2)).collect();
        let (one, other) = (cells(&NATIVE, &counted(&packets)), cells(&NATIVE, &counted(&turned)));
        for (name, cell) in &one {
            if let Some(name) = name.strip_prefix("fwd_") {
                prop_assert_eq!(cell, &other[&*format!("bwd_{name}")]);
            }
        }
        for both in ["ip_len_std", "iat_std_us", "packets", "active_mean_us"] {
            prop_assert_eq!(&one[both], &other[both]);
        }
    }
}

fn flows() -> impl Strategy<Value = Vec<Sent>> {
    let packet = (0u64..1_000_000, any::<bool>(), 20u16..=u16::MAX);
    prop::collection::vec(packet, 1..40).prop_map(|mut packets| {
        packets.sort_by_key(|packet| packet.0);
        packets.into_iter().map(|(at, backward, length)| Sent(at, backward, length)).collect()
    })
}
