//! Frames of a capture go through the program that received ones go through (BPF_PROG_TEST_RUN).

use crate::error::Error;
use crate::mapped::Mapped;
use crate::session;
use crate::wire::capture_frame;
use libbpf_rs::{MapCore, ProgramInput, ProgramMut};

/// What the kernel wants of a frame at least: an Ethernet header.
const SHORTEST: usize = 14;
/// Headers end within so many bytes; a test run takes no more than a page without fragments.
const SNAP: usize = 2048;

/// Where a program looks for what a test run does not have (bpf/capture.bpf.h).
#[derive(Debug)]
pub(crate) struct Captured {
    frame: Mapped,
}

impl Captured {
    pub(crate) fn new(map: &impl MapCore) -> Result<Self, Error> {
        Ok(Self { frame: Mapped::new(map, true)? })
    }

    /// Puts a frame through `program`: its time in ns, its length on the wire, and the bytes that the capture has of it. One
    /// without a whole Ethernet header has no type, as zeros have none.
    pub(crate) fn run(
        &self,
        program: &ProgramMut<'_>,
        time_ns: u64,
        length: u32,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let frame = capture_frame { time_ns, length: u64::from(length) };
        self.frame.write(0, 0, bytemuck::bytes_of(&frame));
        let bytes = if bytes.len() < SHORTEST { &[0; SHORTEST] } else { &bytes[..bytes.len().min(SNAP)] };
        let input = ProgramInput { data_in: Some(bytes), ..ProgramInput::default() };
        match program.test_run(input) {
            Ok(_) => Ok(()),
            Err(error) => Err(session::failed("cannot run the program on a frame".into(), &error)),
        }
    }
}
