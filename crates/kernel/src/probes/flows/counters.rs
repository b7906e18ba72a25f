//! What became of packets, added up over CPUs.

use crate::mapped::Mapped;
use crate::wire::flows_counters;

/// Packets as on the wire: those that were seen and are in no other are in an entry of the table or in its record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that passed the hooks.
    pub seen: u64,
    /// Those that the filter kept out.
    pub filtered: u64,
    /// Of flows that are not among those kept.
    pub sampled_out: u64,
    /// Not IP.
    pub passed_over: u64,
    /// With an IP header that is not whole or not one.
    pub malformed: u64,
    /// Of flows that the table had no room for.
    pub table_full: u64,
    /// Of flows whose entry another CPU held for too long.
    pub lock_timeout: u64,
    /// Of flows whose record a full ring lost.
    pub ended_lost: u64,
}

impl Counters {
    pub(super) fn read(banks: &Mapped) -> Self {
        let banks = (0..banks.banks()).filter_map(|cpu| banks.read::<flows_counters>(cpu, 0));
        banks.fold(Self::default(), |sum, bank| Self {
            seen: sum.seen + bank.seen,
            filtered: sum.filtered + bank.filtered,
            sampled_out: sum.sampled_out + bank.sampled_out,
            passed_over: sum.passed_over + bank.passed_over,
            malformed: sum.malformed + bank.malformed,
            table_full: sum.table_full + bank.table_full,
            lock_timeout: sum.lock_timeout + bank.lock_timeout,
            ended_lost: sum.ended_lost + bank.ended_lost,
        })
    }
}
