//! Flows of a capture with everything in it, against the exact reference in Python (tests/features).

use anyhow::{Context, Result, ensure};
use plumb_live::machine::emulated;
use plumb_live::{Plumb, TestResult};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the reference is, seen from the tests' directory.
const REFERENCE: &str = "../features";

fn python(script: &str, arguments: &[&str], to: Option<&Path>) -> Result<()> {
    let mut command = Command::new("python3");
    command.arg("-B").arg(format!("{REFERENCE}/{script}")).args(arguments);
    if let Some(to) = to {
        command.stdout(File::create(to)?);
    }
    let output = command.output().with_context(|| format!("cannot run {script}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{script}: {said}{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Makes the capture, which is the same each time, in this folder.
pub(super) fn corpus(folder: &Path) -> Result<PathBuf> {
    let capture = folder.join("corpus.pcap");
    python("corpus.py", &[&text(&capture)], None)?;
    Ok(capture)
}

/// A path as an argument.
pub(super) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Every column of every flow: integers exactly, what is derived to 1e-9.
#[test]
fn flows_of_a_capture_equal_the_reference() -> TestResult {
    let folder = tempfile::tempdir()?;
    let (ours, theirs) = (folder.path().join("ours.jsonl"), folder.path().join("theirs.jsonl"));
    let capture = corpus(folder.path())?;
    let mut ways: Vec<&[&str]> =
        vec![&[], &["--idle", "7", "--active", "20", "--no-tcp-close"], &["--linger", "1"]];
    if emulated() {
        ways.truncate(1);
    }
    for ways in ways {
        let seconds: Vec<String> = ways
            .iter()
            .map(|word| if word.starts_with('-') { (*word).into() } else { format!("{word}s") })
            .collect();
        let mut arguments = vec!["flows", "--read"];
        let path = text(&capture);
        arguments.extend([path.as_str(), "--level", "full", "--format", "json"]);
        arguments.extend(seconds.iter().map(String::as_str));
        let finished = Plumb::new(&arguments)?.finish()?;
        let ledger = finished.records()?.ledger()?.clone();
        ensure!(ledger["complete"] == true && ledger["seen"].as_u64() > Some(10_000), "{ways:?}: {ledger}");
        fs::write(&ours, &finished.stdout)?;
        python("reference.py", &[ways, &[&path]].concat(), Some(&theirs))?;
        python("compare.py", &[&text(&ours), &text(&theirs)], None).with_context(|| format!("{ways:?}"))?;
    }
    Ok(())
}

#[test]
fn what_is_no_capture_is_refused() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("raw.pcap");
    // The header of draft-ietf-opsawg-pcap with link type 101, and one frame.
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101, 1, 0, 20, 20] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend([0x45; 20]);
    fs::write(&path, bytes)?;
    let path = path.to_string_lossy().into_owned();
    let refused = Plumb::new(&["flows", "--read", &path])?.finish()?;
    refused.failed_with(1, &["raw IP (101)", "Ethernet"])?;
    let missing = Plumb::new(&["flows", "--read", "/nowhere.pcap"])?.finish()?;
    missing.failed_with(1, &["/nowhere.pcap"])?;
    Ok(())
}
