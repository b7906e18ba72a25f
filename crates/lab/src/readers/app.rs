//! What every reader does with a packet once it has it: the same features, and how long that took.

use super::features::Features;
use super::told::Told;
use crate::traffic::Stamp;
use etherparse::{SlicedPacket, TransportSlice};
use nix::time::ClockId;
use plumb_kernel::support::{clock_offset_ns, monotonic_ns};
use plumb_records::histogram::Histogram;
use std::time::Duration;

/// One packet in so many is timed: two readings of the clock for each would be a cost that the readers do not have.
const SAMPLE: u64 = 8;

/// A reader that is known to be wrong in a known way, to test measuring with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Proof {
    /// CPU time that is burnt for each packet.
    pub burn: Duration,
    /// Every so manieth packet is thrown away.
    pub drop_every: Option<u64>,
}

/// An application that wants features of packets.
pub struct App {
    features: Features,
    proof: Proof,
    /// Packets that came.
    came: u64,
    /// From the monotonic clock to stamps.
    offset_ns: i64,
    delays: Histogram,
    inside: Histogram,
}

impl App {
    /// Without packets.
    pub fn new(proof: Proof) -> Self {
        Self {
            features: Features::default(),
            proof,
            came: 0,
            offset_ns: clock_offset_ns(),
            delays: Histogram::default(),
            inside: Histogram::default(),
        }
    }

    /// Takes a packet: its bytes, and when it came by the monotonic clock, or by another one that does not go back.
    pub(super) fn packet(&mut self, frame: &[u8], time_ns: u64) {
        self.came += 1;
        if self.proof.drop_every.is_some_and(|every| self.came.is_multiple_of(every)) {
            return;
        }
        if !self.came.is_multiple_of(SAMPLE) {
            self.features.frame(frame, time_ns);
        } else {
            let begun = monotonic_ns();
            self.features.frame(frame, time_ns);
            let ended = monotonic_ns();
            self.inside.add(ended - begun);
            if let Some(stamp) = stamp(frame) {
                let made = stamp.time_ns.saturating_add_signed(-self.offset_ns);
                self.delays.add(ended.saturating_sub(made));
            }
        }
        if !self.proof.burn.is_zero() {
            burn(self.proof.burn);
        }
    }

    /// What it came to.
    pub(super) fn told(self) -> Told {
        Told {
            totals: self.features.totals(),
            flows: Some(self.features.flows()),
            delays: self.delays,
            from_stamp: true,
            inside: self.inside,
        }
    }
}

/// The stamp in a datagram.
fn stamp(frame: &[u8]) -> Option<Stamp> {
    match SlicedPacket::from_ethernet(frame).ok()?.transport? {
        TransportSlice::Udp(udp) => Stamp::read(udp.payload()),
        _ => None,
    }
}

/// Uses so much CPU time: of this thread, so that being interrupted by another one does not count.
fn burn(time: Duration) {
    let used = || ClockId::CLOCK_THREAD_CPUTIME_ID.now().map(Duration::from).unwrap_or(Duration::MAX);
    let end = used() + time;
    while used() < end {
        std::hint::spin_loop();
    }
}

/// Whether packet number `came` is one that is timed.
pub(super) fn is_sampled(came: u64) -> bool {
    came.is_multiple_of(SAMPLE)
}
