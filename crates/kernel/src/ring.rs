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

    /// Consumes until `deadline`, or until `stop` says so; `stop` is asked at least every 100 ms.
    pub fn consume_until(&self, deadline: Instant, stop: &mut dyn FnMut() -> bool) -> Result<(), Error> {
        loop {
            let consumed = count(self.ring.consume_raw_n(BATCH))?;
            let now = Instant::now();
            if now >= deadline || stop() {
                return Ok(());
            }
            if consumed >= BATCH {
                continue;
            }
            let left = (deadline - now).min(LONGEST);
            match self.wakeup {
                Wakeup::Busy => std::hint::spin_loop(),
                Wakeup::Interval(period) => sleep(period.min(left)),
                Wakeup::Adaptive if consumed >= STREAM => sleep(COALESCE.min(left)),
                Wakeup::Adaptive => self.sleep_until_woken(left)?,
            }
        }
    }

    /// Announces that the next record must wake us, then sleeps; a record that came in between ends the sleep at once,
    /// because the ring's poll is level triggered.
    fn sleep_until_woken(&self, at_most: Duration) -> Result<(), Error> {
        let idle = self.control.flag();
        if let Some(idle) = idle {
            idle.store(1, Ordering::SeqCst);
        }
        let woken = self.ring.poll_raw(at_most);
        if let Some(idle) = idle {
            idle.store(0, Ordering::SeqCst);
        }
        if woken == -(Errno::EINTR as i32) { Ok(()) } else { count(woken).map(drop) }
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
