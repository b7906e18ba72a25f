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

    /// The first moment after `now` of those that follow this one, not later than `now`, each `interval` apart. In one
    /// step: after a stop of hours millions may have passed.
    pub fn beat_after(self, now: Self, interval: Duration) -> Self {
        let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1);
        let passed = now.0.saturating_sub(self.0) / interval;
        Self(self.0.saturating_add(interval.saturating_mul(passed + 1)))
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

#[cfg(test)]
mod tests {
    use super::Moment;
    use std::time::Duration;

    #[test]
    fn beats_that_were_missed_are_passed_over() {
        let beat = |now, interval| Moment(1000).beat_after(Moment(now), Duration::from_nanos(interval));
        assert_eq!(beat(1000, 10), Moment(1010));
        assert_eq!(beat(1009, 10), Moment(1010));
        assert_eq!(beat(1010, 10), Moment(1020));
        assert_eq!(beat(u64::MAX - 1, 1), Moment(u64::MAX), "at once, however many there were");
        assert_eq!(beat(1000, u64::MAX), Moment(u64::MAX), "further away than any run is long");
    }
}
