//! What `-o DIR/` writes is read by the example that shows how.

use anyhow::{Context, Result, ensure};
use plumb_live::features::{corpus, readers, text};
use plumb_live::machine::emulated;
use plumb_live::{Plumb, TestResult};
use std::path::Path;
use std::process::Command;

/// Says the same as the last line of the example, where importing Polars takes minutes.
const WITHOUT_POLARS: &str = "import sys, pyarrow.dataset as d
t = d.dataset(sys.argv[1], format='parquet').to_table(columns=['packets'])
print(f\"flows={len(t)} packets={sum(t['packets'].to_pylist())}\")";

fn read(folder: &Path) -> Result<String> {
    let mut command = Command::new(readers(env!("CARGO_TARGET_TMPDIR"))?);
    if emulated() {
        command.args(["-c", WITHOUT_POLARS]);
    } else {
        command.args(["-B", "../../examples/flows_parquet.py"]);
    }
    let output = command.arg(folder).output().context("cannot start Python")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_dataset_is_read_with_polars() -> TestResult {
    let folder = tempfile::tempdir()?;
    let capture = corpus(folder.path())?;
    let written = format!("{}/flows/", folder.path().display());
    let plumb =
        Plumb::new(&["flows", "--read", &text(&capture), "-o", &written, "--format", "json"])?.finish()?;
    let records = plumb.records()?;
    let (flows, packets) = (records.of("flow").count(), records.account("aggregated")?);
    let said = read(Path::new(&written))?;
    let last = said.lines().last().unwrap_or_default();
    ensure!(flows > 1000 && last == format!("flows={flows} packets={packets}"), "{said}");
    Ok(())
}
