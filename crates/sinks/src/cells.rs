//! Plain text of single values, appended to a byte buffer: the part that the formats share.
//!
//! Addresses and times are written without `fmt`: two addresses by `Display` made a whole JSON line a third dearer.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use plumb_records::column::Value;

const NANOSECONDS: u64 = 1_000_000_000;

/// "00" to "99" in a row.
const PAIRS: [u8; 200] = {
    let mut pairs = [0; 200];
    let mut number = 0;
    while number < 100 {
        pairs[2 * number] = b'0' + (number / 10) as u8;
        pairs[2 * number + 1] = b'0' + (number % 10) as u8;
        number += 1;
    }
    pairs
};

/// Appends any value without quotes: null is nothing, lists are joined by `;`, pairs are written `name=text`.
pub(crate) fn plain(out: &mut Vec<u8>, clock: &mut Clock, value: Value<'_>) {
    match value {
        Value::Null => {}
        Value::Bool(truth) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
        Value::Number(number) => integer(out, number),
        Value::Signed(number) => integer(out, number),
        Value::Real(number) => {
            real(out, number);
        }
        Value::Text(text) => out.extend_from_slice(text.as_bytes()),
        Value::Time(nanoseconds) => clock.time(out, nanoseconds),
        Value::Address(ip) => address(out, ip),
        Value::Texts(texts) => joined(out, texts, |out, text| out.extend_from_slice(text.as_bytes())),
        Value::Integers(numbers) => joined(out, numbers, |out, number| integer(out, *number)),
        Value::Map(pairs) => joined(out, pairs, |out, (name, text)| {
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            out.extend_from_slice(text.as_bytes());
        }),
        Value::Stamps(stamps) => joined(out, stamps, |out, (name, at)| {
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            integer(out, *at);
        }),
    }
}

fn joined<T>(out: &mut Vec<u8>, items: &[T], mut item: impl FnMut(&mut Vec<u8>, &T)) {
    for (index, each) in items.iter().enumerate() {
        if index > 0 {
            out.push(b';');
        }
        item(out, each);
    }
}

/// Appends an integer in decimal.
pub(crate) fn integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends the shortest text that reads back as the same number; false and nothing for what JSON has no text for.
pub(crate) fn real(out: &mut Vec<u8>, value: f64) -> bool {
    // `{:?}` is the shortest round-trip form, with an exponent where the plain form is long.
    value.is_finite() && write!(out, "{value:?}").is_ok()
}

/// Appends an address in canonical text (RFC 5952 for IPv6).
pub(crate) fn address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => v4(out, address),
        IpAddr::V6(address) => v6(out, address),
    }
}

fn v4(out: &mut Vec<u8>, address: Ipv4Addr) {
    let mut text = [b'.'; 16];
    let mut length = 0;
    for octet in address.octets() {
        let (hundreds, rest) = (octet / 100, usize::from(octet % 100));
        if hundreds > 0 {
            text[length] = b'0' + hundreds;
            length += 1;
        }
        if octet >= 10 {
            text[length] = PAIRS[2 * rest];
            length += 1;
        }
        text[length] = PAIRS[2 * rest + 1];
        length += 2;
    }
    out.extend_from_slice(&text[..length - 1]);
}

fn v6(out: &mut Vec<u8>, address: Ipv6Addr) {
    if let Some(mapped) = address.to_ipv4_mapped() {
        out.extend_from_slice(b"::ffff:");
        return v4(out, mapped);
    }
    let groups = address.segments();
    let (start, end) = longest_zeros(&groups);
    let mut text = [b':'; 40];
    let mut length = 0;
    let mut index = 0;
    while index < 8 {
        if index == start {
            // The colon that ended the group before is the first of the two.
            length += if start == 0 { 2 } else { 1 };
            index = end;
            continue;
        }
        length += group(&mut text[length..], groups[index]) + 1;
        index += 1;
    }
    // Each group is followed by a colon; the last one's is not part of the address, that of a run of zeros is.
    out.extend_from_slice(&text[..if end == 8 { length } else { length - 1 }]);
}

/// The longest run of at least two zero groups, the first of equals (RFC 5952, 4.2); beyond the end if there is none.
fn longest_zeros(groups: &[u16; 8]) -> (usize, usize) {
    let (mut best, mut start) = ((8, 9), 0);
    let mut longest = 1;
    for (index, group) in groups.iter().enumerate() {
        if *group != 0 {
            start = index + 1;
        } else if index + 1 - start > longest {
            longest = index + 1 - start;
            best = (start, index + 1);
        }
    }
    best
}

/// Writes a group in lower case without leading zeros; its length.
fn group(text: &mut [u8], value: u16) -> usize {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let length = (4 - value.leading_zeros() as usize / 4).max(1);
    for (place, digit) in text[..length].iter_mut().rev().enumerate() {
        *digit = DIGITS[usize::from(value >> (4 * place) & 15)];
    }
    length
}

/// Writes times as RFC 3339 UTC with nine decimals. Events come in order, so the calendar is asked once a second.
#[derive(Debug)]
pub(crate) struct Clock {
    second: u64,
    text: [u8; 30],
}

impl Default for Clock {
    fn default() -> Self {
        Self { second: 0, text: *b"1970-01-01T00:00:00.000000000Z" }
    }
}

impl Clock {
    /// Appends the time; its length is always 30 bytes.
    pub(crate) fn time(&mut self, out: &mut Vec<u8>, nanoseconds: u64) {
        out.extend_from_slice(self.text(nanoseconds));
    }

    /// The time as text.
    pub(crate) fn text(&mut self, nanoseconds: u64) -> &[u8; 30] {
        let second = nanoseconds / NANOSECONDS;
        if second != self.second {
            self.turn(second);
        }
        let mut rest = (nanoseconds % NANOSECONDS) as usize;
        self.text[28] = b'0' + (rest % 10) as u8;
        rest /= 10;
        for place in [26, 24, 22, 20] {
            self.text[place..place + 2].copy_from_slice(&PAIRS[2 * (rest % 100)..][..2]);
            rest /= 100;
        }
        &self.text
    }

    fn turn(&mut self, second: u64) {
        // 2^64 ns end in the year 2554, within what the calendar covers.
        let time = i64::try_from(second).ok().and_then(|second| Timestamp::from_second(second).ok());
        let time = time.unwrap_or(Timestamp::MAX);
        let mut front = &mut self.text[..19];
        let written = write!(front, "{}", time.strftime("%Y-%m-%dT%H:%M:%S"));
        debug_assert!(written.is_ok() && front.is_empty(), "a year below 10000 fills the text exactly");
        self.second = second;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn any_v6() -> impl Strategy<Value = Ipv6Addr> {
        // Groups that are often zero, or random addresses would never have a run to shorten.
        let group = prop_oneof![2 => Just(0), 1 => 0..16u16, 1 => any::<u16>(), 1 => Just(0xffff)];
        proptest::array::uniform8(group).prop_map(Ipv6Addr::from)
    }

    proptest! {
        #[test]
        fn addresses_are_the_standard_librarys(v4: [u8; 4], v6 in any_v6()) {
            for ip in [IpAddr::from(v4), IpAddr::from(v6), IpAddr::from(Ipv4Addr::from(v4).to_ipv6_mapped())] {
                prop_assert_eq!(text(|out| address(out, ip)), ip.to_string());
            }
        }

        #[test]
        fn times_are_jiffs(times: Vec<u64>, near in 0..u64::MAX - 3_000_000_000) {
            let mut clock = Clock::default();
            for nanoseconds in times.into_iter().chain((0..3).map(|second| near + second * NANOSECONDS)) {
                let expected = Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap();
                prop_assert_eq!(text(|out| clock.time(out, nanoseconds)), format!("{expected:.9}"));
            }
        }

        #[test]
        fn reals_read_back(value: f64) {
            let mut out = Vec::new();
            if real(&mut out, value) {
                prop_assert_eq!(std::str::from_utf8(&out).unwrap().parse::<f64>().unwrap(), value);
            } else {
                prop_assert!(out.is_empty() && !value.is_finite());
            }
        }
    }

    #[test]
    fn edges() {
        for ip in [
            "::",
            "::1",
            "1::",
            "0:0:1::",
            "1:0:0:2::",
            "1:2:3:4:5:6:7:8",
            "0:2:3:4:5:6:7:0",
            "::ffff:0.0.0.0",
        ] {
            let ip: IpAddr = ip.parse().unwrap();
            assert_eq!(text(|out| address(out, ip)), ip.to_string());
        }
        let mut clock = Clock::default();
        assert_eq!(text(|out| clock.time(out, 0)), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(text(|out| clock.time(out, u64::MAX)), "2554-07-21T23:34:33.709551615Z");
    }
}
