//! JSON lines: each record is one object on one line, `record` first, absent values null.

use crate::Encode;
use crate::cells::{self, Clock};
use plumb_records::column::{Column, Row, Value};

/// The JSON lines format.
#[derive(Debug, Default)]
pub struct Json {
    kinds: Vec<Keys>,
    clock: Clock,
}

/// The constant bytes of one record kind's lines.
#[derive(Debug)]
struct Keys {
    record: &'static str,
    columns: &'static [Column],
    /// `{"record":"NAME"`.
    head: Vec<u8>,
    /// `,"NAME":` per column.
    names: Vec<Vec<u8>>,
}

impl Keys {
    fn new(record: &'static str, columns: &'static [Column]) -> Self {
        let mut head = b"{\"record\":".to_vec();
        string(&mut head, record);
        let name = |column: &Column| {
            let mut name = vec![b','];
            string(&mut name, column.name);
            name.push(b':');
            name
        };
        Self { record, columns, head, names: columns.iter().map(name).collect() }
    }

    fn are_of(&self, record: &str, columns: &[Column]) -> bool {
        std::ptr::eq(self.columns, columns) && self.record == record
    }
}

impl Encode for Json {
    fn begin(&mut self, _: &mut Vec<u8>) {}

    fn encode(&mut self, row: &dyn Row, out: &mut Vec<u8>) -> bool {
        let (record, columns) = (row.record(), row.columns());
        let known = self.kinds.iter().position(|keys| keys.are_of(record, columns));
        let index = known.unwrap_or_else(|| {
            self.kinds.push(Keys::new(record, columns));
            self.kinds.len() - 1
        });
        let (keys, clock) = (&self.kinds[index], &mut self.clock);
        out.extend_from_slice(&keys.head);
        row.walk(&mut |index, cell| {
            out.extend_from_slice(&keys.names[index]);
            value(out, clock, cell);
        });
        out.extend_from_slice(b"}\n");
        true
    }
}

/// Appends a value.
pub(crate) fn value(out: &mut Vec<u8>, clock: &mut Clock, cell: Value<'_>) {
    match cell {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => cells::integer(out, number),
        Value::Signed(number) => cells::integer(out, number),
        Value::Real(number) => {
            if !cells::real(out, number) {
                out.extend_from_slice(b"null");
            }
        }
        Value::Text(text) => string(out, text),
        Value::Time(nanoseconds) => {
            out.push(b'"');
            clock.time(out, nanoseconds);
            out.push(b'"');
        }
        Value::Address(address) => {
            out.push(b'"');
            cells::address(out, address);
            out.push(b'"');
        }
        Value::Texts(texts) => list(out, b"[]", texts, |out, text| string(out, text)),
        Value::Integers(numbers) => list(out, b"[]", numbers, |out, number| cells::integer(out, *number)),
        Value::Map(pairs) => list(out, b"{}", pairs, |out, (name, text)| {
            string(out, name);
            out.push(b':');
            string(out, text);
        }),
        Value::Stamps(stamps) => list(out, b"[]", stamps, |out, (name, at)| {
            out.extend_from_slice(b"{\"name\":");
            string(out, name);
            out.extend_from_slice(b",\"at_ns\":");
            cells::integer(out, *at);
            out.push(b'}');
        }),
    }
}

/// Appends `items` between `brackets`, separated by commas.
pub(crate) fn list<T>(
    out: &mut Vec<u8>,
    brackets: &[u8; 2],
    items: &[T],
    mut item: impl FnMut(&mut Vec<u8>, &T),
) {
    out.push(brackets[0]);
    for (index, each) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        item(out, each);
    }
    out.push(brackets[1]);
}

/// Appends a JSON string (RFC 8259, section 7): runs that need no escape are copied whole.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(place) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
        out.extend_from_slice(&rest[..place]);
        escape(out, rest[place]);
        rest = &rest[place + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

#[cold]
fn escape(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            out.extend_from_slice(b"\\u00");
            return out.extend([byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]));
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Sample, SampleRow, any_sample, any_text, file, small};
    use jiff::Timestamp;
    use plumb_records::column::Shown;
    use proptest::prelude::*;
    use serde_json::{Value as Parsed, json};

    fn lines(rows: &[SampleRow]) -> Vec<Parsed> {
        let text = String::from_utf8(file(Json::default(), rows)).unwrap();
        assert_eq!(text.matches('\n').count(), rows.len(), "a record is one line");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn expected(sample: &Sample) -> Parsed {
        let time = |nanoseconds: u64| Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap();
        json!({
            "record": "sample",
            "time": sample.time.map(|at| format!("{:.9}", time(at.0))),
            "name": sample.name,
            "address": sample.address.map(|address| address.to_string()),
            "port": sample.port,
            "packets": sample.packets,
            "size_bytes": sample.size_bytes,
            "took_ns": sample.took_ns,
            "offset_ns": sample.offset_ns,
            "packets_per_s": sample.packets_per_s,
            "flag": sample.flag,
            "stack": sample.stack,
            "gaps_us": sample.gaps_us,
            "span_us": sample.span_us,
            "mean": sample.mean,
            "hooks": sample.hooks.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        })
    }

    proptest! {
        #[test]
        fn records_read_back(samples in proptest::collection::vec(any_sample(), 1..4)) {
            let rows: Vec<SampleRow> = samples.iter().cloned().map(SampleRow::from).collect();
            for (line, sample) in lines(&rows).iter().zip(&samples) {
                prop_assert_eq!(line, &expected(sample));
            }
        }

        #[test]
        fn strings_read_back(text in any_text()) {
            let mut out = Vec::new();
            string(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn one_line() {
        let line = String::from_utf8(file(Json::default(), &[small().into()])).unwrap();
        assert_eq!(
            line,
            concat!(
                r#"{"record":"sample","time":"1970-01-01T00:00:01.500000000Z","name":"say \"hi\"","#,
                r#""address":"192.0.2.7","port":null,"packets":3,"size_bytes":0,"took_ns":0,"offset_ns":0,"#,
                r#""packets_per_s":0.5,"flag":null,"stack":["a+0x1","b"],"gaps_us":[1,-2],"#,
                r#""span_us":null,"mean":null,"hooks":{}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn shows_what_the_row_shows() {
        let shown = Shown::pick(Sample::COLUMNS, |name| name == "port" || name == "packets");
        let row = SampleRow { shown, ..small().into() };
        assert_eq!(file(Json::default(), &[row]), b"{\"record\":\"sample\",\"port\":null,\"packets\":3}\n");
    }

    #[test]
    fn no_text_for_infinity() {
        for real in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let row = Sample { packets_per_s: Some(real), mean: Some(real), ..small() }.into();
            let line = lines(&[row]).remove(0);
            assert_eq!((&line["packets_per_s"], &line["mean"]), (&Parsed::Null, &Parsed::Null));
            let mut out = Vec::new();
            value(&mut out, &mut Clock::default(), Value::Real(real));
            assert_eq!(out, b"null", "whoever made the cell");
        }
    }
}
