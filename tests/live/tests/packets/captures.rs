//! Packets of a capture with everything in it, against tshark and the reference in Python (tests/features); and which
//! captures are read.

use crate::scene::complete;
use anyhow::{Context, Result, ensure};
use plumb_live::features::{corpus, python, text};
use plumb_live::machine::emulated;
use plumb_live::{Finished, Plumb, Records, TestResult};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

const FRAMES: u64 = 10_513;

fn read(command: &str, path: &Path, more: &[&str]) -> Result<Finished> {
    Plumb::new(&[&[command, "--read", &text(path), "--format", "json"], more].concat())?.finish()
}

#[test]
fn packets_of_a_capture_equal_tshark() -> TestResult {
    let folder = tempfile::tempdir()?;
    let capture = corpus(folder.path())?;
    let finished = read("packets", &capture, &[])?;
    let records = complete(&finished)?;
    ensure!(records.account("seen")? == FRAMES, "{}", records.ledger()?);
    let others: u64 = records.of("packet_other").filter_map(|other| other["packets"].as_u64()).sum();
    ensure!(others == records.account("passed_over")?, "{others} others: {}", records.ledger()?);
    ensure!(records.of("packet").count() as u64 + others == FRAMES, "{}", records.ledger()?);
    // tshark would take minutes, and this kernel's programs are compared elsewhere.
    if emulated() {
        return Ok(());
    }
    let ours = folder.path().join("ours.jsonl");
    fs::write(&ours, &finished.stdout)?;
    python("packets_check.py", &[&text(&capture), &text(&ours)], None)
}

#[test]
fn programs_that_read_a_capture_have_sizes() -> TestResult {
    let folder = tempfile::tempdir()?;
    let capture = corpus(folder.path())?;
    for command in ["packets", "flows"] {
        let finished = read(command, &capture, &["-v"])?;
        let told =
            finished.stderr.lines().find(|line| line.contains(" bytes of BPF")).context("no program")?;
        ensure!(!told.contains(" 0 bytes of"), "{told}");
    }
    Ok(())
}

/// The capture in another shape.
fn editcap(from: &Path, to: &Path, arguments: &[&str], frames: &[&str]) -> TestResult {
    let status = Command::new("editcap")
        .args(arguments)
        .args([from, to])
        .args(frames)
        .status()
        .context("cannot run editcap")?;
    ensure!(status.success(), "editcap {arguments:?}");
    Ok(())
}

/// What packets are, their times up to so many digits of a second.
fn packets(records: &Records, digits: usize) -> Vec<Value> {
    let mut packets: Vec<Value> = records.of("packet").cloned().collect();
    for packet in &mut packets {
        let time = packet["time"].as_str().unwrap_or_default();
        packet["time"] = time.get(..20 + digits).unwrap_or_default().into();
    }
    packets
}

#[test]
fn formats_of_captures_say_the_same() -> TestResult {
    let folder = tempfile::tempdir()?;
    let capture = corpus(folder.path())?;
    let (first, other) = (folder.path().join("first.pcap"), folder.path().join("other"));
    editcap(&capture, &first, &["-r", "-F", "nsecpcap"], &["1-300"])?;
    let expected = complete(&read("packets", &first, &[])?)?;
    ensure!(packets(&expected, 9).len() > 200, "{}", expected.ledger()?);
    for (format, digits) in [("pcapng", 9), ("pcap", 6)] {
        editcap(&first, &other, &["-F", format], &[])?;
        let records = complete(&read("packets", &other, &[])?)?;
        ensure!(packets(&records, digits) == packets(&expected, digits), "{format} differs");
    }
    // A capture that cut its frames behind their headers knows how long they were.
    editcap(&first, &other, &["-F", "nsecpcap", "-s", "200"], &[])?;
    let records = complete(&read("packets", &other, &[])?)?;
    ensure!(packets(&records, 9) == packets(&expected, 9), "a snap length of 200 differs");
    Ok(())
}

#[test]
fn filters_counts_and_short_frames_are_in_the_account() -> TestResult {
    let folder = tempfile::tempdir()?;
    let capture = corpus(folder.path())?;
    let records = complete(&read("packets", &capture, &["--proto", "tcp"])?)?;
    let tcp = records.of("packet").count() as u64;
    ensure!(tcp > 1000 && records.of("packet").all(|packet| packet["protocol"] == 6));
    let (filtered, passed) = (records.account("filtered")?, records.account("passed_over")?);
    ensure!(tcp + filtered + passed == FRAMES, "{}", records.ledger()?);
    // The smallest ring holds what is put through between two looks at it.
    let small = complete(&read("packets", &capture, &["--ring-size", "4096"])?)?;
    ensure!(small.of("packet").count() as u64 + passed == FRAMES, "{}", small.ledger()?);
    let counted = read("packets", &capture, &["--count", "5"])?.records()?;
    ensure!(counted.of("packet").count() == 5 && counted.ledger()?["complete"] == true);
    // No Ethernet header: not IP, and no error.
    let path = folder.path().join("short.pcap");
    fs::write(&path, file(1, &[7; 9]))?;
    for command in ["packets", "flows"] {
        let records = complete(&read(command, &path, &[])?)?;
        let others: Vec<_> = records.of("packet_other").map(|other| other["ethertype"].clone()).collect();
        ensure!(records.account("passed_over")? == 1 && others == ["0x0000"], "{command}: {others:?}");
    }
    Ok(())
}

/// A capture with one frame of this link type (draft-ietf-opsawg-pcap).
fn file(link: u32, frame: &[u8]) -> Vec<u8> {
    let length = frame.len() as u32;
    let words = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, link, 1, 0, length, length];
    words.into_iter().flat_map(u32::to_le_bytes).chain(frame.iter().copied()).collect()
}

#[test]
fn what_is_no_capture_is_refused_by_name() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("raw.pcap");
    for command in ["packets", "flows"] {
        for (link, name) in [(101, "raw IP (101)"), (113, "Linux cooked (113)"), (9999, "9999")] {
            fs::write(&path, file(link, &[0x45; 20]))?;
            read(command, &path, &[])?.failed_with(1, &[name, "Ethernet", "raw.pcap"])?;
        }
        fs::write(&path, &file(1, &[0x45; 60])[..70])?;
        read(command, &path, &[])?.failed_with(1, &["ends within a frame"])?;
        fs::write(&path, b"no capture at all, but long enough to be one")?;
        read(command, &path, &[])?.failed_with(1, &["neither pcap nor pcapng"])?;
        read(command, Path::new("/nowhere.pcap"), &[])?.failed_with(1, &["/nowhere.pcap"])?;
        read(command, &path, &["--hook", "tc"])?.failed_with(2, &["--hook", "--read"])?;
    }
    Ok(())
}
