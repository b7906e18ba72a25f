//! What streams count, for whoever shows it.

use plumb_kernel::support;
use plumb_kernel::traffic::State;
use plumb_records::histogram::Histogram;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a stream has done so far, for whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    offered: AtomicU64,
    bytes: AtomicU64,
    refused: AtomicU64,
    error: AtomicU32,
    /// When the stream ended, by CLOCK_MONOTONIC in nanoseconds; 0 before.
    ended: AtomicU64,
    /// It ended because nothing was left to send, not because its time was over.
    all_sent: AtomicBool,
    timing: Mutex<Timing>,
}

/// How evenly frames went out.
#[derive(Clone, Debug, Default)]
pub struct Timing {
    /// From the time that a call's first frame was due to the call.
    pub late: Histogram,
    /// From one call to the next.
    pub gaps: Histogram,
}

/// The numbers of a stream, or of all.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// Frames handed to the kernel.
    pub offered: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Frames that the interface or its driver did not take.
    pub refused: u64,
    /// Why the last one was refused: an errno.
    pub error: Option<i32>,
    /// When the last stream ended, by CLOCK_MONOTONIC in nanoseconds; 0 where none has.
    pub ended: u64,
    /// A stream ended because nothing was left to send: its end is that of its last frame, not that of a time.
    pub all_sent: bool,
    /// How evenly.
    pub timing: Timing,
}

impl Sum {
    /// What came since `before`, an earlier reading.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            offered: self.offered - before.offered,
            bytes: self.bytes - before.bytes,
            // Threads may give back what they took for theirs of what a driver dropped.
            refused: self.refused.saturating_sub(before.refused),
            error: self.error,
            ended: self.ended,
            all_sent: self.all_sent,
            timing: Timing {
                late: self.timing.late.since(&before.timing.late),
                gaps: self.timing.gaps.since(&before.timing.gaps),
            },
        }
    }
}

impl Progress {
    /// The stream's numbers are these now.
    pub(super) fn publish(&self, state: State) {
        self.offered.store(state.offered, Ordering::Relaxed);
        self.bytes.store(state.bytes, Ordering::Relaxed);
        self.refused.store(state.refused, Ordering::Relaxed);
        self.error.store(state.error, Ordering::Relaxed);
    }

    /// The stream ends now.
    pub(super) fn end(&self, all_sent: bool) {
        self.ended.store(support::monotonic_ns(), Ordering::Relaxed);
        self.all_sent.store(all_sent, Ordering::Relaxed);
    }

    pub(super) fn timing(&self) -> MutexGuard<'_, Timing> {
        self.timing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the numbers of this stream to `sum`.
    pub fn add_to(&self, sum: &mut Sum) {
        sum.offered += self.offered.load(Ordering::Relaxed);
        sum.bytes += self.bytes.load(Ordering::Relaxed);
        sum.refused += self.refused.load(Ordering::Relaxed);
        sum.error =
            i32::try_from(self.error.load(Ordering::Relaxed)).ok().filter(|errno| *errno > 0).or(sum.error);
        sum.ended = sum.ended.max(self.ended.load(Ordering::Relaxed));
        sum.all_sent |= self.all_sent.load(Ordering::Relaxed);
        let timing = self.timing();
        sum.timing.late.merge(&timing.late);
        sum.timing.gaps.merge(&timing.gaps);
    }
}
