//! What the tests share: a run of the bench, and its rows.

use anyhow::{Context, Result, ensure};
use plumb_live::{Plumb, machine};
use serde_json::Value;

/// A rate that every reader keeps up with, and a machine that is emulated too.
pub(crate) fn low_rate() -> &'static str {
    if machine::emulated() { "100" } else { "2k" }
}

/// `plumb bench` at these rates, once.
pub(crate) fn bench(rates: &str, args: &[&str]) -> Result<Plumb> {
    Plumb::new(&[&["bench", "--repeat", "1", "--format", "json", "--rates", rates], args].concat())
}

/// Its JSON lines.
pub(crate) fn rows(rates: &str, args: &[&str]) -> Result<Vec<Value>> {
    let finished = bench(rates, args)?.finish()?;
    ensure!(finished.status.success(), "{}", finished.stderr);
    finished.stdout.lines().map(|line| serde_json::from_str(line).context("a row")).collect()
}

/// The row of a reader.
pub(crate) fn row<'a>(rows: &'a [Value], reader: &str) -> Result<&'a Value> {
    let found = rows.iter().find(|row| row["record"] == "bench_reader" && row["reader"] == reader);
    found.with_context(|| format!("no {reader}: {rows:#?}"))
}

/// A number of a row.
pub(crate) fn number(row: &Value, column: &str) -> Result<f64> {
    row[column].as_f64().with_context(|| format!("no {column}: {row:#}"))
}
