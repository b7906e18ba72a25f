//! One file per output format. A sink walks columns and never names a record kind.
//!
//! A format is an [`Encode`]: rows in, bytes out, no I/O. [`output::Output`] joins one to a file or to standard
//! output and keeps the account of what was written and lost. Text for people is composed by the commands from the
//! parts in [`text`].

mod cells;
#[cfg(feature = "columnar")]
pub mod columnar;
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
mod temporary;
#[cfg(test)]
mod testing;
pub mod text;

use output::{Failure, Weight};
use plumb_records::column::Row;
use std::io;

/// A format: turns rows into the bytes of a file.
pub trait Encode: Send {
    /// Starts a new file: appends what stands before its first record and forgets what was said in the last one.
    fn begin(&mut self, out: &mut Vec<u8>);
    /// Appends one record, whole, or holds it back: then what is appended next has it and all before it. False, and
    /// nothing appended, where the format has no place for this row.
    fn encode(&mut self, row: &dyn Row, out: &mut Vec<u8>) -> bool;
    /// Whether a file is of use only once its end is written.
    fn sealed(&self) -> bool {
        false
    }
    /// About how many bytes are still to come for the records that were given; `None` where none is ever held back.
    fn held(&self) -> Option<u64> {
        None
    }
    /// Appends the records that were held back long enough, or `all`.
    fn flush(&mut self, all: bool, out: &mut Vec<u8>) -> io::Result<()> {
        let _ = (all, out);
        Ok(())
    }
    /// Appends all that is held back and what stands after a file's last record.
    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let _ = out;
        Ok(())
    }
}

/// Where records go: a file, standard output, a directory, clients. After an error it takes no more, and counts what it
/// does not take.
pub trait Sink: Send {
    /// Writes a record. An error means that it is not in the output; one that the format has no place for counts as lost.
    fn write(&mut self, row: &dyn Row, weight: Weight) -> io::Result<()>;
    /// Makes what was written visible to readers, as far as the format allows it now.
    fn flush(&mut self) -> io::Result<()>;
    /// Writes all that can be written before the end, so that [`Sink::lost`] says what is lost. No record should follow
    /// but the last ones about the run.
    fn settle(&mut self) -> io::Result<()>;
    /// Ends the output: it is whole then. To be called once; a sink that is dropped tries the same.
    fn close(&mut self) -> io::Result<()>;
    /// Whether it is of use only once it is closed: then all of it may be lost as late as that.
    fn sealed(&self) -> bool {
        false
    }
    /// What a failed write left out, and what came after it.
    fn lost(&self) -> Weight;
    /// Why nothing more is written, with the counts so far.
    fn failure(&self) -> Option<Failure>;
    /// What people should know at the end, a sentence each, such as what a slow client missed.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}
