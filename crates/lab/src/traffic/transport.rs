//! The ways that frames take: live frames of XDP, or packet sockets.

use super::capture::Frame;
use super::craft::craft;
use super::dropped::{Account, Dropped};
use crate::packet::bound_socket;
use crate::{Error, Result};
use plumb_kernel::support;
use plumb_kernel::traffic::{BATCH, Batches, Plan, SLOTS, Sender, State};
use std::io::IoSlice;
use std::sync::Arc;

/// Crafted frames of one call without a rate: a call ends in a millisecond or two, and costs next to nothing of it.
const MOST: u32 = 4096;

/// How frames get to the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// XDP live frames.
    Live,
    /// Packet sockets.
    Packet,
}

impl Way {
    /// As arguments and records call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Packet => "packet",
        }
    }
}

/// One thread's way.
pub(super) enum Transport {
    Live(Sender),
    Packet(Box<Packets>),
}

/// A packet socket with room for a batch of frames.
pub(super) struct Packets {
    batches: Batches,
    dropped: Dropped,
    plan: Plan,
    frames: Vec<Vec<u8>>,
    clock_offset: i64,
}

impl Transport {
    /// A packet socket on `interface` of the calling thread's namespace, which drops as `account` tells.
    pub(super) fn packet(interface: &str, plan: Plan, account: &Arc<Account>) -> Result<Self> {
        let batches = Batches::new(bound_socket(interface)?);
        let frames = vec![Vec::new(); BATCH];
        Ok(Self::Packet(Box::new(Packets {
            batches,
            dropped: Dropped::new(Arc::clone(account)),
            plan,
            frames,
            clock_offset: support::clock_offset_ns(),
        })))
    }

    pub(super) fn way(&self) -> Way {
        match self {
            Self::Live(_) => Way::Live,
            Self::Packet(_) => Way::Packet,
        }
    }

    /// Frames that one call takes at most.
    pub(super) fn most(&self) -> u32 {
        match self {
            Self::Live(_) => MOST,
            Self::Packet(_) => BATCH as u32,
        }
    }

    /// Makes and offers the next `times` frames of the plan.
    pub(super) fn craft(&mut self, times: u32) -> Result<()> {
        match self {
            Self::Live(sender) => Ok(sender.send(times)?),
            Self::Packet(packets) => packets.craft(times as usize),
        }
    }

    /// Offers frames as they are, at most [`SLOTS`].
    pub(super) fn replay(&mut self, frames: &[Frame]) -> Result<()> {
        match self {
            Self::Live(sender) => {
                let next = sender.state().offered;
                let part = &frames[..frames.len().min(SLOTS as usize)];
                part.iter().zip(next..).for_each(|(frame, number)| sender.fill(number, &frame.bytes));
                let end = next + part.len() as u64;
                // A signal cuts a call short; a call that sends nothing at all never will.
                while sender.state().offered < end {
                    let before = sender.state().offered;
                    sender.send((end - before) as u32)?;
                    if sender.state().offered == before {
                        return Err(Error::Frame("the kernel's program refused a frame".to_owned()));
                    }
                }
                Ok(())
            }
            Self::Packet(packets) => {
                let slices: Vec<IoSlice<'_>> =
                    frames.iter().map(|frame| IoSlice::new(&frame.bytes)).collect();
                packets.dropped.send(&mut packets.batches, &slices)
            }
        }
    }

    /// Finds out what became of all frames so far.
    pub(super) fn settle(&mut self) {
        match self {
            Self::Live(_) => {}
            Self::Packet(packets) => packets.dropped.settle(packets.batches.state()),
        }
    }

    /// Frames that are known to be sent.
    pub(super) fn confirmed(&self) -> u64 {
        match self {
            Self::Live(_) => self.state().offered - self.state().refused,
            Self::Packet(packets) => packets.dropped.confirmed(),
        }
    }

    /// What became of the frames so far.
    pub(super) fn state(&self) -> State {
        match self {
            Self::Live(sender) => sender.state(),
            Self::Packet(packets) => {
                let state = packets.batches.state();
                State { refused: state.refused + packets.dropped.silently(), ..state }
            }
        }
    }
}

impl Packets {
    fn craft(&mut self, times: usize) -> Result<()> {
        let (plan, first) = (&self.plan, self.batches.state().offered);
        let times = times.min(self.frames.len());
        let now = support::monotonic_ns().saturating_add_signed(self.clock_offset);
        for (frame, sequence) in self.frames[..times].iter_mut().zip(first..) {
            let number = sequence * u64::from(plan.streams) + u64::from(plan.stream);
            craft(plan, number, sequence, now, frame);
        }
        let slices: Vec<IoSlice<'_>> = self.frames[..times].iter().map(|frame| IoSlice::new(frame)).collect();
        self.dropped.send(&mut self.batches, &slices)
    }
}
