//! Consuming a ring: how the reader sleeps and is woken decides its delay and its cost.

mod perf;
mod records;

use crate::error::Error;
use crate::mapped::Mapped;
use libbpf_rs::MapCore;
use nix::poll::ppoll;
use nix::sys::time::TimeSpec;
use perf::Buffers;
use records::Records;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How records are consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wakeup {
    /// Sleeps until the first record; while records keep coming, looks every [`COALESCE`] instead of being woken for
    /// each.
    Adaptive,
    /// Spins on a core: the lowest delay.
    Busy,
    /// Looks at set times: the lowest CPU.
    Interval(Duration),
}

/// How long the adaptive reader lets records gather once they come in batches.
pub const COALESCE: Duration = Duration::from_micros(500);

/// A look that finds this many records finds the reader in a stream rather than at a single event.
const STREAM: usize = 8;

/// Records taken in one go: in a flood the ring is never found empty, and the caller has a stop condition to look at,
/// outputs to flush, and an interval to keep.
const BATCH: usize = 4096;

/// The longest sleep, so that the caller's stop condition is looked at.
const LONGEST: Duration = Duration::from_millis(100);

/// The longest sleep of a reader of perf buffers: a record wakes it only once a buffer is rather full.
const LONGEST_PERF: Duration = Duration::from_millis(10);

/// A reader of one ring, or of the perf buffers that stand for one, with its handler.
pub struct Ring<'cb> {
    source: Source<'cb>,
    /// Where programs see that the reader sleeps; perf buffers wake it by themselves.
    control: Option<&'cb Mapped>,
    wakeup: Wakeup,
}

/// Takes a record's bytes.
type Handle<'cb> = Box<dyn FnMut(&[u8]) + 'cb>;

enum Source<'cb> {
    Ring(Records, Handle<'cb>),
    Perf(Buffers<'cb>),
}

impl Source<'_> {
    /// Hands over what is there, but little more than `most` records.
    fn take(&mut self, most: usize) -> Result<usize, Error> {
        match self {
            Self::Ring(records, handle) => Ok(records.take(most, handle)),
            Self::Perf(buffers) => buffers.take(),
        }
    }

    /// Sleeps until a record wakes us and hands over what is there; `None` where a signal came first.
    fn sleep(&mut self, at_most: Duration) -> Result<Option<usize>, Error> {
        match self {
            Self::Ring(records, handle) => Ok(records.sleep(at_most)?.then(|| records.take(BATCH, handle))),
            Self::Perf(buffers) => buffers.sleep(at_most.min(LONGEST_PERF)),
        }
    }
}

impl std::fmt::Debug for Ring<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").field("wakeup", &self.wakeup).finish_non_exhaustive()
    }
}

impl<'cb> Ring<'cb> {
    /// A reader of `map` that hands each record's bytes to `handle`.
    pub(crate) fn new(
        map: &dyn MapCore,
        control: &'cb Mapped,
        wakeup: Wakeup,
        handle: impl FnMut(&[u8]) + 'cb,
    ) -> Result<Self, Error> {
        let source = Source::Ring(Records::new(map)?, Box::new(handle));
        Ok(Self { source, control: Some(control), wakeup })
    }

    /// A reader of the perf event array `map`, with so many pages for each CPU, a power of two. What its buffers lose is
    /// counted where the program writes to them. Needs CAP_PERFMON.
    pub(crate) fn perf(
        map: &impl MapCore,
        pages: usize,
        wakeup: Wakeup,
        handle: impl FnMut(&[u8]) + 'cb,
    ) -> Result<Self, Error> {
        Ok(Self { source: Source::Perf(Buffers::new(map, pages, handle)?), control: None, wakeup })
    }

    /// Hands over everything until the ring is empty: ends only where nothing is attached any more.
    pub fn drain(&mut self) -> Result<usize, Error> {
        let mut all = 0;
        loop {
            match self.source.take(BATCH)? {
                0 => return Ok(all),
                some => all += some,
            }
        }
    }

    /// Consumes until `deadline`, or until `stop` says so. It is asked after each look, at least every 100 ms, and told
    /// whether a sleep comes next: then whatever the handler holds back should go.
    pub fn consume_until(
        &mut self,
        deadline: Instant,
        stop: &mut dyn FnMut(bool) -> bool,
    ) -> Result<(), Error> {
        loop {
            let consumed = self.source.take(BATCH)?;
            let sleeps = consumed < BATCH
                && match self.wakeup {
                    Wakeup::Busy => false,
                    Wakeup::Interval(_) => true,
                    Wakeup::Adaptive => consumed < STREAM,
                };
            let now = Instant::now();
            if now >= deadline || stop(sleeps) {
                return Ok(());
            }
            let left = (deadline - now).min(LONGEST);
            match self.wakeup {
                _ if consumed >= BATCH => {}
                Wakeup::Busy => std::hint::spin_loop(),
                Wakeup::Interval(period) => sleep(period.min(left)),
                Wakeup::Adaptive if sleeps => self.sleep_until_woken(left)?,
                Wakeup::Adaptive => sleep(COALESCE.min(left)),
            }
        }
    }

    /// Announces that the next record must wake us, then sleeps.
    ///
    /// A record whose program read the flag just before the announcement wakes nobody. So the ring is looked at once after
    /// the announcement and once more when such a record must have been submitted.
    fn sleep_until_woken(&mut self, at_most: Duration) -> Result<(), Error> {
        let control = self.control;
        let announce = |idle| {
            if let Some(control) = control {
                control.flag().store(idle, Ordering::SeqCst);
            }
        };
        announce(1);
        for wait in [COALESCE.min(at_most), at_most] {
            if self.source.take(BATCH)? > 0 || self.source.sleep(wait)? != Some(0) {
                break;
            }
        }
        announce(0);
        Ok(())
    }
}

/// A sleep that a signal ends.
fn sleep(time: Duration) {
    let _ = ppoll(&mut [], Some(TimeSpec::from_duration(time)), None);
}
