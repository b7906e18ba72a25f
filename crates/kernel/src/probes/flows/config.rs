//! What the flows probe is asked to keep, and the kernel-side words for it.

use crate::error::{Class, Error};
use crate::hook::Hooks;
use crate::ring::Wakeup;
use crate::support;
use crate::wire::{flows_config, flows_const, flows_entry, flows_first, flows_level, wakeup_mode};
use plumb_records::filter::Filter;
use plumb_records::flow::Level;
use std::mem::offset_of;
use std::time::Duration;

/// What to do with packets and which flows to keep how long.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which packets count.
    pub filter: Filter,
    /// How much of a flow is kept.
    pub level: Level,
    /// A flow without a packet for longer than this has ended.
    pub idle: Duration,
    /// A flow that lasts longer than this is cut into segments.
    pub active: Duration,
    /// How long a closed TCP connection is kept for stragglers; `None`: connections do not end flows.
    pub linger: Option<Duration>,
    /// A longer gap ends a period of activity.
    pub active_gap: Duration,
    /// First packets that are kept at [`Level::Full`].
    pub firsts: u32,
    /// One flow in so many is kept.
    pub sample: u32,
    /// Flows that there is room for at once.
    pub table_size: u32,
    /// Bytes of the ring for flows that a packet ends, rounded up to a power of two; `None` chooses.
    pub ring_size: Option<u32>,
    /// How the ring is consumed.
    pub wakeup: Wakeup,
    /// Where packets are seen.
    pub hooks: Hooks,
    /// Frames come from a capture, with their times: through XDP's program.
    pub capture: bool,
    /// What becomes of packets at XDP: benches drop them.
    pub drop: bool,
}

impl Default for Config {
    /// The defaults of the command.
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            level: Level::Stats,
            idle: Duration::from_secs(60),
            active: Duration::from_secs(120),
            linger: Some(Duration::from_secs(5)),
            active_gap: Duration::from_secs(5),
            firsts: 20,
            sample: 1,
            table_size: 65_536,
            ring_size: None,
            wakeup: Wakeup::Adaptive,
            hooks: Hooks::XDP,
            capture: false,
            drop: false,
        }
    }
}

const PAGE: u32 = 4096;
const RING: u32 = 4 << 20;
const LARGEST_RING: u32 = 1 << 30;
const LARGEST_TABLE: u32 = 16 << 20;
/// Sums of squares of gaps in microseconds fit 64 bits up to 2^32 us.
const LONGEST: Duration = Duration::from_secs(4294);
/// Slots for flows in a bucket of fifteen: with two buckets to choose from, fuller ones overflow too early.
const FILLED: u32 = 12;

impl Config {
    /// The most first packets that can be kept.
    pub const FIRSTS_MAX: u32 = flows_const::FLOWS_FIRST_MAX.0;

    /// Refuses what cannot be.
    pub(super) fn check(&self) -> Result<(), Error> {
        let refuse = |why: String| Err(Error::new(Class::Arguments, "cannot configure the flows probe", why));
        if self.active > LONGEST || self.idle > LONGEST {
            return refuse(format!("a flow's timeouts are at most {} s", LONGEST.as_secs()));
        }
        if self.firsts > Self::FIRSTS_MAX {
            return refuse(format!("at most {} first packets are kept", Self::FIRSTS_MAX));
        }
        if self.sample == 0 || self.table_size == 0 || self.table_size > LARGEST_TABLE {
            return refuse(format!(
                "the table has room for 1 to {LARGEST_TABLE} flows, and one in N is at least 1"
            ));
        }
        if self.ring_size.is_some_and(|size| size > LARGEST_RING) {
            return refuse(format!("a ring has at most {LARGEST_RING} bytes"));
        }
        Ok(())
    }

    /// Buckets of the table.
    pub(super) fn buckets(&self) -> u32 {
        self.table_size.div_ceil(FILLED).max(2)
    }

    /// Bytes of an entry at this level.
    pub fn entry_bytes(&self) -> usize {
        match self.level {
            Level::Basic => offset_of!(flows_entry, stats),
            Level::Stats => offset_of!(flows_entry, full),
            Level::Full => size_of::<flows_entry>() + self.firsts as usize * size_of::<flows_first>(),
        }
    }

    /// Bytes of the ring.
    pub fn ring_bytes(&self) -> u32 {
        self.ring_size.unwrap_or(RING).clamp(PAGE, LARGEST_RING).next_power_of_two()
    }

    /// The read-only data of the programs.
    pub(super) fn wire(&self, seeds: [u64; 6]) -> flows_config {
        let nanoseconds = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let level = match self.level {
            Level::Basic => flows_level::FLOWS_BASIC,
            Level::Stats => flows_level::FLOWS_STATS,
            Level::Full => flows_level::FLOWS_FULL,
        };
        let wakeup = match self.wakeup {
            Wakeup::Adaptive => wakeup_mode::WAKEUP_ADAPTIVE,
            Wakeup::Busy | Wakeup::Interval(_) => wakeup_mode::WAKEUP_NEVER,
        };
        flows_config {
            idle_ns: nanoseconds(self.idle),
            active_ns: nanoseconds(self.active),
            linger_ns: self.linger.map_or(0, nanoseconds),
            active_gap_us: u64::try_from(self.active_gap.as_micros()).unwrap_or(u64::MAX),
            seeds: seeds.map(|seed| seed | 1),
            // The share of 2^32 hashes; 0 stands for all.
            sample_below: if self.sample > 1 { u32::MAX / self.sample } else { 0 },
            buckets: self.buckets(),
            level: level.0,
            firsts: self.firsts,
            verdict: if self.drop { XDP_DROP } else { XDP_PASS },
            tcp_close: u8::from(self.linger.is_some()),
            capture: u8::from(self.capture),
            wakeup: wakeup.0 as u8,
            // What it gives is memory of the kernel, which takes CAP_PERFMON to read.
            kernel_context: u8::from(
                support::has_function("bpf_cast_to_kern_ctx") && support::lacking().is_none(),
            ),
            ..flows_config::default()
        }
    }
}

/// `enum xdp_action` of include/uapi/linux/bpf.h.
const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_prefixes_of_an_entry() {
        let bytes = |level| Config { level, ..Config::default() }.entry_bytes();
        assert!(bytes(Level::Basic) < bytes(Level::Stats) && bytes(Level::Stats) < bytes(Level::Full));
        assert!(bytes(Level::Basic).is_multiple_of(8) && bytes(Level::Full).is_multiple_of(8));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refused = [
            Config { active: Duration::from_secs(4295), ..Config::default() },
            Config { firsts: 65, ..Config::default() },
            Config { sample: 0, ..Config::default() },
            Config { table_size: 0, ..Config::default() },
        ];
        assert!(refused.iter().all(|config| config.check().is_err()));
        assert!(Config::default().check().is_ok());
    }

    #[test]
    fn there_are_slots_for_all_flows_and_some() {
        for table_size in [1, 11, 1000, 65_536] {
            let config = Config { table_size, ..Config::default() };
            assert!(config.buckets() * flows_const::FLOWS_SLOTS.0 > table_size);
        }
    }
}
