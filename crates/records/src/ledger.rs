//! What was seen, filtered, lost, and whether the output is complete.

crate::record! {
    /// The account of a run since readiness: so far, or, in the last one, whole. The unit is the packet, except where a
    /// field says otherwise.
    pub struct Ledger = "ledger" {
        seen: u64 as Count, "packets that reached the hook, those that the kernel skipped included";
        filtered: u64 as Count, "packets that a filter or the noise list turned away, or that came after the last one of --count";
        hidden: u64 as Count, "packets within `filtered` that the noise list turned away";
        sampled_out: u64 as Count, "packets passed over by --sample";
        passed_over: u64 as Count, "of `packets`: frames that are not IP, or not whole, and so become no record";
        aggregated: u64 as Count, "packets counted in groups";
        ungrouped: u64 as Count, "packets within `aggregated` that are counted in the overflow group only";
        unstaged: u64 as Count, "packets within `aggregated` that are missing in a stage of their way, because no more stages are told apart (latency)";
        emitted: u64 as Count, "packets that became a record of their own";
        lost_kernel: u64 as Count, "packets lost in the kernel: no room in the ring, or skipped because the program interrupted itself";
        lost_table_full: u64 as Count, "packets lost because a table was full and no overflow group took them";
        lost_user: u64 as Count, "packets lost between the ring and the output";
        under_way: u64 as Count, "packets still on their way at the end (latency): found in the kernel's tables after detachment; before the end what is in no other account";
        records: u64 as Count, "records written";
        complete: bool as Bool, "true where nothing was lost, ungrouped, unstaged or sampled out";
        duration_ns: u64 as Nanoseconds, "time from readiness to detachment, or to the interval's end with --ledger";
        cost_cpu_ns: Option<u64> as Nanoseconds, "CPU time of this process since it started";
        cost_bpf_ns: Option<u64> as Nanoseconds, "run time of the attached programs; null where the kernel's BPF statistics are off";
        peak_rss_bytes: Option<u64> as Bytes, "largest resident memory of this process";
    }
}
crate::plain_row!(Ledger);

impl Ledger {
    /// The packets that the right-hand side of the balance accounts for.
    pub fn accounted(&self) -> u64 {
        self.filtered
            + self.sampled_out
            + self.passed_over
            + self.aggregated
            + self.emitted
            + self.lost_kernel
            + self.lost_table_full
            + self.lost_user
            + self.under_way
    }

    /// Packets that are in no record.
    pub fn lost(&self) -> u64 {
        self.lost_kernel + self.lost_table_full + self.lost_user
    }

    /// `seen` equals the sum of what became of the packets.
    pub fn balances(&self) -> bool {
        self.seen == self.accounted()
    }

    /// The same where so many packets that were written are lost after all.
    #[must_use]
    pub fn losing(mut self, packets: u64) -> Self {
        let emitted = packets.min(self.emitted);
        let aggregated = (packets - emitted).min(self.aggregated);
        self.emitted -= emitted;
        self.aggregated -= aggregated;
        self.lost_user += emitted + aggregated;
        self
    }

    /// Sets `complete` from the other fields.
    #[must_use]
    pub fn closed(mut self) -> Self {
        let partly = self.ungrouped + self.unstaged + self.sampled_out;
        self.complete = self.lost() == 0 && partly == 0 && self.balances();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Ledger;

    #[test]
    fn what_is_lost_late_moves() {
        let ledger = Ledger { seen: 10, emitted: 3, aggregated: 7, ..Ledger::default() }.losing(5).closed();
        assert_eq!((ledger.emitted, ledger.aggregated, ledger.lost_user), (0, 5, 5));
        assert!(ledger.balances() && !ledger.complete);
        let all = Ledger { seen: 10, emitted: 3, aggregated: 7, ..Ledger::default() }.losing(11);
        assert!(all.balances() && all.lost_user == 10);
    }

    #[test]
    fn complete_only_without_loss() {
        let whole = Ledger { seen: 10, filtered: 4, aggregated: 6, ..Ledger::default() };
        assert!(whole.clone().closed().complete);
        assert!(!Ledger { seen: 11, lost_kernel: 1, ..whole.clone() }.closed().complete);
        assert!(!Ledger { ungrouped: 1, ..whole.clone() }.closed().complete);
        assert!(!Ledger { unstaged: 1, ..whole.clone() }.closed().complete);
        assert!(
            Ledger { seen: 12, under_way: 2, ..whole.clone() }.closed().complete,
            "nothing of it is missing"
        );
        assert!(
            !Ledger { seen: 11, ..whole }.closed().complete,
            "an account that does not balance is not complete"
        );
    }
}
