//! What the probe is asked to do, and the kernel-side words for it.

use super::groups::Key;
use super::hooks::Mechanism;
use crate::error::{Class, Error};
use crate::filter;
use crate::ring::Wakeup;
use crate::wire::{histogram, latency_config, latency_const, owner_part, wakeup_mode};
use libbpf_rs::num_possible_cpus;
use plumb_records::filter::Filter;
use std::time::Duration;

/// Journeys under way at once, where nothing else is asked for.
const JOURNEYS: u32 = 32768;
/// Places of a bucket of the table.
const WAYS: u32 = latency_const::LATENCY_WAYS.0;
/// Sockets of either kind at least.
const SOCKETS_MIN: u32 = 64;
/// Thirty thousand events.
const RING: u32 = 8 << 20;

/// Groups, where nothing else is asked for.
const GROUPS: u32 = 32;

/// What is watched.
#[derive(Clone, Debug)]
pub struct Config {
    /// Packets that are taken up.
    pub filter: Filter,
    /// One packet in so many; 0 and 1: all.
    pub sample: u32,
    /// Journeys under way at once, rounded up to a power of two; `None` chooses.
    pub journeys: Option<u32>,
    /// What groups are told apart by; without effect on `events`.
    pub keys: Vec<Key>,
    /// How many groups there may be, up to [`Config::GROUPS_MAX`]; `None` chooses.
    pub groups: Option<u32>,
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
    /// The largest number of groups.
    pub const GROUPS_MAX: u32 = 1024;

    /// Groups that there may be; 0 where none were asked for.
    pub(super) fn groups(&self) -> u32 {
        match self.keys.is_empty() {
            true => 0,
            false => self.groups.unwrap_or(GROUPS).clamp(1, Self::GROUPS_MAX),
        }
    }

    /// Histograms of groups' stages.
    pub(super) fn group_stages(&self) -> u32 {
        self.groups() * latency_const::LATENCY_GROUP_STAGES.0
    }

    /// Bytes that the histograms of groups take on this machine; 0 without groups.
    pub fn group_bytes(&self) -> Result<u64, Error> {
        let histograms = u64::from(self.group_stages()) * u64::from(shards()?.0);
        Ok(histograms * size_of::<histogram>() as u64)
    }

    pub(super) fn journeys(&self) -> u32 {
        self.journeys.unwrap_or(JOURNEYS).clamp(WAYS, 1 << 20).next_power_of_two()
    }

    pub(super) fn buckets(&self) -> u32 {
        self.journeys() / WAYS
    }

    /// TCP sockets that are remembered: of as many packets as there may be, one in eight begins at one, or waits there.
    pub(super) fn sockets(&self) -> u32 {
        (self.journeys() / 8).max(SOCKETS_MIN)
    }

    /// The same of UDP sockets, whose queues are larger.
    pub(super) fn queues(&self) -> u32 {
        (self.journeys() / 32).max(SOCKETS_MIN)
    }

    /// Bytes of the event ring: the smallest one where there are no events for it.
    pub fn ring_bytes(&self) -> u32 {
        let asked = self.ring_size.unwrap_or(RING).clamp(4096, 1 << 30);
        if self.events.is_some() { asked.next_power_of_two() } else { 4096 }
    }

    /// Whether the filter asks for a packet's process, and for its socket.
    fn filters_owner(&self) -> (bool, bool) {
        let Filter { pids, comms, uids, cgroups, .. } = &self.filter;
        (!pids.is_empty() || !comms.is_empty(), !uids.is_empty() || !cgroups.is_empty())
    }

    /// Whether packets' processes are noted: for the filter, and for events.
    pub(super) fn wants_process(&self) -> bool {
        self.filters_owner().0 || self.events.is_some()
    }

    /// The same of users and cgroups, which groups may be of.
    fn wants_socket(&self) -> bool {
        self.filters_owner().1 || self.events.is_some() || self.keys.contains(&Key::Cgroup)
    }

    fn owners(&self) -> u32 {
        let part = |wanted: bool, part: owner_part| if wanted { part.0 } else { 0 };
        part(self.wants_process(), owner_part::OWNER_PROCESS)
            | part(self.wants_socket(), owner_part::OWNER_SOCKET)
    }

    /// `shards`: see [`shards`].
    pub(super) fn wire(&self, (shards, shared): (u32, bool)) -> latency_config {
        latency_config {
            keys: self.keys.iter().fold(0, |keys, key| keys | key.bit()),
            group_stages: self.group_stages(),
            shards: shards - 1,
            shared: u8::from(shared),
            filter: filter::config_of(&self.filter),
            mask: self.buckets() - 1,
            sockets: self.sockets() - 1,
            queues: self.queues() - 1,
            sample: self.sample,
            slower_ns: self.events.map_or(0, |least| u64::try_from(least.as_nanos()).unwrap_or(u64::MAX)),
            events: u8::from(self.events.is_some()),
            owners: self.owners() as u8,
            owned: u8::from(self.filters_owner() != (false, false)),
            wakeup: match self.wakeup {
                Wakeup::Adaptive => wakeup_mode::WAKEUP_ADAPTIVE,
                Wakeup::Busy | Wakeup::Interval(_) => wakeup_mode::WAKEUP_NEVER,
            }
            .0 as u8,
            ..latency_config::default()
        }
    }
}

/// How many histograms a group's stage has, a power of two, and whether CPUs share one.
pub(super) fn shards() -> Result<(u32, bool), Error> {
    let failed = |why| Error::new(Class::Failed, "cannot count the CPUs", why);
    let cpus = num_possible_cpus().map_err(failed)? as u32;
    let most = latency_const::LATENCY_SHARDS.0;
    Ok((cpus.next_power_of_two().min(most), cpus > most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_grow_with_the_table() {
        let sized = |journeys| {
            let config = Config {
                filter: Filter::default(),
                sample: 1,
                journeys,
                keys: Vec::new(),
                groups: None,
                mechanism: None,
                events: None,
                ring_size: None,
                wakeup: Wakeup::Busy,
            };
            (config.journeys(), config.sockets(), config.queues())
        };
        assert_eq!(sized(None), (32768, 4096, 1024));
        assert_eq!(sized(Some(100_000)), (131_072, 16384, 4096));
        assert_eq!(sized(Some(2)), (4, 64, 64));
    }
}
