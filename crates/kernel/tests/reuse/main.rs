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

const PACKETS: u32 = 20_000;

fn build(folder: &Path) -> Child {
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
    Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the programs start")
}

#[test]
fn no_journey_has_stamps_of_two_packets() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut programs = build(folder.path());
    let (to, mut from) = (programs.stdin.take().expect("stdin"), programs.stdout.take().expect("stdout"));
    let steps = Steps::seeded(7, PACKETS);
    let bytes = steps.bytes();
    let writer = std::thread::spawn(move || BufWriter::new(to).write_all(&bytes).expect("the programs read"));
    let mut answers = Vec::new();
    BufReader::new(&mut from).read_to_end(&mut answers).expect("answers");
    writer.join().expect("all steps were written");
    assert!(programs.wait().expect("the programs end").success(), "the sanitizer stopped the programs");
    let ended: Vec<Ended> = answers.chunks_exact(Ended::SIZE).map(Ended::from_bytes).collect();
    if let Err(why) = steps.agree(&ended) {
        panic!("{why}");
    }
}
