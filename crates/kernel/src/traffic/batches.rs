//! Batches of frames by packet sockets: works wherever CAP_NET_RAW is held, on any interface.

use super::State;
use crate::error::{Class, Error};
use crate::sys::{self, FRAMES};
use nix::errno::Errno;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};

/// Frames that one call takes.
pub const BATCH: usize = FRAMES;

/// A packet socket that sends batches, and what became of them.
#[derive(Debug)]
pub struct Batches {
    socket: OwnedFd,
    state: State,
    failures: u64,
}

impl Batches {
    /// Sends by `socket`: a packet socket that is bound to its interface.
    pub fn new(socket: OwnedFd) -> Self {
        Self { socket, state: State::default(), failures: 0 }
    }

    /// Sends frames, each once. One that the interface does not take is counted and passed over; an interface that is
    /// down or gone is an error.
    pub fn send(&mut self, frames: &[IoSlice<'_>]) -> Result<(), Error> {
        let mut rest = frames;
        while let Some(first) = rest.first() {
            let passed = match sys::send_frames(self.socket.as_fd(), rest) {
                // It stopped at a frame that was not taken, and kept to itself why: that one is tried once more.
                Ok(sent) => {
                    self.failures += u64::from(sent < rest.len().min(BATCH));
                    sent
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                Err(error) => {
                    self.refuse(&error, first.len())?;
                    1
                }
            };
            let (done, left) = rest.split_at(passed.min(rest.len()));
            self.state.offered += done.len() as u64;
            self.state.bytes += done.iter().map(|frame| frame.len() as u64).sum::<u64>();
            rest = left;
        }
        Ok(())
    }

    /// Counts a frame that was not taken, where the next one may be.
    fn refuse(&mut self, error: &io::Error, length: usize) -> Result<(), Error> {
        let number = error.raw_os_error().unwrap_or_default();
        if !matches!(Errno::from_raw(number), Errno::ENOBUFS | Errno::EMSGSIZE | Errno::EAGAIN) {
            let what = format!("cannot send a frame of {length} bytes by a packet socket");
            return Err(Error::new(Class::Failed, what, error));
        }
        self.state.refused += 1;
        self.failures += 1;
        self.state.error = number.unsigned_abs();
        Ok(())
    }

    /// How often a frame was not taken: more than were refused, because a frame may be tried twice.
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// What became of the frames so far.
    pub fn state(&self) -> State {
        self.state
    }
}
