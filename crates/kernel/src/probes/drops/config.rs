//! What the drops probe is asked for, and the kernel-side words for it.

use crate::error::{Class, Error};
use crate::filter;
use crate::ring::Wakeup;
use crate::wire::{drop_group, drops_config, drops_const, drops_key, wakeup_mode};
use libbpf_rs::num_possible_cpus;
use plumb_records::filter::Filter;

/// A key that groups can have beyond reason, location, interface and namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "the names are the field names of the drop_group record, which documents them"
)]
pub enum Key {
    SrcIp,
    DstIp,
    SrcPort,
    DstPort,
    Protocol,
    Pid,
    Comm,
    Uid,
    Cgroup,
    Cpu,
    Family,
    Stack,
}

impl Key {
    /// Every key with the name of its field.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("src_ip", Self::SrcIp),
        ("dst_ip", Self::DstIp),
        ("src_port", Self::SrcPort),
        ("dst_port", Self::DstPort),
        ("protocol", Self::Protocol),
        ("pid", Self::Pid),
        ("comm", Self::Comm),
        ("uid", Self::Uid),
        ("cgroup", Self::Cgroup),
        ("cpu", Self::Cpu),
        ("family", Self::Family),
        ("stack", Self::Stack),
    ];

    fn bit(self) -> u32 {
        let key = match self {
            Self::SrcIp => drops_key::DROPS_KEY_SRC_IP,
            Self::DstIp => drops_key::DROPS_KEY_DST_IP,
            Self::SrcPort => drops_key::DROPS_KEY_SRC_PORT,
            Self::DstPort => drops_key::DROPS_KEY_DST_PORT,
            Self::Protocol => drops_key::DROPS_KEY_PROTOCOL,
            Self::Pid => drops_key::DROPS_KEY_PID,
            Self::Comm => drops_key::DROPS_KEY_COMM,
            Self::Uid => drops_key::DROPS_KEY_UID,
            Self::Cgroup => drops_key::DROPS_KEY_CGROUP,
            Self::Cpu => drops_key::DROPS_KEY_CPU,
            Self::Family => drops_key::DROPS_KEY_FAMILY,
            Self::Stack => drops_key::DROPS_KEY_STACK,
        };
        key.0
    }
}

/// What to observe and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// Grouping keys beyond the default ones; without meaning where `events` is set.
    pub keys: Vec<Key>,
    /// A record per packet instead of groups.
    pub events: bool,
    /// The common filter.
    pub filter: Filter,
    /// Keep only these reasons; all where empty. At most [`Config::REASONS_MAX`].
    pub reasons: Vec<u32>,
    /// Turn away these reasons. At most [`Config::REASONS_MAX`].
    pub not_reasons: Vec<u32>,
    /// Groups per CPU; `None` chooses by the keys.
    pub table_size: Option<u32>,
    /// Bytes of the event ring, rounded as [`Config::ring_bytes`] says; `None` chooses.
    pub ring_size: Option<u32>,
    /// How events are consumed.
    pub wakeup: Wakeup,
    /// Bytes of packet to capture with an event; 0 for none.
    pub snaplen: u32,
    /// Kernel stack with every event.
    pub stack: bool,
    /// Keep one packet in this many; 1 keeps all.
    pub sample: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            events: false,
            filter: Filter::default(),
            reasons: Vec::new(),
            not_reasons: Vec::new(),
            table_size: None,
            ring_size: None,
            wakeup: Wakeup::Adaptive,
            snaplen: 0,
            stack: false,
            sample: 1,
        }
    }
}

/// Groups of the default keys are few: reasons times call sites times interfaces.
const TABLE_PLACES: u32 = 4096;
/// Flows, processes and stacks are many. Each CPU has a table of its own, so that on a large machine each is smaller.
const TABLE_DETAILS: u32 = 32768;
const TABLE_DETAILS_ALL_CPUS: u32 = 1 << 19;
/// About 300 ms of half a million events a second: as long as a machine's disk or memory may hold a reader up. Measured
/// in docs/journal.
const RING: u32 = 32 << 20;
const RING_MAX: u32 = 1 << 30;
/// The verifier lets a program reach this far into one element of a map (BPF_MAX_VAR_OFF in
/// include/linux/bpf_verifier.h), and a CPU's bank is one element.
const BANK_MAX: usize = 1 << 29;

impl Config {
    /// Alternatives that `reasons` and `not_reasons` may have.
    pub const REASONS_MAX: usize = drops_const::DROPS_REASONS_MAX.0 as usize;
    /// The longest capture.
    pub const SNAPLEN_MAX: u32 = drops_const::DROPS_SNAPLEN_MAX.0;

    /// Refuses what the kernel side has no room for.
    pub(super) fn check(&self) -> Result<(), Error> {
        let refuse = |why: String| Err(Error::new(Class::Arguments, "cannot configure the drops probe", why));
        if let Err(error) = self.filter.check() {
            return refuse(error.to_string());
        }
        if self.reasons.len().max(self.not_reasons.len()) > Self::REASONS_MAX {
            return refuse(format!("at most {} reasons can be given", Self::REASONS_MAX));
        }
        if self.snaplen > Self::SNAPLEN_MAX {
            return refuse(format!("at most {} bytes of a packet can be captured", Self::SNAPLEN_MAX));
        }
        let most = (BANK_MAX / self.stride()) as u32;
        if self.table_size.is_some_and(|size| size == 0 || size > most) {
            return refuse(format!("a table has 1 to {most} groups per CPU with these keys"));
        }
        if self.ring_size.is_some_and(|size| size > RING_MAX) {
            return refuse(format!("a ring has at most {RING_MAX} bytes"));
        }
        Ok(())
    }

    /// The asked keys as bits of `enum drops_key`.
    pub(super) fn key_bits(&self) -> u32 {
        self.keys.iter().fold(0, |bits, key| bits | key.bit())
    }

    /// Whether groups carry more than their place.
    pub(super) fn has_details(&self) -> bool {
        self.key_bits() & drops_key::DROPS_KEYS_ENTRY.0 != 0
    }

    /// Whether the process is asked for, so that its context matters.
    pub(super) fn wants_context(&self) -> bool {
        self.events || self.key_bits() & drops_key::DROPS_KEYS_PROCESS.0 != 0
    }

    /// Groups per CPU: one unused slot where events are streamed instead.
    pub fn capacity(&self) -> u32 {
        let cpus = num_possible_cpus().map_or(1, |cpus| cpus as u32);
        let details = (TABLE_DETAILS_ALL_CPUS / cpus).clamp(TABLE_PLACES, TABLE_DETAILS);
        let chosen = if self.has_details() { details } else { TABLE_PLACES };
        if self.events { 1 } else { self.table_size.unwrap_or(chosen) }
    }

    /// Slots of the index: at most half of them are ever used.
    pub(super) fn index_slots(&self) -> u32 {
        (self.capacity() * 2).next_power_of_two()
    }

    /// Bytes of the event ring: a power of two of at least 4,096, and the smallest one where groups are counted instead.
    pub fn ring_bytes(&self) -> u32 {
        let asked = self.ring_size.unwrap_or(RING).clamp(4096, RING_MAX);
        if self.events { asked.next_power_of_two() } else { 4096 }
    }

    /// Bytes of a group in its bank.
    pub fn stride(&self) -> usize {
        if self.has_details() { size_of::<drop_group>() } else { std::mem::offset_of!(drop_group, details) }
    }

    /// The read-only data of the programs.
    pub(super) fn wire(&self) -> drops_config {
        let mut config = drops_config {
            filter: filter::config_of(&self.filter),
            n_reasons: self.reasons.len() as u32,
            n_not_reasons: self.not_reasons.len() as u32,
            keys: if self.events { 0 } else { self.key_bits() },
            capacity: self.capacity(),
            index_mask: self.index_slots() - 1,
            stride: self.stride() as u32,
            sample: self.sample,
            snaplen: self.snaplen.next_multiple_of(8),
            events: u8::from(self.events),
            stack: u8::from(self.stack),
            wakeup: match self.wakeup {
                Wakeup::Adaptive => wakeup_mode::WAKEUP_ADAPTIVE,
                Wakeup::Busy | Wakeup::Interval(_) => wakeup_mode::WAKEUP_NEVER,
            }
            .0 as u8,
            ..drops_config::default()
        };
        for (to, from) in config.reasons.iter_mut().zip(&self.reasons) {
            *to = *from;
        }
        for (to, from) in config.not_reasons.iter_mut().zip(&self.not_reasons) {
            *to = *from;
        }
        config
    }
}
