//! What became of the packets: the kernel's counters, summed up.

use crate::wire::{key_kind, latency_counters, latency_outcome};
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

/// How many packets the kernel's table has on their way. `keys`: its buckets. What is parked there was counted as lost sight
/// of already.
pub(super) fn held(keys: &[u8]) -> u64 {
    let (keys, _) = keys.as_chunks::<8>();
    let kind = |key: &[u8; 8]| key_kind((u64::from_ne_bytes(*key) & u64::from(key_kind::KEY_KINDS.0)) as u32);
    keys.iter().filter(|key| ON_THEIR_WAY.contains(&kind(key))).count() as u64
}

/// What keys are of packets on their way.
const ON_THEIR_WAY: [key_kind; 5] =
    [key_kind::KEY_RX, key_kind::KEY_TX, key_kind::KEY_WAITING, key_kind::KEY_SPLIT, key_kind::KEY_FOUND];

/// The account of what the kernel counted. `skipped`: packets whose first hook the kernel skipped; `undecoded`: events that
/// were none; `held`: packets on their way, `None` while programs run, when the counters are of no single moment.
pub(super) fn sum(
    counts: &[latency_counters],
    (skipped, undecoded): (u64, u64),
    held: Option<u64>,
) -> (Ledger, Outcomes) {
    let (mut ledger, mut outcomes, mut faster, mut found) = (Ledger::default(), Outcomes::default(), 0, 0);
    for count in counts {
        let of = |outcome: latency_outcome| count.outcomes[outcome.0 as usize];
        ledger.seen += count.seen;
        ledger.filtered += count.filtered + count.faster + of(latency_outcome::LATENCY_FILTERED);
        ledger.sampled_out += count.sampled_out;
        ledger.ungrouped += count.ungrouped;
        ledger.unstaged += count.no_stage;
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
    match held {
        Some(held) => ledger.under_way = held,
        None => {
            ledger.under_way = ledger.seen.saturating_sub(ledger.accounted());
            ledger.seen = ledger.accounted();
        }
    }
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
        (count.no_room, count.no_stage) = (3, 4);
        let (ledger, _) = sum(&[count], (7, 0), Some(12));
        assert_eq!((ledger.seen, ledger.aggregated, ledger.unstaged, ledger.lost_kernel), (107, 50, 4, 12));
        assert_eq!((ledger.under_way, ledger.balances()), (12, true));
        (count.emitted, count.lost_ring, count.faster) = (25, 5, 20);
        // What got away and was found again is on its way.
        (count.parked, count.found) = (2, 2);
        let (ledger, _) = sum(&[count], (0, 2), Some(12));
        assert_eq!((ledger.emitted, ledger.lost_user, ledger.filtered), (23, 2, 40));
        assert!(ledger.balances());
        // Somebody else's, which was known late: no longer on its way.
        count.outcomes[latency_outcome::LATENCY_FILTERED.0 as usize] = 5;
        let (ledger, _) = sum(&[count], (0, 0), Some(7));
        assert_eq!((ledger.filtered, ledger.balances()), (45, true));
    }

    #[test]
    fn what_is_missing_shows() {
        let count = latency_counters { seen: 10, filtered: 7, ..Default::default() };
        for held in [2, 4] {
            let (ledger, _) = sum(&[count], (0, 0), Some(held));
            assert_eq!((ledger.under_way, ledger.balances()), (held, false));
        }
        // While programs run, nobody knows better.
        let (ledger, _) = sum(&[count], (0, 0), None);
        assert_eq!((ledger.under_way, ledger.balances()), (3, true));
        let ahead = latency_counters { filtered: 11, ..count };
        let (ledger, _) = sum(&[ahead], (0, 0), None);
        assert_eq!((ledger.seen, ledger.under_way), (11, 0));
    }

    #[test]
    fn keys_of_packets_on_their_way() {
        // Free, received, sent, waiting, split, parked, found, and one that is being counted.
        let keys = [0, 0x1001, 0x1002, 0x1003, 0x1004, 0x1005, 0x1006, 8_u64];
        let bytes: Vec<u8> = keys.iter().flat_map(|key| key.to_ne_bytes()).collect();
        assert_eq!(held(&bytes), 5);
    }
}
