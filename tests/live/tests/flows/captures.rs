//! Flows of a capture with everything in it, against the exact reference in Python (tests/features).

use anyhow::{Context, ensure};
use plumb_live::features::{corpus, python, text};
use plumb_live::machine::emulated;
use plumb_live::{Plumb, TestResult};
use std::fs;

/// Every column of every flow: integers exactly, what is derived to 1e-9.
#[test]
fn flows_of_a_capture_equal_the_reference() -> TestResult {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let (capture, ours, theirs) = (corpus(folder.path())?, at("ours.jsonl"), at("theirs.jsonl"));
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

/// What other extractors are known to get wrong, case by case: tests/features holds the reference to it, and this the program.
#[test]
fn known_errors_of_others_are_not_ours() -> TestResult {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| text(&folder.path().join(name));
    let (capture, ours, theirs) = (at("errors.pcap"), at("ours.jsonl"), at("theirs.jsonl"));
    python("errors.py", &[&capture], None)?;
    let finished =
        Plumb::new(&["flows", "--read", &capture, "--level", "full", "--format", "json"])?.finish()?;
    let records = finished.records()?;
    ensure!(
        records.ledger()?["complete"] == true && records.of("flow").count() > 30,
        "{}",
        records.ledger()?
    );
    fs::write(&ours, &finished.stdout)?;
    python("reference.py", &[&capture], Some(theirs.as_ref()))?;
    python("compare.py", &[&ours, &theirs], None)
}
