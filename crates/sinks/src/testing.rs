//! A record with a column of every kind, for tests.

use plumb_records::column::{Capture, Column, Link, Row, Shown, Time, Value};
use proptest::prelude::*;
use std::net::IpAddr;

plumb_records::record! {
    /// One column of every kind.
    pub struct Sample = "sample" {
        time: Option<Time> as Time, "when";
        name: Option<String> as Text, "a | name";
        address: Option<IpAddr> as Address, "an address";
        port: Option<u16> as Id, "a port";
        packets: u64 as Count, "how many";
        size_bytes: u32 as Bytes, "how much";
        took_ns: u64 as Nanoseconds, "how long";
        offset_ns: i64 as Nanoseconds, "how far";
        packets_per_s: Option<f64> as Rate, "how fast";
        flag: Option<bool> as Bool, "whether";
        stack: Option<Vec<String>> as Texts, "frames";
        gaps_us: Option<Vec<i64>> as Integers, "gaps";
        span_us: Option<u64> as Microseconds, "from first to last";
        mean: Option<f64> as Real, "on average";
        hooks: Vec<(String, String)> as Map, "pairs";
    }
}

/// A sample that shows some columns and may carry packet bytes.
#[derive(Clone, Debug)]
pub(crate) struct SampleRow {
    pub(crate) sample: Sample,
    pub(crate) shown: Shown,
    pub(crate) packet: Option<Packet>,
}

/// The owned form of a [`Capture`].
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) time: u64,
    pub(crate) interface: Option<String>,
    pub(crate) netns: Option<u64>,
    pub(crate) link: Link,
    pub(crate) length: u32,
    pub(crate) bytes: Vec<u8>,
}

impl From<Sample> for SampleRow {
    fn from(sample: Sample) -> Self {
        Self { sample, shown: Shown::ALL, packet: None }
    }
}

impl Row for SampleRow {
    fn record(&self) -> &'static str {
        Sample::RECORD
    }
    fn columns(&self) -> &'static [Column] {
        Sample::COLUMNS
    }
    fn shown(&self) -> Shown {
        self.shown
    }
    fn walk(&self, cell: &mut dyn FnMut(usize, Value<'_>)) {
        self.sample.cells(self.shown, cell);
    }
    fn capture(&self) -> Option<Capture<'_>> {
        let Packet { time, interface, netns, link, length, bytes } = self.packet.as_ref()?;
        let (time, netns, link, length) = (*time, *netns, *link, *length);
        Some(Capture {
            time,
            interface: interface.as_deref(),
            netns,
            netns_cookie: None,
            link,
            length,
            bytes,
        })
    }
}

/// Any text: control characters and quotes more often than chance has them.
pub(crate) fn any_text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        any::<char>(),
        proptest::char::range('\0', '\u{7f}'),
        proptest::sample::select(vec!['"', '\\', ',', ';', '\n', '\r', '\t', '\u{1b}', 'a']),
    ];
    proptest::collection::vec(character, 0..40).prop_map(String::from_iter)
}

/// Any sample.
pub(crate) fn any_sample() -> impl Strategy<Value = Sample> {
    let texts = proptest::collection::vec(any_text(), 0..4);
    let pairs = proptest::collection::btree_map(any_text(), any_text(), 0..4);
    let numbers = (any::<u64>(), any::<u32>(), any::<u64>(), any::<i64>());
    let options =
        (any::<Option<u64>>(), any::<Option<IpAddr>>(), any::<Option<u16>>(), any::<Option<bool>>());
    (
        numbers,
        options,
        proptest::option::of(any_text()),
        any::<Option<f64>>(),
        proptest::option::of(texts),
        (any::<Option<Vec<i64>>>(), any::<Option<u64>>(), any::<Option<f64>>()),
        pairs,
    )
        .prop_map(|(numbers, options, name, packets_per_s, stack, series, hooks)| {
            let (packets, size_bytes, took_ns, offset_ns) = numbers;
            let (time, address, port, flag) = options;
            let (gaps_us, span_us, mean) = series;
            let (time, hooks) = (time.map(Time), hooks.into_iter().collect());
            Sample {
                time,
                name,
                address,
                port,
                packets,
                size_bytes,
                took_ns,
                offset_ns,
                packets_per_s,
                flag,
                stack,
                gaps_us,
                span_us,
                mean,
                hooks,
            }
        })
}

/// A small sample whose lines are easy to read.
pub(crate) fn small() -> Sample {
    Sample {
        time: Some(Time(1_500_000_000)),
        name: Some("say \"hi\"".to_owned()),
        address: Some(IpAddr::from([192, 0, 2, 7])),
        packets: 3,
        packets_per_s: Some(0.5),
        stack: Some(vec!["a+0x1".to_owned(), "b".to_owned()]),
        gaps_us: Some(vec![1, -2]),
        ..Sample::default()
    }
}

/// All of `rows` in one file.
pub(crate) fn file(mut format: impl crate::Encode, rows: &[SampleRow]) -> Vec<u8> {
    let mut out = Vec::new();
    format.begin(&mut out);
    for row in rows {
        format.encode(row, &mut out);
    }
    out
}
