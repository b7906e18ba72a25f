//! The Arrow schema of a record kind, from its columns alone.

use super::SCHEMA_VERSION;
use crate::format::Layout;
use arrow_schema::{DataType, Field, Fields, Metadata, Schema, TimeUnit};
use plumb_records::column::{Column, Kind};
use std::sync::Arc;

/// The time zone of every time.
pub(super) const UTC: &str = "UTC";

/// The schema of the columns that `layout` shows, in their order. Every field may be null.
///
/// A time is two fields: its own name with microseconds, which every reader knows, and the name with `_ns`, the same
/// moment in nanoseconds since the Unix epoch. A map and a list of stamps are JSON in a text. A field's metadata has
/// `help` and, where there is one, `unit`; the schema's has `plumb.record` and `plumb.schema_version`.
pub fn schema(layout: Layout) -> Schema {
    let shown = layout.columns.iter().enumerate().filter(|(index, _)| layout.shown.has(*index));
    let fields: Fields = shown.flat_map(|(_, column)| fields(column)).collect();
    let version = SCHEMA_VERSION.to_string();
    let metadata = [("plumb.record", layout.record), ("plumb.schema_version", &version)];
    Schema::new_with_metadata(fields, Metadata::from(metadata))
}

fn fields(column: &Column) -> Vec<Field> {
    let named = |name: &str, kind: DataType, unit: &str| {
        let mut metadata = Metadata::from([("help", column.help)]);
        if !unit.is_empty() {
            metadata.insert("unit", unit);
        }
        Field::new(name, kind, true).with_metadata(metadata)
    };
    match column.kind {
        Kind::Time => vec![
            named(column.name, DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())), ""),
            named(&format!("{}_ns", column.name), DataType::Int64, "ns"),
        ],
        kind => vec![named(column.name, data_type(kind), kind.unit())],
    }
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Time | Kind::Nanoseconds | Kind::Microseconds | Kind::Bytes | Kind::Count | Kind::Id => {
            DataType::Int64
        }
        Kind::Rate | Kind::Real => DataType::Float64,
        Kind::Bool => DataType::Boolean,
        Kind::Text | Kind::Address | Kind::Map | Kind::Stamps => DataType::Utf8,
        Kind::Texts => DataType::List(element(DataType::Utf8)),
        Kind::Integers => DataType::List(element(DataType::Int64)),
    }
}

/// What a list holds, under the name that the Parquet format gives it.
pub(super) fn element(kind: DataType) -> Arc<Field> {
    Arc::new(Field::new("element", kind, true))
}
