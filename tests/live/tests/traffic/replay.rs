//! Captures arrive byte by byte, at their times or at a rate.

use crate::scene::{WAYS, gentle, hear, number, send, traffic, undisturbed, within};
use anyhow::{Result, ensure};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use plumb_live::TestResult;
use plumb_live::machine::emulated;
use std::path::{Path, PathBuf};

/// An ethertype for experiments (IEEE 802), which no stack answers.
const ETHERTYPE: [u8; 2] = [0x88, 0xb5];
/// Time between frames, in microseconds.
const STEP: u32 = 2_000;

/// Frames of many lengths, each with bytes of its own.
fn frames(count: usize) -> Vec<Vec<u8>> {
    let frame = |number: usize| {
        let length = 60 + number * 97 % 1455;
        let mut frame: Vec<u8> = (0..length).map(|at| (at * 7 + number * 13) as u8).collect();
        frame[..12].copy_from_slice(&[2, 0, 0, 0, 0, 0x0b, 2, 0, 0, 0, 0, 0x0a]);
        frame[12..14].copy_from_slice(&ETHERTYPE);
        frame
    };
    (0..count).map(frame).collect()
}

fn ours(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&ETHERTYPE)
}

/// The layouts of draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng.
fn write(folder: &Path, name: &str, frames: &[Vec<u8>]) -> Result<PathBuf> {
    let mut bytes = Vec::new();
    let words =
        |bytes: &mut Vec<u8>, words: &[u32]| words.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
    let times = (0_u32..).map(|number| number * STEP);
    if name.ends_with(".pcapng") {
        words(&mut bytes, &[0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28]);
        words(&mut bytes, &[1, 20, 1, 0, 20]);
        for (frame, time) in frames.iter().zip(times) {
            let length = frame.len() as u32;
            let padded = frame.len().div_ceil(4) * 4;
            let block = 32 + padded as u32;
            words(&mut bytes, &[6, block, 0, 0, time, length, length]);
            bytes.extend(frame);
            bytes.resize(bytes.len() + padded - frame.len(), 0);
            words(&mut bytes, &[block]);
        }
    } else {
        words(&mut bytes, &[0xa1b2_c3d4, 4 << 16 | 2, 0, 0, 1 << 16, 1]);
        for (frame, time) in frames.iter().zip(times) {
            let length = frame.len() as u32;
            words(&mut bytes, &[time / 1_000_000, time % 1_000_000, length, length]);
            bytes.extend(frame);
        }
    }
    let path = folder.join(name);
    std::fs::write(&path, bytes)?;
    Ok(path)
}

#[test]
fn every_byte_of_a_capture_arrives_in_order() -> TestResult {
    let folder = tempfile::tempdir()?;
    let frames = frames(300);
    within(|lab| {
        for name in ["frames.pcap", "frames.pcapng"] {
            let path = write(folder.path(), name, &frames)?.display().to_string();
            for way in WAYS {
                let args = ["--pcap", &path, "--rate", gentle(), "--transport", way];
                let heard = undisturbed(|| {
                    let mut refused = 0;
                    let heard = hear(lab.receiver(), frames.len(), ours, || {
                        let record = send(lab, &args)?;
                        ensure!(number(&record, "offered")? == 300, "{record}");
                        ensure!(record["transport"] == way, "{record}");
                        refused = number(&record, "errors")?;
                        Ok(())
                    })?;
                    Ok((refused == 0).then_some(heard))
                })?;
                ensure!(heard.len() == frames.len(), "{name} {way}: {} frames", heard.len());
                let wrong = heard.iter().zip(&frames).position(|(heard, sent)| heard != sent);
                ensure!(wrong.is_none(), "{name} {way}: frame {wrong:?} differs");
            }
        }
        Ok(())
    })
}

#[test]
fn a_capture_keeps_its_times_and_begins_anew_for_a_count() -> TestResult {
    let folder = tempfile::tempdir()?;
    let frames = frames(50);
    let path = write(folder.path(), "frames.pcap", &frames)?.display().to_string();
    within(|lab| {
        let record = send(lab, &["--pcap", &path])?;
        let expected = u64::from(STEP) * 49 * 1000;
        let took = number(&record, "duration_ns")?;
        ensure!(number(&record, "offered")? == 50 && record["asked_per_s"].is_null(), "{record}");
        let late = if emulated() { 10_000_000_000 } else { 500_000_000 };
        ensure!((expected..expected + late).contains(&took), "{took} instead of {expected}: {record}");
        let heard = undisturbed(|| {
            let mut refused = 0;
            let heard = hear(lab.receiver(), 120, ours, || {
                let record = send(lab, &["--pcap", &path, "--count", "120", "--rate", gentle()])?;
                refused = number(&record, "errors")?;
                Ok(())
            })?;
            Ok((refused == 0).then_some(heard))
        })?;
        let expected: Vec<_> = frames.iter().cycle().take(120).cloned().collect();
        ensure!(heard == expected, "{} frames", heard.len());
        Ok(())
    })
}

#[test]
fn what_cannot_be_replayed_is_told_before_anything_is_sent() -> TestResult {
    let folder = tempfile::tempdir()?;
    let whole = write(folder.path(), "whole.pcap", &frames(20))?;
    let bytes = std::fs::read(&whole)?;
    let file = |name: &str, bytes: &[u8]| -> Result<String> {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes)?;
        Ok(path.display().to_string())
    };
    // One that nobody writes to must not be waited for.
    let pipe = folder.path().join("pipe");
    mkfifo(&pipe, Mode::S_IRWXU)?;
    let mut raw = bytes.clone();
    raw[20] = 101;
    within(|lab| {
        for (path, words) in [
            (file("cut.pcap", &bytes[..bytes.len() - 5])?, "ends within a frame"),
            (file("text.pcap", b"no capture at all, but long enough to be one")?, "neither pcap nor pcapng"),
            (file("raw.pcap", &raw)?, "link type is raw IP (101)"),
            (file("frameless.pcap", &bytes[..24])?, "holds no frames"),
            (file("empty.pcap", b"")?, "it is empty"),
            ("/dev/null".to_owned(), "no regular file"),
            (pipe.display().to_string(), "no regular file"),
            (folder.path().join("missing.pcap").display().to_string(), "No such file"),
        ] {
            let finished = traffic(lab, &["--pcap", &path])?.finish()?;
            finished.failed_with(2, &["plumb: ", words])?;
            ensure!(finished.stdout.is_empty(), "{}", finished.stdout);
        }
        Ok(())
    })
}
