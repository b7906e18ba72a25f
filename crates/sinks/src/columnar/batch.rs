//! Rows into record batches.

use super::schema::{self, UTC, element};
use crate::cells;
use crate::format::Layout;
use crate::json;
use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use plumb_records::column::{Kind, Row, Value};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// When rows become a batch: at so many of them, or once the first has waited so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Rows.
    pub rows: usize,
    /// The age of the first.
    pub age: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { rows: 8192, age: Duration::from_secs(1) }
    }
}

/// Texts of one batch may have so many bytes: a batch ends at them too.
const MOST_TEXT: usize = 16 << 20;

/// Collects rows of one kind.
#[derive(Debug)]
pub struct Rows {
    layout: Layout,
    schema: SchemaRef,
    policy: Policy,
    /// One for each column that is shown.
    cells: Vec<Option<Cells>>,
    rows: usize,
    begun: Option<Instant>,
    bytes: usize,
    misfits: u64,
    scratch: Vec<u8>,
}

impl Rows {
    /// For rows of `layout`.
    pub fn new(layout: Layout, policy: Policy) -> Self {
        let columns = layout.columns.iter().enumerate();
        let cells = columns.map(|(index, column)| layout.shown.has(index).then(|| Cells::new(column.kind)));
        Self {
            schema: Arc::new(schema::schema(layout)),
            cells: cells.collect(),
            layout,
            policy,
            rows: 0,
            begun: None,
            bytes: 0,
            misfits: 0,
            scratch: Vec::new(),
        }
    }

    /// The schema of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Appends a row; false for one of another kind. What it does not show is null.
    pub fn push(&mut self, row: &dyn Row) -> bool {
        if row.record() != self.layout.record {
            return false;
        }
        let Self { cells, misfits, bytes, scratch, .. } = self;
        let mut next = 0;
        row.walk(&mut |index, value| {
            let Some((before, rest)) = cells.get_mut(next..).and_then(|rest| {
                let place = index.checked_sub(next).filter(|place| *place < rest.len())?;
                Some(rest.split_at_mut(place))
            }) else {
                return;
            };
            before.iter_mut().flatten().for_each(Cells::null);
            if let Some(cells) = rest.first_mut().and_then(Option::as_mut)
                && !cells.push(value, scratch, bytes)
            {
                *misfits += 1;
            }
            next = index + 1;
        });
        cells.iter_mut().skip(next).flatten().for_each(Cells::null);
        self.rows += 1;
        self.begun.get_or_insert_with(Instant::now);
        true
    }

    /// Rows that are not in a batch yet.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Whether the next row should find these in a batch.
    pub fn is_full(&self) -> bool {
        self.rows >= self.policy.rows || self.bytes >= MOST_TEXT
    }

    /// Whether the first row has waited long enough.
    pub fn is_due(&self) -> bool {
        self.is_full() || self.begun.is_some_and(|begun| begun.elapsed() >= self.policy.age)
    }

    /// About how many bytes the rows have.
    pub fn bytes(&self) -> usize {
        self.bytes + self.rows * self.schema.fields().len() * 8
    }

    /// Cells so far that are null because their column has no place for the value: an unsigned number beyond the largest
    /// 64-bit signed one, or a value of another kind.
    pub fn misfits(&self) -> u64 {
        self.misfits
    }

    /// The rows so far, which are then gone from here.
    ///
    /// # Errors
    /// None that rows can cause.
    pub fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        (self.rows, self.begun, self.bytes) = (0, None, 0);
        let mut arrays = Vec::with_capacity(self.schema.fields().len());
        self.cells.iter_mut().flatten().for_each(|cells| cells.finish(&mut arrays));
        RecordBatch::try_new(self.schema.clone(), arrays)
    }
}

/// The cells of one column.
#[derive(Debug)]
enum Cells {
    Time(TimestampMicrosecondBuilder, Int64Builder),
    Integer(Int64Builder),
    Real(Float64Builder),
    Truth(BooleanBuilder),
    Text(StringBuilder),
    Json(StringBuilder),
    Texts(ListBuilder<StringBuilder>),
    Integers(ListBuilder<Int64Builder>),
}

impl Cells {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Time => {
                Self::Time(TimestampMicrosecondBuilder::new().with_timezone(UTC), Int64Builder::new())
            }
            Kind::Nanoseconds | Kind::Microseconds | Kind::Bytes | Kind::Count | Kind::Id => {
                Self::Integer(Int64Builder::new())
            }
            Kind::Rate | Kind::Real => Self::Real(Float64Builder::new()),
            Kind::Bool => Self::Truth(BooleanBuilder::new()),
            Kind::Text | Kind::Address => Self::Text(StringBuilder::new()),
            Kind::Map | Kind::Stamps => Self::Json(StringBuilder::new()),
            Kind::Texts => {
                Self::Texts(ListBuilder::new(StringBuilder::new()).with_field(element(DataType::Utf8)))
            }
            Kind::Integers => {
                Self::Integers(ListBuilder::new(Int64Builder::new()).with_field(element(DataType::Int64)))
            }
        }
    }

    /// False where the value has no place here: the cell is null.
    fn push(&mut self, value: Value<'_>, scratch: &mut Vec<u8>, bytes: &mut usize) -> bool {
        match (self, value) {
            (cells, Value::Null) => cells.null(),
            (Self::Time(micros, nanos), Value::Time(at)) => {
                // 2^64 ns are fewer microseconds than 2^63.
                micros.append_option(i64::try_from(at / 1000).ok());
                nanos.append_option(i64::try_from(at).ok());
                return i64::try_from(at).is_ok();
            }
            (Self::Integer(cells), Value::Number(number)) => {
                cells.append_option(i64::try_from(number).ok());
                return i64::try_from(number).is_ok();
            }
            (Self::Integer(cells), Value::Signed(number)) => cells.append_value(number),
            (Self::Real(cells), Value::Real(number)) => {
                cells.append_option(Some(number).filter(|number| number.is_finite()));
            }
            #[allow(clippy::cast_precision_loss, reason = "a number with a fraction has 53 bits everywhere")]
            (Self::Real(cells), Value::Number(number)) => cells.append_value(number as f64),
            #[allow(clippy::cast_precision_loss, reason = "as above")]
            (Self::Real(cells), Value::Signed(number)) => cells.append_value(number as f64),
            (Self::Truth(cells), Value::Bool(truth)) => cells.append_value(truth),
            (Self::Text(cells), Value::Text(text)) => {
                *bytes += text.len();
                cells.append_value(text);
            }
            (Self::Text(cells), Value::Address(address)) => {
                written(cells, scratch, bytes, |out| cells::address(out, address));
            }
            (Self::Json(cells), Value::Map(_) | Value::Stamps(_)) => {
                written(cells, scratch, bytes, |out| json::value(out, &mut cells::Clock::default(), value));
            }
            (Self::Texts(cells), Value::Texts(texts)) => {
                for text in texts {
                    *bytes += text.len();
                    cells.values().append_value(text);
                }
                cells.append(true);
            }
            (Self::Integers(cells), Value::Integers(numbers)) => {
                *bytes += size_of_val(numbers);
                cells.values().append_slice(numbers);
                cells.append(true);
            }
            (cells, _) => {
                cells.null();
                return false;
            }
        }
        true
    }

    fn null(&mut self) {
        match self {
            Self::Time(micros, nanos) => {
                micros.append_null();
                nanos.append_null();
            }
            Self::Integer(cells) => cells.append_null(),
            Self::Real(cells) => cells.append_null(),
            Self::Truth(cells) => cells.append_null(),
            Self::Text(cells) | Self::Json(cells) => cells.append_null(),
            Self::Texts(cells) => cells.append(false),
            Self::Integers(cells) => cells.append(false),
        }
    }

    fn finish(&mut self, arrays: &mut Vec<ArrayRef>) {
        match self {
            Self::Time(micros, nanos) => {
                arrays.push(Arc::new(micros.finish()));
                arrays.push(Arc::new(nanos.finish()));
            }
            Self::Integer(cells) => arrays.push(ArrayBuilder::finish(cells)),
            Self::Real(cells) => arrays.push(ArrayBuilder::finish(cells)),
            Self::Truth(cells) => arrays.push(ArrayBuilder::finish(cells)),
            Self::Text(cells) | Self::Json(cells) => arrays.push(ArrayBuilder::finish(cells)),
            Self::Texts(cells) => arrays.push(ArrayBuilder::finish(cells)),
            Self::Integers(cells) => arrays.push(ArrayBuilder::finish(cells)),
        }
    }
}

/// Appends what `write` writes, which is UTF-8.
fn written(
    cells: &mut StringBuilder,
    scratch: &mut Vec<u8>,
    bytes: &mut usize,
    write: impl FnOnce(&mut Vec<u8>),
) {
    scratch.clear();
    write(scratch);
    *bytes += scratch.len();
    cells.append_option(std::str::from_utf8(scratch).ok());
}
