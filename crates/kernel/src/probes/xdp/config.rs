//! What an XDP program of ours is asked to do, and the kernel-side words for it.

use crate::error::{Class, Error};
use crate::ring::Wakeup;
use crate::support;
use crate::wire::{wakeup_mode, xdp_config, xdp_transport};

/// What becomes of a packet: `enum xdp_action` of include/uapi/linux/bpf.h, whose numbers these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Dropped, and reported as an exception.
    Aborted = 0,
    /// Dropped.
    Drop = 1,
    /// Handed to the stack.
    Pass = 2,
    /// Sent back by the interface that it came in by.
    Tx = 3,
    /// Sent elsewhere.
    Redirect = 4,
}

impl Action {
    /// Every action, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Aborted, Self::Drop, Self::Pass, Self::Tx, Self::Redirect];

    /// The kernel's name, without its prefix.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aborted => "ABORTED",
            Self::Drop => "DROP",
            Self::Pass => "PASS",
            Self::Tx => "TX",
            Self::Redirect => "REDIRECT",
        }
    }

    /// The action with this number.
    pub fn of(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }
}

/// How events reach their reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One ring buffer for all CPUs.
    Ring,
    /// The perf event array: a buffer for each CPU.
    Perf,
}

/// What to do with packets and what to tell of them.
#[derive(Clone, Debug)]
pub struct Config {
    /// The verdict on packets that are not dropped at random.
    pub action: Action,
    /// Share of the packets that is dropped at random, from 0 to 1.
    pub drop_share: f64,
    /// Measure each packet from entry to verdict.
    pub time: bool,
    /// A record per packet.
    pub events: Option<Transport>,
    /// Write a line per packet to the kernel's trace pipe.
    pub print: bool,
    /// Bytes of the event ring, or of each CPU's perf buffer, rounded up to a power of two; `None` chooses.
    pub ring_size: Option<u32>,
    /// How events are consumed.
    pub wakeup: Wakeup,
}

impl Config {
    /// Counts one verdict and does nothing else.
    pub const fn of(action: Action) -> Self {
        Self {
            action,
            drop_share: 0.0,
            time: false,
            events: None,
            print: false,
            ring_size: None,
            wakeup: Wakeup::Adaptive,
        }
    }
}

/// Random numbers that the kernel has.
const ALL: u64 = 1 << 32;
const PAGE: u32 = 4096;
/// A million events: 200 ms of five million packets a second.
const RING: u32 = 32 << 20;
/// For each CPU.
const PERF: u32 = 8 << 20;
const LARGEST: u32 = 1 << 30;
/// The kernel allocates a perf buffer as one block of pages per CPU, and refuses larger ones long before.
const PERF_LARGEST: u32 = 256 << 20;

impl Config {
    /// Refuses what cannot be.
    pub(super) fn check(&self) -> Result<(), Error> {
        let refuse = |why: String| Err(Error::new(Class::Arguments, "cannot configure the xdp probe", why));
        if !(0.0..=1.0).contains(&self.drop_share) {
            return refuse("a share lies between 0 and 1".into());
        }
        // Neither none nor all, though the kernel's random numbers would have it so.
        if self.drop_share > 0.0 && self.drop_share < 1.0 && [0, ALL].contains(&self.drop_below()) {
            return refuse(format!(
                "a share of {}% is finer than the kernel's random numbers, which have 32 bits",
                self.drop_share * 100.0
            ));
        }
        let largest = if self.events == Some(Transport::Perf) { PERF_LARGEST } else { LARGEST };
        if self.ring_size.is_some_and(|size| size > largest) {
            return refuse(format!("a buffer for events has at most {largest} bytes"));
        }
        Ok(())
    }

    /// Bytes of the event ring: the smallest one where there are no events for it.
    pub(super) fn ring_bytes(&self) -> u32 {
        let asked = self.ring_size.unwrap_or(RING).clamp(PAGE, LARGEST);
        if self.events == Some(Transport::Ring) { asked.next_power_of_two() } else { PAGE }
    }

    /// Pages of each CPU's perf buffer.
    pub(super) fn perf_pages(&self) -> usize {
        let bytes = self.ring_size.unwrap_or(PERF).clamp(PAGE, PERF_LARGEST);
        (bytes / PAGE).next_power_of_two() as usize
    }

    /// Packets whose random number is below this are dropped.
    fn drop_below(&self) -> u64 {
        // The kernel's random numbers have 32 bits: the share of those below this is off by less than 2^-32.
        (self.drop_share * ALL as f64).round() as u64
    }

    /// Bytes of the buffer for events: of the ring, or of each CPU's perf buffer. `None` without events.
    pub fn buffer_bytes(&self) -> Option<u64> {
        match self.events? {
            Transport::Ring => Some(u64::from(self.ring_bytes())),
            Transport::Perf => Some(self.perf_pages() as u64 * u64::from(PAGE)),
        }
    }

    /// The read-only data of the program on the run's interface number `interface`.
    pub(super) fn wire(&self, interface: u16) -> xdp_config {
        let transport = match self.events {
            None => xdp_transport::XDP_TRANSPORT_NONE,
            Some(Transport::Ring) => xdp_transport::XDP_TRANSPORT_RING,
            Some(Transport::Perf) => xdp_transport::XDP_TRANSPORT_PERF,
        };
        let wakeup = match self.wakeup {
            Wakeup::Adaptive => wakeup_mode::WAKEUP_ADAPTIVE,
            Wakeup::Busy | Wakeup::Interval(_) => wakeup_mode::WAKEUP_NEVER,
        };
        xdp_config {
            drop_below: self.drop_below(),
            interface,
            action: self.action as u8,
            transport: transport.0 as u8,
            time: u8::from(self.time),
            print: u8::from(self.print),
            wakeup: wakeup.0 as u8,
            // What it gives is memory of the kernel, which takes CAP_PERFMON to read.
            kernel_context: u8::from(
                support::has_function("bpf_cast_to_kern_ctx") && support::lacking().is_none(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_become_thresholds() {
        let below = |drop_share| Config { drop_share, ..Config::of(Action::Pass) }.wire(0).drop_below;
        assert_eq!([0.0, 0.5, 1.0].map(below), [0, 1 << 31, 1 << 32]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for drop_share in [-0.1, 1.1, f64::NAN, 1e-11, 1.0 - 1e-11] {
            assert!(Config { drop_share, ..Config::of(Action::Pass) }.check().is_err());
        }
        assert!(Config { drop_share: 1.2e-10, ..Config::of(Action::Pass) }.check().is_ok());
        let large = Config { ring_size: Some(u32::MAX), ..Config::of(Action::Pass) };
        assert!(large.check().is_err());
    }

    #[test]
    fn buffers_are_as_large_as_they_are_said_to_be() {
        let of = |events, ring_size| Config { events, ring_size, ..Config::of(Action::Pass) }.buffer_bytes();
        assert_eq!(of(None, Some(5000)), None);
        assert_eq!(of(Some(Transport::Ring), Some(5000)), Some(8192));
        assert_eq!(of(Some(Transport::Perf), Some(20_000)), Some(16384));
        assert_eq!(of(Some(Transport::Ring), None), Some(32 << 20));
    }

    #[test]
    fn names_and_numbers() {
        for (number, action) in Action::ALL.into_iter().enumerate() {
            assert_eq!((action as usize, Action::of(number as u32)), (number, Some(action)));
        }
        assert_eq!(Action::of(5), None);
    }
}
