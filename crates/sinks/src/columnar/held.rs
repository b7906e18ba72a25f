//! The part that the columnar formats share: rows wait for their batch, and other records become metadata.

use super::batch::{Policy, Rows};
use crate::Encode;
use crate::format::Layout;
use crate::json::Json;
use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use plumb_records::column::Row;
use std::io;

/// A file format that holds record batches.
pub(super) trait Container: Send + Sized {
    /// Whether a file is of use only with what stands at its end.
    const SEALED: bool;
    /// Begins a file.
    fn open(schema: SchemaRef) -> io::Result<Self>;
    /// Takes a batch.
    fn write(&mut self, batch: &RecordBatch) -> io::Result<()>;
    /// Writes what it can before the end.
    fn settle(&mut self) -> io::Result<()>;
    /// Moves what is written to the end of `out`.
    fn drain(&mut self, out: &mut Vec<u8>) -> io::Result<()>;
    /// About how many bytes are still to come.
    fn pending(&self) -> u64;
    /// Writes what stands at the end, with metadata as far as there is a place for it.
    fn end(&mut self, about: &[(String, String)]) -> io::Result<()>;
}

/// A format made of batches.
pub(super) struct Held<C> {
    rows: Rows,
    container: Option<C>,
    about: About,
    broken: Option<io::Error>,
}

/// The last record of each kind that a file has no column for, as JSON: metadata.
#[derive(Clone, Debug, Default)]
pub struct About(Vec<(String, String)>);

impl About {
    /// Keeps a record in the place of an earlier one of its kind.
    pub fn keep(&mut self, row: &dyn Row) {
        let key = format!("plumb.{}", row.record());
        let mut text = Vec::new();
        Json::default().encode(row, &mut text);
        text.pop();
        let text = String::from_utf8_lossy(&text).into_owned();
        match self.0.iter_mut().find(|(kind, _)| *kind == key) {
            Some((_, kept)) => *kept = text,
            None => self.0.push((key, text)),
        }
    }

    /// Keys and texts.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The schema with these in its metadata.
    pub fn in_schema(&self, schema: &SchemaRef) -> SchemaRef {
        let mut metadata = schema.metadata().clone();
        metadata.extend(self.0.iter().cloned());
        Schema::new_with_metadata(schema.fields().clone(), metadata).into()
    }
}

impl<C: Container> Held<C> {
    pub(super) fn new(layout: Layout, policy: Policy, about: About) -> Self {
        Self { rows: Rows::new(layout, policy), container: None, about, broken: None }
    }

    /// The open file. What stands at its beginning is written as late as can be: by then the first record of all, which
    /// says what the run is, has come.
    fn container(&mut self) -> io::Result<&mut C> {
        if self.container.is_none() {
            let schema = self.about.in_schema(self.rows.schema());
            self.container = Some(C::open(schema)?);
        }
        self.container.as_mut().ok_or_else(|| io::ErrorKind::Other.into())
    }

    fn batch(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        if !self.rows.is_empty() {
            let batch = self.rows.take().map_err(io::Error::other)?;
            self.container()?.write(&batch)?;
        }
        self.container()?.drain(out)
    }
}

impl<C: Container> Encode for Held<C> {
    fn begin(&mut self, _: &mut Vec<u8>) {
        self.container = None;
    }

    fn encode(&mut self, row: &dyn Row, out: &mut Vec<u8>) -> bool {
        if !self.rows.push(row) {
            self.about.keep(row);
            return false;
        }
        if self.rows.is_full()
            && self.broken.is_none()
            && let Err(error) = self.batch(out)
        {
            self.broken = Some(error);
        }
        true
    }

    fn sealed(&self) -> bool {
        C::SEALED
    }

    fn held(&self) -> Option<u64> {
        let pending = self.container.as_ref().map_or(0, C::pending);
        Some(pending + self.rows.bytes() as u64)
    }

    fn flush(&mut self, all: bool, out: &mut Vec<u8>) -> io::Result<()> {
        self.broken.take().map_or(Ok(()), Err)?;
        if all || self.rows.is_due() || self.container.is_none() {
            self.batch(out)?;
        }
        if all {
            let container = self.container()?;
            container.settle()?;
            container.drain(out)?;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.flush(false, out)?;
        self.batch(out)?;
        let mut about = self.about.pairs().to_vec();
        about.push(("plumb.cells_without_place".to_owned(), self.rows.misfits().to_string()));
        let container = self.container()?;
        container.end(&about)?;
        container.drain(out)
    }
}
