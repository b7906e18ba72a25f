//! What became of packets, added up over CPUs.

use crate::mapped::Mapped;
use crate::wire::flows_counters;

/// Packets as on the wire but where it says otherwise: `seen` is the sum of `filtered`, `sampled_out`, `passed_over`,
/// `malformed`, `counted`, `table_full` and `lock_timeout`.
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
    /// Added to a flow.
    pub counted: u64,
    /// Of flows that the table had no room for.
    pub table_full: u64,
    /// Of flows whose entry another CPU held for too long.
    pub lock_timeout: u64,
    /// Packets of flows that were counted and then lost with the record of their flow, because the ring was full.
    pub ended_lost: u64,
    /// Flows and segments that a packet ended.
    pub ended: u64,
    /// Flows that began.
    pub flows: u64,
    /// Flows and segments lost with `ended_lost`.
    pub flows_lost: u64,
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
            counted: sum.counted + bank.counted,
            table_full: sum.table_full + bank.table_full,
            lock_timeout: sum.lock_timeout + bank.lock_timeout,
            ended_lost: sum.ended_lost + bank.ended_lost,
            ended: sum.ended + bank.ended,
            flows: sum.flows + bank.flows,
            flows_lost: sum.flows_lost + bank.flows_lost,
        })
    }
}
