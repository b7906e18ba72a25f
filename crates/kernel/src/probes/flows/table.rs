//! The table of flows as user space sees it: through memory, beside programs that write to it.
//!
//! A word per slot says whose its entry is (`enum flows_word`). An entry is taken out in three steps: what is read shows
//! that the flow has ended; the word is marked as closing, which succeeds only where the word, and so the entry, is
//! still what was read; then it is nobody else's, is copied, and its slot is given free.

use super::entry::Entry;
use crate::error::Error;
use crate::mapped::Mapped;
use crate::wire::{flows_const, flows_entry, flows_tcp, flows_word};
use libbpf_rs::MapCore;
use std::mem::offset_of;
use std::sync::atomic::Ordering;

const SLOTS: usize = flows_const::FLOWS_SLOTS.0 as usize;
const LIVE: u32 = flows_word::FLOWS_LIVE.0;
const LOCKED: u32 = flows_word::FLOWS_LOCKED.0;
const CLOSING: u32 = flows_word::FLOWS_CLOSING.0;
const CLOSED: u8 = flows_tcp::FLOWS_CLOSED.0 as u8;

/// When flows end of which no packet comes any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    pub idle_ns: u64,
    /// `None`: connections do not end flows.
    pub linger_ns: Option<u64>,
}

/// Why a flow in the table has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Idle,
    Closed,
}

impl Timeouts {
    /// Whether a flow is over at `now_ns`. A packet that was stamped before may still be on its way to the table, so
    /// that callers give a moment that is past.
    fn over(self, last_ns: u64, closed_ns: Option<u64>, now_ns: u64) -> Option<Over> {
        let after = |moment: u64, time: u64| now_ns > moment.saturating_add(time);
        if let (Some(closed), Some(linger)) = (closed_ns, self.linger_ns)
            && after(closed, linger)
        {
            return Some(Over::Closed);
        }
        after(last_ns, self.idle_ns).then_some(Over::Idle)
    }
}

/// The mapped table.
#[derive(Debug)]
pub(super) struct Table {
    buckets: Mapped,
    entries: Mapped,
    entry_words: usize,
}

impl Table {
    pub(super) fn new(
        buckets: &impl MapCore,
        entries: &impl MapCore,
        entry_bytes: usize,
    ) -> Result<Self, Error> {
        Ok(Self {
            buckets: Mapped::new(buckets, true)?,
            entries: Mapped::new(entries, false)?,
            entry_words: entry_bytes / 8,
        })
    }

    /// Takes out what is over at `now_ns`, or everything without timeouts, and counts what stays.
    pub(super) fn take(
        &self,
        timeouts: Option<Timeouts>,
        now_ns: u64,
        taken: &mut dyn FnMut(Entry<'_>, Option<Over>),
    ) -> usize {
        let (mut stays, mut copy) = (0, vec![0; self.entry_words]);
        for bucket in 0..self.buckets.banks() {
            for slot in 0..SLOTS {
                let over = |number| match timeouts {
                    Some(timeouts) => self.is_over(number, timeouts, now_ns).map(Some),
                    None => Some(None),
                };
                match self.take_slot(bucket, slot, over, &mut copy) {
                    Taken::Nothing => {}
                    Taken::Stays => stays += 1,
                    Taken::Out(over) => taken(Entry::of(&copy), over),
                }
            }
        }
        stays
    }

    fn take_slot<T>(
        &self,
        bucket: usize,
        slot: usize,
        over: impl Fn(usize) -> Option<T>,
        copy: &mut [u64],
    ) -> Taken<T> {
        // The bucket's first half word is its lock.
        let Some(word) = self.buckets.halves(bucket).get(1 + slot) else { return Taken::Nothing };
        let number = bucket * SLOTS + slot;
        let found = word.load(Ordering::Acquire);
        if found & LIVE == 0 {
            return Taken::Nothing;
        }
        // Whoever holds it adds a packet to it: it is not over. At the end nobody does.
        let Some(reason) = over(number).filter(|_| found & (LOCKED | CLOSING) == 0) else {
            return Taken::Stays;
        };
        if word.compare_exchange(found, found | CLOSING, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return Taken::Stays;
        }
        for (to, from) in copy.iter_mut().zip(self.entries.words(number)) {
            *to = from.load(Ordering::Relaxed);
        }
        word.store(flows_word::FLOWS_FREE.0, Ordering::Release);
        Taken::Out(reason)
    }

    fn is_over(&self, number: usize, timeouts: Timeouts, now_ns: u64) -> Option<Over> {
        let words = self.entries.words(number);
        let word = |offset: usize| words.get(offset / 8).map_or(0, |word| word.load(Ordering::Relaxed));
        let tcp = word(offset_of!(flows_entry, tcp)).to_ne_bytes()[offset_of!(flows_entry, tcp) % 8];
        let closed = (tcp & CLOSED != 0).then(|| word(offset_of!(flows_entry, closed_ns)));
        timeouts.over(word(offset_of!(flows_entry, last_ns)), closed, now_ns)
    }
}

enum Taken<T> {
    Nothing,
    Stays,
    Out(T),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_first_is_why_a_flow_is_over() {
        let timeouts = Timeouts { idle_ns: 60, linger_ns: Some(5) };
        assert_eq!(timeouts.over(100, None, 160), None);
        assert_eq!(timeouts.over(100, None, 161), Some(Over::Idle));
        assert_eq!(timeouts.over(100, Some(100), 105), None);
        assert_eq!(timeouts.over(100, Some(100), 106), Some(Over::Closed));
        let endless = Timeouts { idle_ns: u64::MAX, linger_ns: None };
        assert_eq!(endless.over(u64::MAX, Some(0), u64::MAX), None);
    }
}
