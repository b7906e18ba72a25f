//! What became of the packets: the kernel's counters, summed up.

use crate::wire::{latency_counters, latency_outcome};
use plumb_records::ledger::Ledger;

/// What became of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// An application has all of the packet's data.
    pub delivered: u64,
    /// The driver took it.
    pub transmitted: u64,
    /// The same, of a packet that was received.
    pub forwarded: u64,
    /// Freed as dropped.
    pub dropped: u64,
    /// By GRO into an earlier packet.
    pub merged: u64,
    /// Used up by the stack itself.
    pub consumed: u64,
    /// Its socket was closed before it was read.
    pub unread: u64,
    /// Freed unseen: its address belongs to another packet now.
    pub strayed: u64,
    /// On its way at the end.
    pub under_way: u64,
}

impl Outcomes {
    fn ended(&self) -> u64 {
        self.delivered
            + self.transmitted
            + self.forwarded
            + self.dropped
            + self.merged
            + self.consumed
            + self.unread
    }
}

/// The account of what the kernel counted. `skipped`: packets whose first hook the kernel skipped; `undecoded`: events that
/// were none.
pub(super) fn sum(counts: &[latency_counters], skipped: u64, undecoded: u64) -> (Ledger, Outcomes) {
    let (mut ledger, mut outcomes, mut faster, mut found) = (Ledger::default(), Outcomes::default(), 0, 0);
    for count in counts {
        let of = |outcome: latency_outcome| count.outcomes[outcome.0 as usize];
        ledger.seen += count.seen;
        ledger.filtered += count.filtered + count.faster + of(latency_outcome::LATENCY_FILTERED);
        ledger.sampled_out += count.sampled_out;
        ledger.ungrouped += count.ungrouped;
        ledger.emitted += count.emitted;
        ledger.lost_kernel += count.lost_ring;
        ledger.lost_table_full += count.no_room + of(latency_outcome::LATENCY_NO_ROOM);
        faster += count.faster;
        outcomes.delivered += of(latency_outcome::LATENCY_DELIVERED);
        outcomes.transmitted += of(latency_outcome::LATENCY_TRANSMITTED);
        outcomes.forwarded += of(latency_outcome::LATENCY_FORWARDED);
        outcomes.dropped += of(latency_outcome::LATENCY_DROPPED);
        outcomes.merged += of(latency_outcome::LATENCY_MERGED);
        outcomes.consumed += of(latency_outcome::LATENCY_CONSUMED);
        outcomes.unread += of(latency_outcome::LATENCY_UNREAD);
        outcomes.strayed += of(latency_outcome::LATENCY_STRAYED) + count.parked;
        found += count.found;
    }
    outcomes.strayed = outcomes.strayed.saturating_sub(found);
    // What ended and is no event was counted.
    let streamed = ledger.emitted + ledger.lost_kernel + faster;
    ledger.aggregated = outcomes.ended().saturating_sub(streamed);
    ledger.lost_kernel += outcomes.strayed;
    outcomes.under_way = ledger.seen.saturating_sub(ledger.accounted());
    ledger.aggregated += outcomes.under_way;
    ledger.seen += skipped;
    ledger.lost_kernel += skipped;
    ledger.lost_user = undecoded.min(ledger.emitted);
    ledger.emitted -= ledger.lost_user;
    (ledger, outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_packet_is_somewhere() {
        let mut count = latency_counters { seen: 100, filtered: 20, sampled_out: 10, ..Default::default() };
        count.outcomes[latency_outcome::LATENCY_DELIVERED.0 as usize] = 30;
        count.outcomes[latency_outcome::LATENCY_TRANSMITTED.0 as usize] = 20;
        count.outcomes[latency_outcome::LATENCY_STRAYED.0 as usize] = 5;
        count.no_room = 3;
        let (ledger, outcomes) = sum(&[count], 7, 0);
        assert_eq!((ledger.seen, ledger.aggregated, ledger.lost_kernel), (107, 62, 12));
        assert_eq!((outcomes.under_way, ledger.seen), (12, ledger.accounted()));
        (count.emitted, count.lost_ring, count.faster) = (25, 5, 20);
        // What got away and was found again is on its way.
        (count.parked, count.found) = (2, 2);
        let (ledger, outcomes) = sum(&[count], 0, 2);
        assert_eq!((ledger.emitted, ledger.lost_user, ledger.filtered), (23, 2, 40));
        assert_eq!((outcomes.under_way, ledger.seen), (12, ledger.accounted()));
        // Somebody else's, which was known late: no longer on its way.
        count.outcomes[latency_outcome::LATENCY_FILTERED.0 as usize] = 5;
        let (ledger, outcomes) = sum(&[count], 0, 0);
        assert_eq!((ledger.filtered, outcomes.under_way, ledger.seen), (45, 7, ledger.accounted()));
    }
}
