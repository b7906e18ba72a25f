//! Parquet and Arrow: records of one kind as typed columns.
//!
//! [`schema`] says which Arrow type each kind of column becomes, [`batch`] turns rows into record batches, and the formats
//! [`parquet`] and [`ipc`] write those. Only types are used that Spark, DuckDB, Polars and pandas all read. [`dataset`]
//! is a directory of Parquet files by date, hour and node, [`socket`] a Unix socket that gives each client a stream.
//!
//! Records of other kinds than the file's (`session`, `ledger`) are in its metadata: the last one of each as JSON under
//! `plumb.KIND`. A stream has what came before its first batch; where records came that its schema has no room for, a file
//! counts their cells under `plumb.cells_without_place`.

pub mod batch;
pub mod dataset;
mod held;
pub mod ipc;
pub mod parquet;
pub mod schema;
pub mod socket;
#[cfg(test)]
mod tests;

pub use held::About;

/// The version of the columns' names, types and meanings: in the metadata of every file and in the path of a dataset.
pub const SCHEMA_VERSION: u32 = 1;
