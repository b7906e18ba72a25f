//! Parquet files: ZSTD, one record kind, the account of the run in the key-value metadata.

use super::batch::Policy;
use super::held::{About, Container, Held};
use crate::Encode;
use crate::format::Layout;
use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use std::io;

/// A row group is written when its rows need so much memory, compressed for the most part.
const ROW_GROUP: usize = 16 << 20;
const ZSTD: i32 = 3;

/// The encoder for records of `layout`; `about` is what is known already for the metadata.
pub fn encoder(layout: Layout, about: About) -> Box<dyn Encode> {
    Box::new(Held::<Parquet>::new(layout, Policy::default(), about))
}

struct Parquet(ArrowWriter<Vec<u8>>);

impl Container for Parquet {
    const SEALED: bool = true;

    fn open(schema: SchemaRef) -> io::Result<Self> {
        let zstd = Compression::ZSTD(ZstdLevel::try_new(ZSTD)?);
        // What came by now comes again at the end, in its latest form: a file says it once.
        let own = schema.metadata().iter().filter(|(key, _)| is_constant(key));
        let own: Vec<KeyValue> = own.map(|(key, text)| KeyValue::new(key.clone(), text.clone())).collect();
        let properties = WriterProperties::builder()
            .set_compression(zstd)
            .set_created_by(concat!("plumb version ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_key_value_metadata(Some(own))
            .build();
        let options = ArrowWriterOptions::new().with_properties(properties);
        let fields = Schema::new(schema.fields().clone());
        Ok(Self(ArrowWriter::try_new_with_options(Vec::new(), fields.into(), options)?))
    }

    fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        self.0.write(batch)?;
        if self.0.memory_size() >= ROW_GROUP { self.settle() } else { Ok(()) }
    }

    fn settle(&mut self) -> io::Result<()> {
        Ok(self.0.flush()?)
    }

    fn drain(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.0.sync()?;
        out.append(self.0.inner_mut());
        Ok(())
    }

    fn pending(&self) -> u64 {
        self.0.in_progress_size() as u64
    }

    fn end(&mut self, about: &[(String, String)]) -> io::Result<()> {
        for (key, text) in about {
            self.0.append_key_value_metadata(KeyValue::new(key.clone(), text.clone()));
        }
        self.0.finish()?;
        Ok(())
    }
}

/// Whether metadata is the same in every file of this kind.
fn is_constant(key: &str) -> bool {
    matches!(key, "plumb.record" | "plumb.schema_version")
}
