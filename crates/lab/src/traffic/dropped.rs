//! What the driver dropped of the frames that packet sockets handed to it.
//!
//! A packet socket hears that a frame was taken where the driver drops it silently (a veth does where its other end runs
//! NAPI), or later (behind a queueing discipline). The interface counts such frames, all threads' together; it does not
//! tell whose they are, so what it drops meanwhile of others' frames is taken for ours.

use super::network::Netlink;
use crate::Result;
use plumb_kernel::traffic::State;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the interface is asked while frames go out: it costs microseconds, and may wait for who sets interfaces up.
const EVERY: Duration = Duration::from_millis(20);

/// Time for a queue to pass on what it holds: another CPU may be at it. One that is held back for longer drops later.
const QUEUED: Duration = Duration::from_millis(2);

/// The account of an interface that sending threads share.
pub(super) struct Account {
    netlink: Netlink,
    ifindex: u32,
    /// Frames that the interface had dropped before.
    before: u64,
    /// What failed with an error is among what it dropped: no queue stands before it.
    has_failures: bool,
    /// Of all threads, as soon as they are told.
    failures: AtomicU64,
    /// Drops that threads have taken for theirs.
    owned: Mutex<u64>,
}

impl Account {
    /// Of the interface with `ifindex` of the calling thread's namespace, from now on.
    pub(super) fn open(ifindex: u32, queued: bool) -> Result<Arc<Self>> {
        let netlink = Netlink::open()?;
        let before = netlink.dropped(ifindex)?;
        let (failures, owned) = (AtomicU64::new(0), Mutex::new(0));
        Ok(Arc::new(Self { netlink, ifindex, before, has_failures: !queued, failures, owned }))
    }

    /// Drops that no thread knows of yet. May be negative: one thread has taken for silent drops what another one is
    /// being told of as errors.
    fn unowned(&self, owned: u64) -> i64 {
        // Where the interface is gone the next frame is an error.
        let Ok(dropped) = self.netlink.dropped(self.ifindex) else { return 0 };
        let known = owned + if self.has_failures { self.failures.load(Ordering::Relaxed) } else { 0 };
        dropped.wrapping_sub(self.before).cast_signed() - known.cast_signed()
    }
}

/// One thread's part of the account.
pub(super) struct Dropped {
    account: Arc<Account>,
    /// What the thread has told the account.
    failures: u64,
    silently: u64,
    /// Frames that were sent when it last asked.
    confirmed: u64,
    looked: Instant,
}

impl Dropped {
    pub(super) fn new(account: Arc<Account>) -> Self {
        Self { account, failures: 0, silently: 0, confirmed: 0, looked: Instant::now() }
    }

    /// Frames of this thread that were dropped without an error.
    pub(super) fn silently(&self) -> u64 {
        self.silently
    }

    /// Frames that were sent when the driver was last asked.
    pub(super) fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// After each call; `state` is what the socket was told.
    pub(super) fn look(&mut self, state: State, failures: u64) {
        self.account.failures.fetch_add(failures - self.failures, Ordering::Relaxed);
        self.failures = failures;
        if self.looked.elapsed() >= EVERY {
            self.take(state);
        }
    }

    /// What became of all frames so far, those included that a queue has not yet passed on.
    pub(super) fn settle(&mut self, state: State) {
        if !self.account.has_failures {
            std::thread::sleep(QUEUED);
        }
        self.take(state);
    }

    /// Asks how many frames the driver dropped, and takes as many for this thread's as it can have lost.
    fn take(&mut self, state: State) {
        let mut owned = self.account.owned.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = share(self.account.unowned(*owned), self.silently, state.offered - state.refused);
        *owned = *owned - self.silently + mine;
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
