//! Every record's columns, for people, for the documentation and for programs.

use crate::json;
use crate::text::Style;
use crate::text::table::{Head, Table};
use plumb_records::column::{Column, Kind};

/// Record kinds with their columns: [`plumb_records::RECORDS`] or a part of it.
pub type Records<'a> = &'a [(&'a str, &'a [Column])];

/// Tables for a terminal.
pub fn text(records: Records<'_>, style: Style) -> String {
    let mut out = String::new();
    for (record, columns) in records {
        let mut table = Table::new([
            Head::text(""),
            Head::text("column"),
            Head::text("type"),
            Head::text("unit"),
            Head::text("meaning"),
        ]);
        for column in *columns {
            table.row(["", column.name, json_type(column.kind), column.kind.unit(), column.help]);
        }
        out.push_str(if out.is_empty() { "" } else { "\n" });
        style.paint(&mut out, record, crate::text::Ink::Strong);
        out.push('\n');
        out.push_str(&table.render(None, style));
    }
    out
}

/// A section with a table for each record.
pub fn markdown(records: Records<'_>) -> String {
    let mut out = String::new();
    for (record, columns) in records {
        out.push_str(if out.is_empty() { "" } else { "\n" });
        out.extend(["## `", record, "`\n\n| column | type | unit | meaning |\n|---|---|---|---|\n"]);
        for column in *columns {
            let help = column.help.replace('|', "\\|");
            out.extend(["| `", column.name, "` | ", json_type(column.kind), " | ", column.kind.unit()]);
            out.extend([" | ", &help, " |\n"]);
        }
    }
    out
}

/// An array with one object for each record; a column without a unit has the unit null.
pub fn json(records: Records<'_>) -> String {
    let mut out = Vec::new();
    let object = |out: &mut Vec<u8>, column: &Column| {
        let unit = Some(column.kind.unit()).filter(|unit| !unit.is_empty());
        let fields = [
            ("name", Some(column.name)),
            ("type", Some(json_type(column.kind))),
            ("unit", unit),
            ("help", Some(column.help)),
        ];
        json::list(out, b"{}", &fields, |out, (name, text)| {
            json::string(out, name);
            out.push(b':');
            match text {
                Some(text) => json::string(out, text),
                None => out.extend_from_slice(b"null"),
            }
        });
    };
    json::list(&mut out, b"[]", records, |out, (record, columns)| {
        out.extend_from_slice(b"\n{\"record\":");
        json::string(out, record);
        out.extend_from_slice(b",\"columns\":");
        json::list(out, b"[]", columns, |out, column| {
            out.extend_from_slice(b"\n  ");
            object(out, column);
        });
        out.push(b'}');
    });
    out.push(b'\n');
    String::from_utf8_lossy(&out).into_owned()
}

/// What a value is in JSON where it is not null.
fn json_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Time | Kind::Text | Kind::Address => "string",
        Kind::Nanoseconds | Kind::Microseconds | Kind::Bytes | Kind::Count | Kind::Id => "integer",
        Kind::Rate | Kind::Real => "number",
        Kind::Bool => "boolean",
        Kind::Texts => "array of strings",
        Kind::Integers => "array of integers",
        Kind::Map => "object of strings",
        Kind::Stamps => "array of objects with name and at_ns",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Sample;
    use plumb_records::RECORDS;
    use serde_json::Value;

    const SAMPLE: (&str, &[Column]) = ("sample", Sample::COLUMNS.split_at(2).0);

    #[test]
    fn for_a_terminal() {
        let expected = "\
sample
  column  type    unit          meaning
  time    string  RFC 3339 UTC  when
  name    string                a | name
";
        assert_eq!(text(&[SAMPLE], Style::default()), expected);
        assert_eq!(text(&[SAMPLE, SAMPLE], Style::default()), format!("{expected}\n{expected}"));
    }

    #[test]
    fn for_the_documentation() {
        let expected = "\
## `sample`

| column | type | unit | meaning |
|---|---|---|---|
| `time` | string | RFC 3339 UTC | when |
| `name` | string |  | a \\| name |
";
        assert_eq!(markdown(&[SAMPLE]), expected);
    }

    #[test]
    fn for_programs() {
        let expected = r#"[
{"record":"sample","columns":[
  {"name":"time","type":"string","unit":"RFC 3339 UTC","help":"when"},
  {"name":"name","type":"string","unit":null,"help":"a | name"}]}]
"#;
        assert_eq!(json(&[SAMPLE]), expected);
        let all: Value = serde_json::from_str(&json(RECORDS)).unwrap();
        for (parsed, (record, columns)) in all.as_array().unwrap().iter().zip(RECORDS) {
            assert_eq!(parsed["record"], *record);
            assert_eq!(parsed["columns"].as_array().unwrap().len(), columns.len());
        }
    }
}
