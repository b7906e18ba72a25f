//! Text for people: parts that the commands compose. Values in, text out; what the terminal can do is passed in.

pub mod events;
pub mod spark;
pub mod table;
pub mod units;

use crate::cells::{self, Clock};
use plumb_records::column::{Column, Kind, Value};
use std::fmt::Write as _;

/// What the reader's terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Colours and bold type.
    pub colour: bool,
    /// Characters beyond ASCII.
    pub unicode: bool,
}

/// How a piece of text stands out, where the style has colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ink {
    /// As any other text.
    #[default]
    Plain,
    /// Bold.
    Strong,
    /// Grey.
    Faint,
    /// Yellow.
    Warning,
    /// Red.
    Bad,
}

impl Style {
    /// Appends `text` in `ink`.
    pub fn paint(self, out: &mut String, text: &str, ink: Ink) {
        let code = match ink {
            Ink::Strong => "\x1b[1m",
            Ink::Faint => "\x1b[2m",
            Ink::Warning => "\x1b[33m",
            Ink::Bad => "\x1b[31m",
            Ink::Plain => "",
        };
        if self.colour && !code.is_empty() && !text.is_empty() {
            out.extend([code, text, "\x1b[0m"]);
        } else {
            out.push_str(text);
        }
    }
}

/// The value as people read it, in the unit of its column; empty for null.
///
/// Protocol numbers become names and times the time of day in UTC, with microseconds.
pub fn human(column: &Column, value: Value<'_>) -> String {
    human_at(&mut Clock::default(), column, value)
}

fn human_at(clock: &mut Clock, column: &Column, value: Value<'_>) -> String {
    match (column.kind, value) {
        (Kind::Count, Value::Number(number)) => units::count(number),
        // Of one packet's parts, where each byte counts.
        (Kind::Bytes, Value::Number(number)) if column.name.ends_with("_len") => number.to_string(),
        (Kind::Bytes, Value::Number(number)) => units::bytes(number),
        (Kind::Nanoseconds, Value::Number(number)) => units::duration(number),
        (Kind::Microseconds, Value::Number(number)) => units::duration(number.saturating_mul(1000)),
        (Kind::Id, Value::Number(number)) if column.name.ends_with("protocol") => protocol(number),
        (Kind::Id, Value::Number(number)) if column.name == "tcp_flags" => tcp_flags(number),
        (Kind::Rate, Value::Real(number)) => units::rate(number),
        (_, Value::Real(number)) => units::real(number),
        (_, Value::Text(text)) => clean(text),
        (_, Value::Time(at)) => String::from_utf8_lossy(&clock.text(at)[11..26]).into_owned(),
        (_, value) => {
            let mut plain = Vec::new();
            cells::plain(&mut plain, clock, value);
            clean(&String::from_utf8_lossy(&plain))
        }
    }
}

/// Without what a terminal would obey: the names of processes and interfaces are chosen by whoever made them.
pub fn clean(text: &str) -> String {
    let obeyed = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut clean = String::with_capacity(text.len());
    for letter in text.chars() {
        if obeyed(letter) { clean.extend(letter.escape_default()) } else { clean.push(letter) }
    }
    clean
}

/// TCP flags by letter from the highest bit on, as tcpdump has them; a dot where there is none.
fn tcp_flags(flags: u64) -> String {
    const LETTERS: [char; 9] = ['e', 'C', 'E', 'U', 'A', 'P', 'R', 'S', 'F'];
    let bits = (0..9).rev().zip(LETTERS);
    let set: String = bits.filter(|(bit, _)| flags >> bit & 1 == 1).map(|(_, letter)| letter).collect();
    if set.is_empty() { ".".to_owned() } else { set }
}

/// The name of an IP protocol as in /etc/protocols; its number where it is seldom seen.
fn protocol(number: u64) -> String {
    let name = match number {
        1 => "icmp",
        2 => "igmp",
        4 => "ipip",
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        41 => "ipv6",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        58 => "icmpv6",
        89 => "ospf",
        103 => "pim",
        112 => "vrrp",
        115 => "l2tp",
        132 => "sctp",
        136 => "udplite",
        _ => {
            let mut text = String::from("protocol ");
            let _ = write!(text, "{number}");
            return text;
        }
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Sample, any_text};
    use proptest::prelude::*;

    fn shown(name: &str, value: Value<'_>) -> String {
        human(Sample::COLUMNS.iter().find(|column| column.name == name).unwrap(), value)
    }

    #[test]
    fn by_kind() {
        let address = "fd00::1".parse().unwrap();
        let shown = [
            shown("time", Value::Time(1_500_000_000)),
            shown("name", Value::Text("eth0")),
            shown("address", Value::Address(address)),
            shown("port", Value::Number(4_026_531_840)),
            shown("packets", Value::Number(1_234_567)),
            shown("size_bytes", Value::Number(1500)),
            shown("took_ns", Value::Number(2_500_000)),
            shown("offset_ns", Value::Signed(-5)),
            shown("packets_per_s", Value::Real(1234.0)),
            shown("flag", Value::Bool(true)),
            shown("stack", Value::Texts(&["a".to_owned(), "b".to_owned()])),
            shown("gaps_us", Value::Integers(&[1, -2])),
            shown("span_us", Value::Number(2_500)),
            shown("mean", Value::Real(2.0 / 3.0)),
            shown("mean", Value::Real(f64::NAN)),
            shown("packets", Value::Null),
        ];
        let expected = [
            "00:00:01.500000",
            "eth0",
            "fd00::1",
            "4026531840",
            "1,234,567",
            "1.5 kB",
            "2.5 ms",
            "-5",
            "1.2 k/s",
            "true",
            "a;b",
            "1;-2",
            "2.5 ms",
            "0.667",
            "",
            "",
        ];
        assert_eq!(shown, expected);
        let column = Column { name: "inner_protocol", kind: Kind::Id, help: "" };
        assert_eq!(human(&column, Value::Number(17)), "udp");
        assert_eq!(human(&column, Value::Number(200)), "protocol 200");
        let column = Column { name: "tcp_flags", kind: Kind::Id, help: "" };
        assert_eq!([0x112, 0, 0x11].map(|flags| human(&column, Value::Number(flags))), ["eAS", ".", "AF"]);
        let column = Column { name: "frame_len", kind: Kind::Bytes, help: "" };
        assert_eq!(human(&column, Value::Number(1514)), "1514");
    }

    #[test]
    fn colour_only_where_asked() {
        let paint = |style: Style, text, ink| {
            let mut out = String::new();
            style.paint(&mut out, text, ink);
            out
        };
        let coloured = Style { colour: true, unicode: false };
        assert_eq!(paint(coloured, "x", Ink::Bad), "\x1b[31mx\x1b[0m");
        assert_eq!(paint(coloured, "x", Ink::Plain), "x");
        assert_eq!(paint(coloured, "", Ink::Bad), "");
        assert_eq!(paint(Style::default(), "x", Ink::Bad), "x");
    }

    proptest! {
        #[test]
        fn no_name_commands_the_terminal(name in any_text(), list in proptest::collection::vec(any_text(), 0..3)) {
            for text in [shown("name", Value::Text(&name)), shown("stack", Value::Texts(&list))] {
                prop_assert!(!text.chars().any(char::is_control), "{:?}", text);
            }
        }
    }
}
