//! What the packets probe is asked for, and the kernel-side words for it.

use crate::error::{Class, Error};
use crate::filter;
use crate::hook::Hooks;
use crate::ring::Wakeup;
use crate::support;
use crate::wire::{packets_config, wakeup_mode};
use plumb_records::filter::Filter;

/// What to observe and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// Words about headers; those about processes, sockets and places are not looked at.
    pub filter: Filter,
    /// Keep one packet in this many; 1 keeps all.
    pub sample: u32,
    /// Bytes of the ring, rounded as [`Config::ring_bytes`] says; `None` chooses.
    pub ring_size: Option<u32>,
    /// How records are consumed.
    pub wakeup: Wakeup,
    /// Where packets are seen.
    pub hooks: Hooks,
    /// Frames come from a capture, with their times: through XDP's program.
    pub capture: bool,
    /// Drop packets once they are recorded, so that what recording costs can be measured.
    pub drop: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            sample: 1,
            ring_size: None,
            wakeup: Wakeup::Adaptive,
            hooks: Hooks::XDP,
            capture: false,
            drop: false,
        }
    }
}

/// About 2,000 records: several milliseconds of what one CPU hands over.
const RING: u32 = 256 << 10;
const RING_MAX: u32 = 1 << 30;

impl Config {
    /// Refuses what the kernel side has no room for.
    pub(super) fn check(&self) -> Result<(), Error> {
        let refuse =
            |why: String| Err(Error::new(Class::Arguments, "cannot configure the packets probe", why));
        if let Err(error) = self.filter.check() {
            return refuse(error.to_string());
        }
        if self.ring_size.is_some_and(|size| size > RING_MAX) {
            return refuse(format!("a ring has at most {RING_MAX} bytes"));
        }
        Ok(())
    }

    /// Bytes of the ring: a power of two of at least 4,096.
    pub fn ring_bytes(&self) -> u32 {
        self.ring_size.unwrap_or(RING).clamp(4096, RING_MAX).next_power_of_two()
    }

    /// The read-only data of the programs.
    pub(super) fn wire(&self) -> packets_config {
        let wakeup = match self.wakeup {
            Wakeup::Adaptive => wakeup_mode::WAKEUP_ADAPTIVE,
            Wakeup::Busy | Wakeup::Interval(_) => wakeup_mode::WAKEUP_NEVER,
        };
        packets_config {
            filter: filter::config_of(&self.filter),
            sample: self.sample,
            wakeup: wakeup.0 as u8,
            drop: self.drop.into(),
            capture: self.capture.into(),
            // What it gives is memory of the kernel, which takes CAP_PERFMON to read.
            kernel_context: (support::has_function("bpf_cast_to_kern_ctx") && support::lacking().is_none())
                .into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn rings_are_powers_of_two_within_bounds() {
        let of = |ring_size| Config { ring_size, ..Config::default() };
        assert_eq!([None, Some(1), Some(5000)].map(|size| of(size).ring_bytes()), [256 << 10, 4096, 8192]);
        assert!(of(Some(u32::MAX)).check().is_err() && of(Some(1 << 30)).check().is_ok());
    }
}
