//! When frames are due: at a rate over a time, in batches small enough to be even and large enough to be cheap.

use super::rate::Rate;
use std::time::Duration;

/// Frames within this time leave together: a wake-up costs some 25 us, a call 12 us.
pub(super) const QUANTUM: Duration = Duration::from_micros(100);
/// Who is behind by more than this does not make up for it: a burst would be no rate.
const PATIENCE: f64 = 0.1;

/// What a veth's poll takes at once (NAPI_POLL_WEIGHT), and what its ring holds.
const LEAST_BURST: u32 = 64;
const MOST_BURST: u32 = 256;

/// The timetable of one stream. Times are seconds since its start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Frames a second; `None`: whatever is possible.
    rate: Option<f64>,
    /// The first frame's time: streams of one run take turns.
    phase: f64,
    /// Time that was given up, because the stream was behind.
    slipped: f64,
    /// No frame is due from then on.
    end: f64,
}

impl Pace {
    /// The timetable of stream `stream` of `streams`, which share `rate`.
    pub(super) fn new(rate: Rate, stream: u32, streams: u32, time: Option<Duration>) -> Self {
        let (rate, phase) = match rate {
            Rate::Max => (None, 0.0),
            Rate::PerSecond(rate) => (Some(rate / f64::from(streams)), f64::from(stream) / rate),
        };
        Self { rate, phase, slipped: 0.0, end: time.map_or(f64::INFINITY, |time| time.as_secs_f64()) }
    }

    /// Whether nothing more will be due, once what is due at `now` is sent.
    pub(super) fn over(&self, now: f64) -> bool {
        now >= self.end
    }

    /// When nothing more will be due; infinite where there is no such time.
    pub(super) fn end(&self) -> f64 {
        self.end
    }

    /// How many frames are to have been sent by `now`; `None`: as many as possible.
    pub(super) fn due(&self, now: f64) -> Option<u64> {
        let Some(rate) = self.rate else { return if self.over(now) { Some(0) } else { None } };
        let since = now.min(self.end) - self.phase - self.slipped;
        if since < 0.0 {
            return Some(0);
        }
        let frames = since * rate;
        // The frame at the very end belongs to the time after it.
        Some(if now >= self.end { frames.ceil() } else { frames.floor() + 1.0 } as u64)
    }

    /// When frame `number` is due; the beginning of time where there is no rate.
    pub(super) fn at(&self, number: u64) -> f64 {
        self.rate.map_or(0.0, |rate| self.phase + self.slipped + number as f64 / rate)
    }

    /// How many frames leave together at most, where the stream is behind: enough to catch up at twice its rate, and at
    /// low rates little enough for a receiver's queue that is read slowly. `None` where frames have no time.
    pub(super) fn burst(&self) -> Option<u32> {
        let frames = self.rate? * QUANTUM.as_secs_f64() * 8.0;
        Some((frames.ceil() as u32).clamp(LEAST_BURST, MOST_BURST))
    }

    /// Whether frames have a time: those that go out as fast as possible are never late.
    pub(super) fn is_paced(&self) -> bool {
        self.rate.is_some()
    }

    /// Gives up time where frame `number`, the next one, is late by more than what can be made up for.
    pub(super) fn catch_up(&mut self, number: u64, now: f64) {
        if self.rate.is_some() {
            self.slipped += (now.min(self.end) - self.at(number) - PATIENCE).max(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_second_at_a_thousand_is_a_thousand_frames() {
        let pace = Pace::new(Rate::PerSecond(1000.0), 0, 1, Some(Duration::from_secs(1)));
        assert_eq!(pace.due(0.0), Some(1));
        assert_eq!(pace.due(0.0005), Some(1));
        assert_eq!(pace.due(0.0015), Some(2));
        assert_eq!(pace.due(1.0), Some(1000));
        assert_eq!(pace.due(7.0), Some(1000));
        assert!(pace.over(1.0) && !pace.over(0.999));
        let max = Pace::new(Rate::Max, 0, 1, Some(Duration::from_secs(1)));
        assert_eq!((max.due(0.5), max.due(1.0)), (None, Some(0)));
    }

    #[test]
    fn who_is_far_behind_gives_up_time() {
        let mut pace = Pace::new(Rate::PerSecond(100.0), 0, 1, None);
        pace.catch_up(0, 5.0);
        assert!(pace.due(5.0).is_some_and(|due| (10..=11).contains(&due)));
        assert!(pace.at(0) > 4.8);
    }

    proptest! {
        #[test]
        fn streams_share_the_rate(rate in 1.0_f64..1e6, streams in 1_u32..5, time in 0.0_f64..100.0) {
            let due = |stream| Pace::new(Rate::PerSecond(rate), stream, streams, None).due(time).unwrap_or(0);
            let sum: u64 = (0..streams).map(due).sum();
            let one = Pace::new(Rate::PerSecond(rate), 0, 1, None).due(time).unwrap_or(0);
            prop_assert!(sum.abs_diff(one) <= u64::from(streams), "{sum} {one}");
        }

        #[test]
        fn a_frame_is_due_when_it_says(rate in 0.1_f64..1e7, number in 0_u64..1_000_000) {
            let pace = Pace::new(Rate::PerSecond(rate), 0, 1, None);
            let due = pace.due(pace.at(number)).unwrap_or(0);
            prop_assert!(due.abs_diff(number + 1) <= 1);
        }
    }
}
