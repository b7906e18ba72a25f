//! What the probe is asked to do, and the kernel-side words for it.

use super::hooks::Mechanism;
use crate::filter;
use crate::ring::Wakeup;
use crate::wire::{latency_config, wakeup_mode};
use plumb_records::filter::Filter;
use std::time::Duration;

/// Journeys under way at once, where nothing else is asked for.
const JOURNEYS: u32 = 16384;
/// Thirty thousand events.
const RING: u32 = 8 << 20;

/// What is watched.
#[derive(Clone, Debug)]
pub struct Config {
    /// Packets that are taken up.
    pub filter: Filter,
    /// One packet in so many; 0 and 1: all.
    pub sample: u32,
    /// Journeys under way at once, rounded up to a power of two; `None` chooses.
    pub journeys: Option<u32>,
    /// The only mechanism beside tracepoints; `None`: the best that there is.
    pub mechanism: Option<Mechanism>,
    /// A record per packet whose way took at least this long, rather than histograms.
    pub events: Option<Duration>,
    /// Bytes of the event ring, rounded up to a power of two; `None` chooses.
    pub ring_size: Option<u32>,
    /// How events are consumed.
    pub wakeup: Wakeup,
}

impl Config {
    pub(super) fn journeys(&self) -> u32 {
        self.journeys.unwrap_or(JOURNEYS).clamp(2, 1 << 20).next_power_of_two()
    }

    /// Bytes of the event ring: the smallest one where there are no events for it.
    pub fn ring_bytes(&self) -> u32 {
        let asked = self.ring_size.unwrap_or(RING).clamp(4096, 1 << 30);
        if self.events.is_some() { asked.next_power_of_two() } else { 4096 }
    }

    pub(super) fn wire(&self) -> latency_config {
        latency_config {
            filter: filter::config_of(&self.filter),
            mask: self.journeys() - 1,
            sample: self.sample,
            slower_ns: self.events.map_or(0, |least| u64::try_from(least.as_nanos()).unwrap_or(u64::MAX)),
            events: u8::from(self.events.is_some()),
            wakeup: match self.wakeup {
                Wakeup::Adaptive => wakeup_mode::WAKEUP_ADAPTIVE,
                Wakeup::Busy | Wakeup::Interval(_) => wakeup_mode::WAKEUP_NEVER,
            }
            .0 as u8,
            ..latency_config::default()
        }
    }
}
