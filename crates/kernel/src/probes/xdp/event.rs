//! One packet as the program saw it.

use super::config::Action;
use crate::wire::{self, WrongSize, xdp_event};

/// A packet's verdict, size and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When the program was entered, by CLOCK_MONOTONIC.
    pub monotonic_ns: u64,
    /// Time from entry to verdict; without meaning where packets are not timed. 2^32 - 1 stands for that and more.
    pub processing_ns: u32,
    /// Length of the frame, fragments included.
    pub length: u32,
    /// Number of the interface among those of the run.
    pub interface: u16,
    /// CPU on which the program ran.
    pub cpu: u16,
    /// The verdict; `None` where it is none that we know.
    pub action: Option<Action>,
}

impl Event {
    /// Reads an event from the bytes that the transport hands over. A perf buffer fills them up to eight bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, WrongSize> {
        let size = size_of::<xdp_event>();
        let whole = if (size..size + 8).contains(&bytes.len()) { &bytes[..size] } else { bytes };
        let event: xdp_event = wire::read(whole)?;
        Ok(Self {
            monotonic_ns: event.time_ns,
            processing_ns: event.processing_ns,
            length: event.length,
            interface: event.interface,
            cpu: event.cpu,
            action: Action::of(u32::from(event.action)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decoding_is_total(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(Event::decode(&bytes).is_ok(), (24..32).contains(&bytes.len()));
        }
    }
}
