//! The kernel's monotonic clock, which stamps events, and stretches of it.

use plumb_records::column::Time;
use std::time::{Duration, Instant};

/// A moment of CLOCK_MONOTONIC, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    /// Now.
    pub fn now() -> Self {
        Self(plumb_kernel::support::monotonic_ns())
    }

    /// Later by `time`.
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// What is left until then.
    pub fn left(self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(Self::now().0))
    }

    /// The same moment for the standard library.
    pub fn instant(self) -> Instant {
        Instant::now() + self.left()
    }

    /// The same moment since the Unix epoch; `offset` is realtime less monotonic.
    pub fn time(self, offset: i64) -> Time {
        Time(self.0.saturating_add_signed(offset))
    }
}

/// From one moment to another.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Its first moment.
    pub start: Moment,
    /// Its last.
    pub end: Moment,
}

impl Span {
    /// Its length.
    pub fn duration(self) -> Duration {
        Duration::from_nanos(self.nanoseconds())
    }

    /// Its length in nanoseconds.
    pub fn nanoseconds(self) -> u64 {
        self.end.0.saturating_sub(self.start.0)
    }
}
