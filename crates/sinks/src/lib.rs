//! One file per output format. A sink walks columns and never names a record kind.
//!
//! A format is an [`Encode`]: rows in, bytes out, no I/O. [`output::Output`] joins one to a file or to standard
//! output and keeps the account of what was written and lost. Text for people is composed by the commands from the
//! parts in [`text`].

mod cells;
pub mod csv;
pub mod format;
pub mod json;
pub mod output;
mod page_cache;
pub mod pcapng;
pub mod rotate;
pub mod schema;
mod spool;
pub mod stream;
#[cfg(test)]
mod testing;
pub mod text;

use plumb_records::column::Row;

/// A format: turns rows into the bytes of a file.
pub trait Encode: Send {
    /// Starts a new file: appends what stands before its first record and forgets what was said in the last one.
    fn begin(&mut self, out: &mut Vec<u8>);
    /// Appends one record, whole. False, and nothing appended, where the format has no place for this row.
    fn encode(&mut self, row: &dyn Row, out: &mut Vec<u8>) -> bool;
}
