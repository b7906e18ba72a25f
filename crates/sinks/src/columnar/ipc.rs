//! Arrow's own format: as a stream, whose batches can be read while it grows, and as a file with an index at its end.

use super::batch::Policy;
use super::held::{About, Container, Held};
use crate::Encode;
use crate::format::Layout;
use arrow_array::RecordBatch;
use arrow_ipc::writer::{FileWriter, StreamWriter};
use arrow_schema::{ArrowError, SchemaRef};
use std::io;

/// The encoder of a stream (`.arrows`, standard output): batches follow each other, at least every second.
pub fn stream(layout: Layout) -> Box<dyn Encode> {
    Box::new(Held::<Stream>::new(layout, Policy::default(), About::default()))
}

/// The encoder of a file (`.arrow`, also known as Feather 2).
pub fn file(layout: Layout) -> Box<dyn Encode> {
    Box::new(Held::<File>::new(layout, Policy::default(), About::default()))
}

struct Stream(StreamWriter<Vec<u8>>);

impl Container for Stream {
    const SEALED: bool = false;

    fn open(schema: SchemaRef) -> io::Result<Self> {
        Ok(Self(StreamWriter::try_new(Vec::new(), &schema).map_err(told)?))
    }

    fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        self.0.write(batch).map_err(told)
    }

    fn settle(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn drain(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        out.append(self.0.get_mut());
        Ok(())
    }

    fn pending(&self) -> u64 {
        0
    }

    /// A stream has no place for metadata after its schema.
    fn end(&mut self, _: &[(String, String)]) -> io::Result<()> {
        self.0.finish().map_err(told)
    }
}

struct File(FileWriter<Vec<u8>>);

impl Container for File {
    const SEALED: bool = true;

    fn open(schema: SchemaRef) -> io::Result<Self> {
        Ok(Self(FileWriter::try_new(Vec::new(), &schema).map_err(told)?))
    }

    fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        self.0.write(batch).map_err(told)
    }

    fn settle(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn drain(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        out.append(self.0.get_mut());
        Ok(())
    }

    fn pending(&self) -> u64 {
        0
    }

    fn end(&mut self, about: &[(String, String)]) -> io::Result<()> {
        for (key, text) in about {
            self.0.write_metadata(key, text);
        }
        self.0.finish().map_err(told)
    }
}

/// What went wrong, of the kind that it is.
pub(super) fn told(error: ArrowError) -> io::Error {
    match error {
        ArrowError::IoError(_, error) => error,
        error => io::Error::other(error),
    }
}
