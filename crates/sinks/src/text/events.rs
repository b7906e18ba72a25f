//! One line per record, for reading along.

use super::{Ink, Style, human_at};
use crate::cells::Clock;
use plumb_records::column::{Column, Row};

/// A part of a line. Parts whose columns are null are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The value of a column.
    Plain(&'static str),
    /// The value of the column that matters most, in bold type.
    Strong(&'static str),
    /// `name=value`.
    Named(&'static str),
    /// A word that is written where a column is true.
    Flag(&'static str, &'static str),
    /// `protocol source > destination`, from the columns of this prefix: `src_ip`, `src_port`, `dst_ip`, ...
    Flow(&'static str),
}

/// Writes records as lines.
#[derive(Debug)]
pub struct Lines {
    parts: Vec<Part>,
    clock: Clock,
    /// The row's values as text, by column.
    values: Vec<String>,
    /// Of aligned lines the widest text of each part so far.
    widths: Option<Vec<usize>>,
}

/// Wider texts than this do not move what follows them in all later lines.
const WIDEST: usize = 64;

impl Lines {
    /// For lines of these parts, in this order.
    pub fn new(parts: impl Into<Vec<Part>>) -> Self {
        Self { parts: parts.into(), clock: Clock::default(), values: Vec::new(), widths: None }
    }

    /// The same, where parts stand below those of the lines before.
    pub fn aligned(parts: impl Into<Vec<Part>>) -> Self {
        let parts = parts.into();
        Self { widths: Some(vec![0; parts.len()]), ..Self::new(parts) }
    }

    /// Appends the line of a record.
    pub fn line(&mut self, out: &mut String, row: &dyn Row, style: Style) {
        let columns = row.columns();
        self.values.clear();
        self.values.resize(columns.len(), String::new());
        row.walk(&mut |index, value| self.values[index] = human_at(&mut self.clock, &columns[index], value));
        let values = Values { columns, values: &self.values };
        let mut first = true;
        let mut gap = 0;
        for (number, part) in self.parts.iter().enumerate() {
            let (text, ink) = match *part {
                Part::Plain(name) => (values.get("", name).to_owned(), Ink::Plain),
                Part::Strong(name) => (values.get("", name).to_owned(), Ink::Strong),
                Part::Named(name) => (values.named(name), Ink::Plain),
                Part::Flag(name, word) if values.get("", name) == "true" => (word.to_owned(), Ink::Plain),
                Part::Flag(..) => (String::new(), Ink::Plain),
                Part::Flow(prefix) => (values.flow(prefix), Ink::Plain),
            };
            let width = self.widths.as_mut().map_or(0, |widths| {
                let width = text.chars().count();
                widths[number] = widths[number].max(width.min(WIDEST));
                widths[number].saturating_sub(width) + usize::from(widths[number] > 0 && text.is_empty())
            });
            if !text.is_empty() {
                out.extend(std::iter::repeat_n(' ', gap + usize::from(!first)));
                style.paint(out, &text, ink);
                (first, gap) = (false, 0);
            }
            gap += width;
        }
        out.push('\n');
    }
}

/// What [`Part::Flow`] writes of a record: protocol and both ends.
pub fn flow(row: &dyn Row) -> String {
    let columns = row.columns();
    let mut values = vec![String::new(); columns.len()];
    row.walk(&mut |index, value| values[index] = human_at(&mut Clock::default(), &columns[index], value));
    Values { columns, values: &values }.flow("")
}

struct Values<'a> {
    columns: &'static [Column],
    values: &'a [String],
}

impl<'a> Values<'a> {
    /// The value of the column `prefix` + `name`; empty where it is null or not there.
    fn get(&self, prefix: &str, name: &str) -> &'a str {
        let is = |column: &Column| column.name.strip_prefix(prefix) == Some(name);
        self.columns.iter().position(is).map_or("", |index| &self.values[index])
    }

    fn named(&self, name: &str) -> String {
        match self.get("", name) {
            "" => String::new(),
            value => format!("{name}={value}"),
        }
    }

    fn flow(&self, prefix: &str) -> String {
        let end = |ip, port| endpoint(self.get(prefix, ip), self.get(prefix, port));
        let (source, destination) = (end("src_ip", "src_port"), end("dst_ip", "dst_port"));
        let arrow = if source.is_empty() && destination.is_empty() { "" } else { ">" };
        let words = [self.get(prefix, "protocol"), &source, arrow, &destination];
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        match prefix.trim_end_matches('_') {
            label if label.is_empty() || words.is_empty() => words.join(" "),
            label => format!("{label}({})", words.join(" ")),
        }
    }
}

/// `address:port` as RFC 3986 and RFC 5952 (section 6) have it.
fn endpoint(address: &str, port: &str) -> String {
    match (address, port) {
        (address, "") => address.to_owned(),
        ("", port) => format!("*:{port}"),
        (address, port) if address.contains(':') => format!("[{address}]:{port}"),
        (address, port) => format!("{address}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumb_records::column::Time;
    use plumb_records::drop::{Drop, DropRow};

    const PARTS: [Part; 9] = [
        Part::Plain("time"),
        Part::Strong("reason"),
        Part::Plain("location"),
        Part::Plain("interface"),
        Part::Flow(""),
        Part::Flow("inner_"),
        Part::Named("pid"),
        Part::Plain("comm"),
        Part::Flag("in_softirq", "(softirq)"),
    ];

    fn line(drop: Drop<'_>, style: Style) -> String {
        let mut out = String::new();
        Lines::new(PARTS).line(&mut out, &DropRow { drop, captured: None }, style);
        out
    }

    fn datagram() -> Drop<'static> {
        Drop {
            time: Time(1_763_000_000_123_456_789),
            reason: Some("NO_SOCKET"),
            location: Some("__udp4_lib_rcv+0x6f9"),
            interface: Some("eth0"),
            src_ip: "192.0.2.1".parse().ok(),
            dst_ip: "192.0.2.2".parse().ok(),
            src_port: Some(5353),
            dst_port: Some(9),
            protocol: Some(17),
            pid: Some(17),
            comm: Some("evil\x1b[2J"),
            in_softirq: Some(true),
            ..Drop::default()
        }
    }

    #[test]
    fn all_parts() {
        assert_eq!(
            line(datagram(), Style::default()),
            "02:13:20.123456 NO_SOCKET __udp4_lib_rcv+0x6f9 eth0 udp 192.0.2.1:5353 > 192.0.2.2:9 pid=17 \
             evil\\u{1b}[2J (softirq)\n"
        );
        let coloured = line(datagram(), Style { colour: true, unicode: false });
        assert!(coloured.contains(" \x1b[1mNO_SOCKET\x1b[0m "), "{coloured:?}");
    }

    #[test]
    fn addresses_within_a_tunnel() {
        let ip = |text: &str| text.parse().ok();
        let drop = Drop {
            src_port: None,
            dst_port: None,
            in_softirq: Some(false),
            comm: None,
            src_ip: ip("fd00::1"),
            dst_ip: ip("fd00::2"),
            protocol: Some(47),
            inner_src_ip: ip("fd00::3"),
            inner_dst_ip: ip("10.0.0.4"),
            inner_src_port: Some(1),
            inner_protocol: Some(6),
            ..datagram()
        };
        assert_eq!(
            line(drop, Style::default()),
            "02:13:20.123456 NO_SOCKET __udp4_lib_rcv+0x6f9 eth0 gre fd00::1 > fd00::2 \
             inner(tcp [fd00::3]:1 > 10.0.0.4) pid=17\n"
        );
    }

    #[test]
    fn nulls_are_left_out() {
        let drop = Drop { reason: Some("NOT_SPECIFIED"), protocol: Some(58), ..Drop::default() };
        assert_eq!(line(drop, Style::default()), "00:00:00.000000 NOT_SPECIFIED icmpv6\n");
    }
}
