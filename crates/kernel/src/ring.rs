//! Consuming a ring: how the reader sleeps and is woken decides its delay and its cost.

use crate::error::{Class, Error};
use crate::mapped::Mapped;
use libbpf_rs::{ErrorKind, MapCore, PerfBuffer, PerfBufferBuilder, RingBuffer, RingBufferBuilder};
use nix::errno::Errno;
use nix::poll::ppoll;
use nix::sys::time::TimeSpec;
use std::cell::Cell;
use std::rc::Rc;
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

/// A reader of one ring, or of the perf buffers that stand for one, with its handler.
pub struct Ring<'cb> {
    source: Source<'cb>,
    /// Where programs see that the reader sleeps; perf buffers wake it by themselves.
    control: Option<&'cb Mapped>,
    wakeup: Wakeup,
}

enum Source<'cb> {
    Ring(RingBuffer<'cb>),
    /// With the count of records that were handed over, which the library does not tell.
    Perf(PerfBuffer<'cb>, Rc<Cell<usize>>),
}

impl Source<'_> {
    /// Hands over what is there, but little more than `most` records.
    fn take(&self, most: usize) -> Result<usize, Error> {
        match self {
            Self::Ring(ring) => count(ring.consume_raw_n(most)),
            // Ends by itself: it looks once at where each buffer's end is.
            Self::Perf(buffers, taken) => {
                let before = taken.get();
                buffers.consume().map_err(unreadable)?;
                Ok(taken.get().wrapping_sub(before))
            }
        }
    }

    /// Sleeps until a record wakes us and hands over what is there; `None` where a signal came first.
    fn sleep(&self, at_most: Duration) -> Result<Option<usize>, Error> {
        match self {
            Self::Ring(ring) => match ring.poll_raw(at_most) {
                woken if woken == -(Errno::EINTR as i32) => Ok(None),
                woken => count(woken).map(Some),
            },
            Self::Perf(buffers, taken) => {
                let before = taken.get();
                match buffers.poll(at_most) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
                    Err(error) => Err(unreadable(error)),
                    Ok(()) => Ok(Some(taken.get().wrapping_sub(before))),
                }
            }
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
        let ring = builder.build().map_err(failed)?;
        Ok(Self { source: Source::Ring(ring), control: Some(control), wakeup })
    }

    /// A reader of the perf event array `map`, with so many pages for each CPU, a power of two. What its buffers lose is
    /// counted where the program writes to them. Needs CAP_PERFMON.
    pub(crate) fn perf(
        map: &'cb impl MapCore,
        pages: usize,
        wakeup: Wakeup,
        mut handle: impl FnMut(&[u8]) + 'cb,
    ) -> Result<Self, Error> {
        let taken = Rc::new(Cell::new(0_usize));
        let counted = Rc::clone(&taken);
        let builder = PerfBufferBuilder::new(map).pages(pages).sample_cb(move |_, bytes: &[u8]| {
            counted.set(counted.get().wrapping_add(1));
            handle(bytes);
        });
        let buffers = builder.build().map_err(|error| {
            let class = match error.kind() {
                ErrorKind::PermissionDenied => Class::Privileges,
                _ => Class::Failed,
            };
            Error::new(class, "cannot open the perf buffers", error).help(
                "they need CAP_PERFMON; a smaller --ring-size needs less memory, --transport ring neither",
            )
        })?;
        Ok(Self { source: Source::Perf(buffers, taken), control: None, wakeup })
    }

    /// Hands over everything until the ring is empty: ends only where nothing is attached any more.
    pub fn drain(&self) -> Result<usize, Error> {
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
    pub fn consume_until(&self, deadline: Instant, stop: &mut dyn FnMut(bool) -> bool) -> Result<(), Error> {
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
    /// A record whose program read the announcement just before it was made wakes nobody, and epoll does not find it
    /// either, because it looks again only at files that were woken. So the ring is looked at once after the announcement
    /// and once more when such a record must have been submitted.
    fn sleep_until_woken(&self, at_most: Duration) -> Result<(), Error> {
        let announce = |idle| {
            if let Some(flag) = self.control.and_then(Mapped::flag) {
                flag.store(idle, Ordering::SeqCst);
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

fn count(status: i32) -> Result<usize, Error> {
    usize::try_from(status).map_err(|_| {
        Error::new(Class::Failed, "cannot read the event ring", std::io::Error::from_raw_os_error(-status))
    })
}

fn unreadable(error: libbpf_rs::Error) -> Error {
    Error::new(Class::Failed, "cannot read the perf buffers", error)
}
