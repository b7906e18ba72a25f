//! Consuming a ring: how the reader sleeps and is woken decides its delay and its cost.

use crate::error::{Class, Error};
use crate::mapped::Mapped;
use libbpf_rs::{MapCore, RingBuffer, RingBufferBuilder};
use nix::errno::Errno;
use nix::poll::ppoll;
use nix::sys::time::TimeSpec;
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

/// A reader of one ring with its handler.
pub struct Ring<'cb> {
    ring: RingBuffer<'cb>,
    control: &'cb Mapped,
    wakeup: Wakeup,
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
        mut handle: impl FnMut(&[u8]) + 'cb,
    ) -> Result<Self, Error> {
        let mut builder = RingBufferBuilder::new();
        let failed = |error| Error::new(Class::Failed, "cannot map the event ring", error);
        builder
            .add(map, move |bytes| {
                handle(bytes);
                0
            })
            .map_err(failed)?;
        Ok(Self { ring: builder.build().map_err(failed)?, control, wakeup })
    }

    /// Hands over everything until the ring is empty: ends only where nothing is attached any more.
    pub fn drain(&self) -> Result<usize, Error> {
        count(self.ring.consume_raw())
    }

    /// Consumes until `deadline`, or until `stop` says so. It is asked after each look, at least every 100 ms, and told
    /// whether a sleep comes next: then whatever the handler holds back should go.
    pub fn consume_until(&self, deadline: Instant, stop: &mut dyn FnMut(bool) -> bool) -> Result<(), Error> {
        loop {
            let consumed = count(self.ring.consume_raw_n(BATCH))?;
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
    /// A record whose program read the announcement just before it was made wakes nobody, and epoll does not find it
    /// either, because it looks again only at files that were woken. So the ring is looked at once after the announcement
    /// and once more when such a record must have been submitted.
    fn sleep_until_woken(&self, at_most: Duration) -> Result<(), Error> {
        let announce = |idle| {
            if let Some(flag) = self.control.flag() {
                flag.store(idle, Ordering::SeqCst);
            }
        };
        announce(1);
        for wait in [COALESCE.min(at_most), at_most] {
            if count(self.ring.consume_raw_n(BATCH))? > 0 {
                break;
            }
            let woken = self.ring.poll_raw(wait);
            if woken == -(Errno::EINTR as i32) || count(woken)? > 0 {
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

fn count(status: i32) -> Result<usize, Error> {
    usize::try_from(status).map_err(|_| {
        Error::new(Class::Failed, "cannot read the event ring", std::io::Error::from_raw_os_error(-status))
    })
}
