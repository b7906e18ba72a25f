//! The thread's end of a generator: calls that send, and what became of the frames.

use super::{LONGEST, SLOTS, State};
use crate::error::{Class, Error};
use crate::mapped::Mapped;
use crate::sys;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Frames of one pass through the kernel's loop: the most that it allows, and what a veth's ring holds
/// (TEST_XDP_MAX_BATCH in net/bpf/test_run.c, VETH_RING_SIZE in drivers/net/veth.c).
const BATCH: u32 = 256;

/// Sends frames in the calling thread; one call at a time.
#[derive(Debug)]
pub struct Sender {
    program: OwnedFd,
    state: Mapped,
    slots: Option<Mapped>,
    room: Vec<u8>,
}

impl Sender {
    pub(super) fn new(program: OwnedFd, state: Mapped, slots: Option<Mapped>, largest: usize) -> Self {
        Self { program, state, slots, room: vec![0; largest] }
    }

    /// Makes `times` frames and hands them to the interface. What it did not take [`Sender::state`] tells.
    pub fn send(&self, times: u32) -> Result<(), Error> {
        match sys::run_live(self.program.as_fd(), &self.room, times, BATCH.min(times)) {
            Ok(()) => Ok(()),
            // A signal came: the state tells how many there were.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(refused(&error)),
        }
    }

    /// Puts a frame where the program will look for the one with this number; at most [`SLOTS`] at a time, and at most
    /// [`LONGEST`] bytes.
    pub fn fill(&self, number: u64, frame: &[u8]) {
        let at = (number % u64::from(SLOTS)) as usize;
        if let Some(slots) = &self.slots {
            let frame = &frame[..frame.len().min(LONGEST)];
            slots.write(at, 0, &(frame.len() as u64).to_ne_bytes());
            slots.write(at, 1, frame);
        }
    }

    /// What became of the frames so far. While another thread sends, the numbers are not of one moment.
    pub fn state(&self) -> State {
        self.state.read(0, 0).unwrap_or_default()
    }
}

fn refused(error: &io::Error) -> Error {
    let (class, help) = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            (Class::Privileges, "run as root, or use --transport packet, which needs CAP_NET_RAW only")
        }
        // Flags or a batch size that kernels before 5.18 do not know.
        Some(libc::EINVAL) => {
            (Class::Unsupported, "live frames need a kernel since 5.18; --transport packet works on any")
        }
        _ => (Class::Failed, ""),
    };
    Error::new(class, "cannot send live frames", error).help(help)
}
