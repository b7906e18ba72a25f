//! One file per output format. A sink walks columns and never names a record kind.

use plumb_records::column::Row;
use std::io;

/// Where records go.
pub trait Sink {
    /// Writes one record. An error means that this record is not in the output.
    fn write(&mut self, row: &dyn Row) -> io::Result<()>;
    /// Makes everything written so far visible to a reader of the output.
    fn flush(&mut self) -> io::Result<()>;
}
