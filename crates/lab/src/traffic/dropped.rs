//! What the driver dropped of the frames that packet sockets handed to it.
//!
//! A packet socket hears that a frame was taken where the driver drops it silently (a veth does where its other end runs
//! NAPI), or later (behind a queueing discipline). The interface counts such frames, all threads' together; it does not
//! tell whose they are, so what it drops meanwhile of others' frames is taken for ours.

use super::network::{Netlink, Passed};
use crate::{Error, Result};
use plumb_kernel::traffic::{Batches, State};
use std::io::IoSlice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::{Duration, Instant};

/// How often the interface is asked while frames go out: it costs microseconds, and may wait for who sets interfaces up.
const EVERY: Duration = Duration::from_millis(20);

/// How long a queue may take to pass on what it holds, where that is waited for, and how often it is looked at.
const QUEUED: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_micros(500);

/// The account of an interface that sending threads share.
pub(super) struct Account {
    /// Read by who is sending, written by who asks the interface: between a drop and the error that tells of it nobody
    /// asks.
    shared: RwLock<Shared>,
    ifindex: u32,
    /// What the interface had counted before.
    before: Passed,
    /// What failed with an error is among what it dropped: no queue stands before it.
    has_failures: bool,
    /// Of all threads.
    failures: AtomicU64,
    /// Frames that sockets took, likewise.
    taken: AtomicU64,
}

/// What the thread that asks uses.
struct Shared {
    netlink: Netlink,
    /// Drops that threads have taken for theirs.
    owned: u64,
}

impl Account {
    /// Of the interface with `ifindex` of the calling thread's namespace, from now on.
    pub(super) fn open(ifindex: u32, queued: bool) -> Result<Arc<Self>> {
        let netlink = Netlink::open()?;
        let before = netlink.passed(ifindex)?;
        let (failures, taken) = (AtomicU64::new(0), AtomicU64::new(0));
        let shared = RwLock::new(Shared { netlink, owned: 0 });
        Ok(Arc::new(Self { shared, ifindex, before, has_failures: !queued, failures, taken }))
    }

    /// Drops that no thread knows of yet. May be negative: of what others' frames were taken for.
    fn unowned(&self, shared: &Shared) -> i64 {
        // Where the interface is gone the next frame is an error.
        let Ok(passed) = shared.netlink.passed(self.ifindex) else { return 0 };
        let known = shared.owned + if self.has_failures { self.failures.load(Ordering::Relaxed) } else { 0 };
        passed.dropped.wrapping_sub(self.before.dropped).cast_signed() - known.cast_signed()
    }

    /// Whether a queue before the driver holds frames yet: neither sent nor dropped. Others' frames are counted too, so a
    /// few may be held all the same.
    fn holds_some(&self) -> bool {
        if self.has_failures {
            return false;
        }
        let Ok(passed) = self.shared().netlink.passed(self.ifindex) else { return false };
        let sent = passed.sent.wrapping_sub(self.before.sent);
        let dropped = passed.dropped.wrapping_sub(self.before.dropped);
        self.taken.load(Ordering::Relaxed) > sent + dropped
    }

    /// Without a carrier the kernel drops what it is given: up to 6.1 without an error and without a count (noop_enqueue in
    /// net/sched/sch_generic.c).
    fn has_carrier(&self) -> bool {
        match self.shared().netlink.link_at(self.ifindex) {
            Ok(link) => link.is_some_and(|link| link.up && link.carrier),
            Err(_) => true,
        }
    }

    fn shared(&self) -> RwLockWriteGuard<'_, Shared> {
        self.shared.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thread's part of the account.
pub(super) struct Dropped {
    account: Arc<Account>,
    /// What the thread has told the account.
    failures: u64,
    taken: u64,
    silently: u64,
    /// Frames that were sent when it last asked.
    confirmed: u64,
    looked: Instant,
}

impl Dropped {
    pub(super) fn new(account: Arc<Account>) -> Self {
        Self { account, failures: 0, taken: 0, silently: 0, confirmed: 0, looked: Instant::now() }
    }

    /// Frames of this thread that were dropped without an error.
    pub(super) fn silently(&self) -> u64 {
        self.silently
    }

    /// Frames that were sent when the driver was last asked.
    pub(super) fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// Sends frames, and asks the interface now and then what became of them.
    pub(super) fn send(&mut self, batches: &mut Batches, frames: &[IoSlice<'_>]) -> Result<()> {
        let account = Arc::clone(&self.account);
        let sending = account.shared.read().unwrap_or_else(PoisonError::into_inner);
        let sent = batches.send(frames);
        self.note(batches.state(), batches.failures());
        drop(sending);
        sent?;
        if self.looked.elapsed() >= EVERY {
            self.take(batches.state());
            if !account.has_carrier() {
                return Err(Error::Interface("the interface lost its carrier".to_owned()));
            }
        }
        Ok(())
    }

    fn note(&mut self, state: State, failures: u64) {
        self.account.failures.fetch_add(failures - self.failures, Ordering::Relaxed);
        self.failures = failures;
        let taken = state.offered - state.refused;
        self.account.taken.fetch_add(taken - self.taken, Ordering::Relaxed);
        self.taken = taken;
    }

    /// What became of all frames so far, those included that a queue has not yet passed on.
    pub(super) fn settle(&mut self, state: State) {
        let deadline = Instant::now() + QUEUED;
        while self.account.holds_some() && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
        self.take(state);
    }

    /// Asks how many frames the driver dropped, and takes as many for this thread's as it can have lost.
    fn take(&mut self, state: State) {
        let account = Arc::clone(&self.account);
        let mut shared = account.shared();
        let mine = share(self.account.unowned(&shared), self.silently, state.offered - state.refused);
        shared.owned = shared.owned - self.silently + mine;
        self.silently = mine;
        self.confirmed = state.offered - state.refused - mine;
        self.looked = Instant::now();
    }
}

/// How many silent drops are a thread's that had `silently`, when `unowned` more are nobody's, and it was told of `most`
/// frames that they were taken.
fn share(unowned: i64, silently: u64, most: u64) -> u64 {
    silently.saturating_add_signed(unowned).min(most)
}

#[cfg(test)]
mod tests {
    use super::share;
    use proptest::prelude::*;

    proptest! {
        /// Threads settle in any order, each after some of its drops; in the end all drops are somebody's, once.
        #[test]
        fn drops_are_shared_out_once(
            steps in proptest::collection::vec((0_usize..3, 0_u64..64, 0_u64..64, 0_u64..64), 1..60)
        ) {
            let (mut mine, mut taken, mut told) = ([0_u64; 3], [0_u64; 3], [0_u64; 3]);
            let (mut dropped, mut refused, mut silent) = (0_u64, 0_u64, 0_u64);
            let settle = |thread: usize, mine: &mut [u64; 3], dropped: u64, refused: u64, most: u64| {
                let owned: u64 = mine.iter().sum();
                let unowned = dropped.cast_signed() - (owned + refused).cast_signed();
                mine[thread] = share(unowned, mine[thread], most);
            };
            for (thread, sent, lost, error) in steps {
                // Of frames that were taken some are lost; an error is counted by the interface before it is told.
                let lost = lost.min(sent);
                (dropped, silent) = (dropped + lost + error, silent + lost);
                taken[thread] += sent;
                let other = (thread + 1) % 3;
                settle(other, &mut mine, dropped, refused, taken[other]);
                (refused, told[thread]) = (refused + error, told[thread] + error);
                settle(thread, &mut mine, dropped, refused, taken[thread]);
            }
            for thread in 0..3 {
                settle(thread, &mut mine, dropped, refused, taken[thread]);
                prop_assert!(mine[thread] <= taken[thread]);
            }
            prop_assert_eq!(mine.iter().sum::<u64>(), silent);
        }
    }
}
