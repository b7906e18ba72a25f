//! Interrupts, softirqs and NAPI polls: how long each took, and how much it did.

use crate::column::Time;
use crate::histogram::{Histogram, set_spread};

crate::record! {
    /// Times of an interrupt's handler or of a softirq, or what polling a NAPI instance did; of the whole machine.
    pub struct Irq<'a> = "irq" {
        time: Option<Time> as Time, "start of the interval; null in a run's total";
        duration_ns: u64 as Nanoseconds, "length of the interval or of the run";
        kind: &'a str as Text, "irq (a handler, from entry to exit), softirq_wait (from raised to entered), softirq (from entry to exit) or napi";
        number: Option<u32> as Id, "number of the interrupt, of the softirq's vector, or of the NAPI instance; null where that has none";
        name: Option<&'a str> as Text, "the action's name, the vector's, or the device's; backlog: the CPUs' own NAPI instances; null where it is not known";
        ifindex: Option<u32> as Id, "of napi, index of the device in its namespace";
        netns_cookie: Option<u64> as Id, "of napi, the kernel's number of that namespace: unique for the boot";
        samples: Option<u64> as Count, "times that were measured; null of napi";
        mean_ns: Option<u64> as Nanoseconds, "mean time";
        p50_ns: Option<u64> as Nanoseconds, "median, within 3.2 % as all percentiles";
        p90_ns: Option<u64> as Nanoseconds, "90th percentile";
        p99_ns: Option<u64> as Nanoseconds, "99th percentile";
        p999_ns: Option<u64> as Nanoseconds, "99.9th percentile";
        max_ns: Option<u64> as Nanoseconds, "the longest; in an interval, within 3.2 % where an earlier one was longer";
        polls: Option<u64> as Count, "of napi, calls of its poll function";
        packets: Option<u64> as Count, "of napi, packets that they took; what a poll does for completions is not in it";
        exhausted: Option<u64> as Count, "of napi, polls that used their whole budget: there was more to do";
    }
}
crate::plain_row!(Irq<'_>);

impl Irq<'_> {
    /// Sets the columns of a distribution.
    #[must_use]
    pub fn timed(mut self, times: &Histogram) -> Self {
        self.samples = Some(times.count());
        set_spread!(self, times);
        self
    }
}

crate::record! {
    /// What the `irq` records of a run lack, and joining packets to interrupts: written with --irq, before the ledger.
    pub struct IrqLedger = "irq_ledger" {
        unmatched: u64 as Count, "handlers whose entry or exit came alone, and softirqs whose raise was for an earlier one that was not seen";
        lost_irqs: u64 as Count, "handlers that found no room in the table of actions";
        lost_polls: u64 as Count, "polls that found no room in the table of NAPI instances";
        lost_vectors: u64 as Count, "softirqs with a vector that there is no place for";
        skipped: u64 as Count, "events that the kernel skipped, because a program interrupted itself";
        complete: bool as Bool, "true where all of them are 0";
        duration_ns: u64 as Nanoseconds, "time from readiness to detachment";
    }
}
crate::plain_row!(IrqLedger);

impl IrqLedger {
    /// Sets `complete` from the other fields.
    #[must_use]
    pub fn closed(mut self) -> Self {
        self.complete =
            self.unmatched + self.lost_irqs + self.lost_polls + self.lost_vectors + self.skipped == 0;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::IrqLedger;

    #[test]
    fn complete_only_where_nothing_lacks() {
        assert!(IrqLedger { duration_ns: 1, ..IrqLedger::default() }.closed().complete);
        for lacking in [
            IrqLedger { unmatched: 1, ..IrqLedger::default() },
            IrqLedger { lost_irqs: 1, ..IrqLedger::default() },
            IrqLedger { lost_polls: 1, ..IrqLedger::default() },
            IrqLedger { lost_vectors: 1, ..IrqLedger::default() },
            IrqLedger { skipped: 1, ..IrqLedger::default() },
        ] {
            assert!(!lacking.closed().complete);
        }
    }
}
