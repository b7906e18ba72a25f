//! Comma-separated values as RFC 4180 has them: a header line, CRLF line ends, quotes where they are needed.
//!
//! A file holds one record kind; rows of other kinds (`session`, `ledger`) are left out, for their columns are
//! others. Null is an empty field and an empty text `""`. Lists are joined by `;`, pairs written `name=text`.

use crate::Encode;
use crate::cells::{self, Clock};
use crate::format::Layout;
use plumb_records::column::{Row, Shown, Value};

/// The CSV format for one record kind.
#[derive(Debug)]
pub struct Csv {
    layout: Layout,
    clock: Clock,
    field: Vec<u8>,
}

impl Csv {
    /// For files that hold records of one kind, with the columns that are shown.
    pub fn new(layout: Layout) -> Self {
        Self { layout, clock: Clock::default(), field: Vec::new() }
    }

    fn field(&mut self, out: &mut Vec<u8>, value: Value<'_>) {
        match value {
            Value::Text(text) => quoted(out, text.as_bytes()),
            Value::Texts(_) | Value::Integers(_) | Value::Map(_) | Value::Stamps(_) => {
                self.field.clear();
                cells::plain(&mut self.field, &mut self.clock, value);
                quoted(out, &self.field);
            }
            // Digits, signs, colons and letters need no quotes.
            _ => cells::plain(out, &mut self.clock, value),
        }
    }
}

impl Encode for Csv {
    /// The header is there before the first record, so that a file without any has its columns.
    fn begin(&mut self, out: &mut Vec<u8>) {
        let Layout { columns, shown, .. } = self.layout;
        for (_, column) in columns.iter().enumerate().filter(|(index, _)| shown.has(*index)) {
            quoted(out, column.name.as_bytes());
            out.push(b',');
        }
        end_line(out);
    }

    fn encode(&mut self, row: &dyn Row, out: &mut Vec<u8>) -> bool {
        let Layout { record, columns, shown } = self.layout;
        if row.record() != record {
            return false;
        }
        let mut next = 0;
        row.walk(&mut |index, value| {
            if shown.has(index) {
                empty_fields(out, shown, next..index);
                self.field(out, value);
                out.push(b',');
                next = index + 1;
            }
        });
        empty_fields(out, shown, next..columns.len());
        end_line(out);
        true
    }
}

/// Fields of columns that the header has and this row does not show.
fn empty_fields(out: &mut Vec<u8>, header: Shown, columns: std::ops::Range<usize>) {
    out.extend(columns.filter(|index| header.has(*index)).map(|_| b','));
}

/// Puts a line end in the place of the comma after the last field.
fn end_line(out: &mut Vec<u8>) {
    out.pop();
    out.extend_from_slice(b"\r\n");
}

fn quoted(out: &mut Vec<u8>, text: &[u8]) {
    if !text.is_empty() && !text.iter().any(|byte| matches!(byte, b'"' | b',' | b'\r' | b'\n')) {
        return out.extend_from_slice(text);
    }
    out.push(b'"');
    for &byte in text {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Sample, SampleRow, any_sample, file, small};
    use plumb_records::ledger::Ledger;
    use proptest::prelude::*;

    const SAMPLE: Layout = Layout { record: "sample", columns: Sample::COLUMNS, shown: Shown::ALL };

    fn parsed(bytes: &[u8]) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes);
        reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    proptest! {
        #[test]
        fn records_read_back(samples in proptest::collection::vec(any_sample(), 1..4)) {
            let rows: Vec<SampleRow> = samples.iter().cloned().map(SampleRow::from).collect();
            let read = parsed(&file(Csv::new(SAMPLE), &rows));
            prop_assert_eq!(read.len(), rows.len() + 1);
            for (line, sample) in read[1..].iter().zip(samples) {
                prop_assert_eq!(line.len(), Sample::COLUMNS.len());
                prop_assert_eq!(&line[1], &sample.name.unwrap_or_default());
                prop_assert_eq!(&line[2], &sample.address.map(|ip| ip.to_string()).unwrap_or_default());
                prop_assert_eq!(&line[4], &sample.packets.to_string());
                prop_assert_eq!(&line[7], &sample.offset_ns.to_string());
                prop_assert_eq!(&line[10], &sample.stack.unwrap_or_default().join(";"));
                let gaps = sample.gaps_us.unwrap_or_default().iter().map(i64::to_string).collect::<Vec<_>>();
                prop_assert_eq!(&line[11], &gaps.join(";"));
            }
        }
    }

    #[test]
    fn header_and_line() {
        let sample = Sample {
            hooks: vec![("a".to_owned(), "x,y".to_owned()), ("b".to_owned(), "z".to_owned())],
            ..small()
        };
        let text = String::from_utf8(file(Csv::new(SAMPLE), &[sample.into()])).unwrap();
        assert_eq!(
            text,
            "time,name,address,port,packets,size_bytes,took_ns,offset_ns,packets_per_s,flag,stack,gaps_us,span_us,mean,hooks\r\n\
             1970-01-01T00:00:01.500000000Z,\"say \"\"hi\"\"\",192.0.2.7,,3,0,0,0,0.5,,a+0x1;b,1;-2,,,\"a=x,y;b=z\"\r\n"
        );
    }

    #[test]
    fn null_is_not_an_empty_text() {
        let shown = Shown::pick(Sample::COLUMNS, |name| name == "name" || name == "packets");
        let row = |name: Option<&str>| SampleRow {
            shown,
            ..Sample { name: name.map(str::to_owned), ..Sample::default() }.into()
        };
        let text = file(Csv::new(Layout { shown, ..SAMPLE }), &[row(None), row(Some(""))]);
        assert_eq!(text, b"name,packets\r\n,0\r\n\"\",0\r\n");
    }

    #[test]
    fn one_kind_and_the_headers_columns() {
        let pick = |keep: &[&str]| Shown::pick(Sample::COLUMNS, |name| keep.contains(&name));
        let shown = pick(&["name", "packets", "flag"]);
        let mut format = Csv::new(Layout { shown, ..SAMPLE });
        let mut out = Vec::new();
        format.begin(&mut out);
        assert_eq!(out, b"name,packets,flag\r\n", "a file without records has its columns");
        assert!(!format.encode(&Ledger::default(), &mut out), "another kind has no place here");
        let first = SampleRow { shown, ..small().into() };
        let second = SampleRow { shown: pick(&["address", "packets"]), ..small().into() };
        out.clear();
        assert!(format.encode(&first, &mut out) && format.encode(&second, &mut out));
        assert_eq!(out, b"\"say \"\"hi\"\"\",3,\r\n,3,\r\n");
        out.clear();
        format.begin(&mut out);
        assert_eq!(out, b"name,packets,flag\r\n", "a new file has its own header");
    }
}
