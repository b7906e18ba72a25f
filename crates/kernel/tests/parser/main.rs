//! The kernel side's packet parser against etherparse, on well-formed, mutated and truncated frames.
//!
//! The parser is C for BPF; here the C compiler builds it for this machine with the address sanitizer, and frames go through a
//! pipe. So it needs no privileges, and half a million frames take seconds. Both ways to read are tested: of kernel memory, as
//! tracing programs do it, and of frames where they lie ([`direct`]).

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod direct;
mod frames;
mod headers;
mod reference;

use frames::Frames;
use reference::{Answer, agree};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const FRAMES: usize = 300_000;

/// Builds and starts one of the programs beside this file.
fn build(folder: &Path, source: &str) -> Child {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = folder.join("parser");
    let built = Command::new("cc")
        .args(["-g", "-O1", "-Wall", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize=alignment"])
        .args(["-fno-sanitize-recover=all", "-I"])
        .arg(here.join("../../bpf"))
        .arg(here.join("tests/parser").join(source))
        .arg("-o")
        .arg(&program)
        .status()
        .expect("a C compiler starts");
    assert!(built.success(), "the parser compiles for this machine");
    Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the parser starts")
}

#[test]
fn agrees_with_etherparse() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut parser = build(folder.path(), "host.c");
    let (to, from) = (parser.stdin.take().expect("stdin"), parser.stdout.take().expect("stdout"));
    let writer = std::thread::spawn(move || {
        let mut to = BufWriter::new(to);
        for frame in Frames::seeded(7).take(FRAMES) {
            to.write_all(&(frame.len() as u32).to_ne_bytes()).expect("the parser reads");
            to.write_all(&frame).expect("the parser reads");
        }
    });
    let mut from = BufReader::new(from);
    let mut seen = reference::Coverage::default();
    for (number, frame) in Frames::seeded(7).take(FRAMES).enumerate() {
        let mut bytes = [0; Answer::SIZE];
        from.read_exact(&mut bytes)
            .expect("an answer for each frame: otherwise the sanitizer stopped the parser");
        let answer = Answer::from_bytes(&bytes);
        if let Err(why) = agree(&frame, &answer, &mut seen) {
            panic!("frame {number}: {why}\n{frame:02x?}\n{answer:?}");
        }
    }
    writer.join().expect("all frames were written");
    assert!(parser.wait().expect("the parser ends").success());
    seen.assert_everything_was_met();
}
