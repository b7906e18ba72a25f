//! The latency probe's rule for addresses that are used again, against a model of packets.
//!
//! The probe's programs are C for BPF; here the C compiler builds them for this machine, and packets that come into being, pass
//! hooks and are freed go through a pipe. Time is the number of the step: whose stamp it is, is known.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod model;
mod ways;

use model::{Ended, Steps};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use ways::{Op, Part, WAYS};

const PACKETS: u32 = 20_000;

/// What the programs answer to these steps, started with these arguments.
fn answers(steps: Vec<u8>, arguments: &[&str]) -> Vec<Ended> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut programs = build(folder.path(), arguments);
    let (to, mut from) = (programs.stdin.take().expect("stdin"), programs.stdout.take().expect("stdout"));
    let writer = std::thread::spawn(move || BufWriter::new(to).write_all(&steps).expect("the programs read"));
    let mut answers = Vec::new();
    BufReader::new(&mut from).read_to_end(&mut answers).expect("answers");
    writer.join().expect("all steps were written");
    assert!(programs.wait().expect("the programs end").success(), "the sanitizer stopped the programs");
    answers.chunks_exact(Ended::SIZE).map(Ended::from_bytes).collect()
}

fn build(folder: &Path, arguments: &[&str]) -> Child {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = folder.join("reuse");
    let built = Command::new("cc")
        .args(["-g", "-O1", "-Wall", "-Werror", "-Wno-unknown-pragmas", "-Wno-unused"])
        .args(["-Wno-address-of-packed-member", "-fsanitize=address,undefined", "-fno-sanitize=alignment"])
        .arg("-fno-sanitize-recover=all")
        .args(
            ["tests/reuse", "src/probes/latency", "../../bpf"]
                .map(|path| format!("-I{}", here.join(path).display())),
        )
        .arg(here.join("tests/reuse/host.c"))
        .arg("-o")
        .arg(&program)
        .status()
        .expect("a C compiler starts");
    assert!(built.success(), "the programs compile for this machine");
    let mut programs = Command::new(program);
    programs.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the programs start")
}

#[test]
fn no_journey_has_stamps_of_two_packets() {
    let steps = Steps::seeded(7, PACKETS);
    if let Err(why) = steps.agree(&answers(steps.bytes(), &[])) {
        panic!("{why}");
    }
}

/// A way has a histogram for the whole of it and one for each of its stages.
#[test]
fn what_finds_no_histogram_is_counted() {
    let sent = |way: &&&[Part]| way.iter().any(|(op, ..)| *op == Op::Driven);
    let steps = Steps::repeated(WAYS.iter().find(sent).expect("a way that is sent"), 3);
    for (left, unstaged) in [("4", 0), ("3", 3), ("0", 3)] {
        let told = answers(steps.bytes(), &[left]);
        let [sums] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(sums.seen_and_unstaged(), (3, unstaged), "{left} histograms: {sums:?}");
    }
}
