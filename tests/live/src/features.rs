//! The references in Python that share nothing with Plumb (tests/features).

use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where they are, seen from the tests' directory.
const FOLDER: &str = "../features";

/// Runs a script; its output goes to a file where one is given. What it says is in the error where it fails.
pub fn python(script: &str, arguments: &[&str], to: Option<&Path>) -> Result<()> {
    let mut command = Command::new("python3");
    command.arg("-B").arg(format!("{FOLDER}/{script}")).args(arguments);
    if let Some(to) = to {
        command.stdout(File::create(to)?);
    }
    let output = command.output().with_context(|| format!("cannot run {script}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{script}: {said}{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Makes the capture in which everything occurs that packets and flows are defined by.
pub fn corpus(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("corpus.pcap");
    python("corpus.py", &[&text(&path)], None)?;
    Ok(path)
}

/// The Python that has pyarrow, duckdb, polars and scikit-learn. `temporary` is the test's CARGO_TARGET_TMPDIR.
pub fn readers(temporary: &str) -> Result<PathBuf> {
    let python = Path::new(temporary).with_file_name("readers").join("bin/python");
    ensure!(python.exists(), "there is no {}: run cargo xtask setup", python.display());
    Ok(python)
}

/// A path as an argument.
pub fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
