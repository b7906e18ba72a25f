//! Parquet of the real binary: whole files however a run ends, and a full disk told once.

use crate::scene::on;
use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use plumb_live::disk::Small;
use plumb_live::features::{corpus, readers, text};
use plumb_live::machine::emulated;
use plumb_live::silent::Scene;
use plumb_live::{Finished, Plumb, Records, TestResult, wait_for};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files and rows below a folder, as pyarrow, DuckDB and Polars read them.
fn rows(folder: &Path) -> Result<(u64, u64)> {
    let python = readers(env!("CARGO_TARGET_TMPDIR"))?;
    let output = Command::new(python).args(["-B", "tests/packets/rows.py"]).arg(folder).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let number = |name: &str| {
        let found = said.split_whitespace().find_map(|word| word.strip_prefix(name));
        found.and_then(|digits| digits.parse().ok()).with_context(|| said.clone().into_owned())
    };
    Ok((number("files=")?, number("rows=")?))
}

/// Names of files below a folder.
fn names(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(names(&path)?);
        } else {
            found.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    Ok(found)
}

/// Packets of a capture into a place of its own and, as JSON, to standard output.
fn read(capture: &Path, to: &Path, more: &[&str]) -> Result<Finished> {
    let slash = if to.extension().is_some() { "" } else { "/" };
    let to = text(to) + slash;
    let arguments = ["packets", "--read", &text(capture), "--format", "json", "-o", &to];
    Plumb::new(&[&arguments, more].concat())?.finish()
}

/// One error that says it all, and a ledger that says the same; every record is on standard output.
fn told_once(finished: &Finished, packets: u64, whole: u64) -> TestResult {
    ensure!(finished.status.code() == Some(1), "{}: {}", finished.status, finished.stderr);
    let said: Vec<_> = finished.stderr.lines().filter(|line| line.contains("cannot write")).collect();
    let [error] = said.as_slice() else { anyhow::bail!("{}", finished.stderr) };
    for word in
        ["No space left", &format!("{whole} records are whole"), &format!("{} were lost", packets - whole)]
    {
        ensure!(error.contains(word), "{word}: {error}");
    }
    let records = Records::parse(&finished.stdout)?;
    ensure!(records.of("packet").count() as u64 == packets, "{}", records.ledger()?);
    let account = |name| records.account(name);
    ensure!(
        (account("records")?, account("lost_user")?) == (whole, packets - whole),
        "{}",
        records.ledger()?
    );
    // What one output lost is lost, though the other has it.
    let rest = account("passed_over")? + account("emitted")? + account("lost_user")?;
    ensure!(account("seen")? == rest && account("emitted")? == whole, "{}", records.ledger()?);
    ensure!(records.ledger()?["complete"] == false, "{}", records.ledger()?);
    Ok(())
}

#[test]
fn a_full_disk_costs_one_output_and_is_told_once() -> TestResult {
    let folder = tempfile::tempdir()?;
    let capture = corpus(folder.path())?;
    let file = folder.path().join("whole.parquet");
    let finished = read(&capture, &file, &[])?;
    let packets = finished.records()?.account("records")?;
    ensure!(finished.status.success() && finished.records()?.of("packet").count() as u64 == packets);
    ensure!(rows(folder.path())? == (1, packets));
    let length = fs::metadata(&file)?.len();
    // Too small for what is in it, and for its end alone: that is known when the others are about to be told.
    for room in [length / 2, length - 1] {
        let disk = Small::new(room / 4096 * 4096)?;
        told_once(&read(&capture, &disk.path().join("x.parquet"), &[])?, packets, 0)?;
        ensure!(names(disk.path())?.is_empty(), "{:?}", names(disk.path())?);
    }
    // What was whole before stays so.
    let disk = Small::new(length * 3 / 4)?;
    let dataset = disk.path().join("packets");
    let finished = read(&capture, &dataset, &["--rotate", "64K"])?;
    let (parts, written) = rows(&dataset)?;
    ensure!(parts > 0 && written < packets, "{parts} files with {written} rows");
    told_once(&finished, packets, written)?;
    ensure!(names(&dataset)?.len() as u64 == parts, "{:?}", names(&dataset)?);
    Ok(())
}

#[test]
fn kill_leaves_whole_files_and_at_most_one_temporary() -> TestResult {
    let scene = Scene::new()?;
    let folder = tempfile::tempdir()?;
    let dataset = folder.path().join("live");
    let whole = || -> Result<Vec<String>> {
        Ok(names(folder.path())?
            .into_iter()
            .filter(|name| name.ends_with(".parquet") && !name.starts_with('.'))
            .collect())
    };
    let to = text(&dataset) + "/";
    let plumb = on(scene.receiver(), &["-o", &to, "--rotate", "300ms", "--direction", "ingress"])?.start()?;
    let mut sent = 0;
    wait_for("two whole files", || {
        scene.send(100, 200)?;
        sent += 200;
        Ok(whole()?.len() >= 2)
    })?;
    // Killed while more are written.
    scene.send(100, 200)?;
    plumb.signal(Signal::SIGKILL)?;
    plumb.wait()?;
    let (found, temporary): (Vec<String>, Vec<String>) =
        names(folder.path())?.into_iter().partition(|name| !name.starts_with('.'));
    // At the end of an hour there may be a file for either.
    ensure!(temporary.len() <= 2 && temporary.iter().all(|name| name.ends_with(".tmp")), "{temporary:?}");
    ensure!(found.len() == whole()?.len(), "{found:?}");
    let (parts, written) = if emulated() { (found.len() as u64, 1) } else { rows(folder.path())? };
    ensure!(
        parts == found.len() as u64 && (1..=sent + 200).contains(&written),
        "{parts} files with {written} rows"
    );
    // One file: it is not there before it is whole.
    let file: PathBuf = folder.path().join("one.parquet");
    let plumb = on(scene.receiver(), &["-o", &text(&file)])?.start()?;
    scene.send(100, 200)?;
    wait_for("the file to be begun", || Ok(file.with_file_name(".one.parquet.tmp").exists()))?;
    plumb.signal(Signal::SIGKILL)?;
    plumb.wait()?;
    ensure!(!file.exists() && file.with_file_name(".one.parquet.tmp").exists());
    Ok(())
}
