//! One sending thread: from the timetable to calls.

use super::affinity::stay;
use super::pace::{Pace, QUANTUM};
use super::progress::Progress;
use super::queue::{Queue, Replay};
use super::target;
use super::transport::Transport;
use crate::{Error, Result};
use nix::errno::Errno;
use plumb_kernel::traffic::SLOTS;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a sleep may be before the end is looked for.
const NAP: Duration = Duration::from_millis(10);
/// An interface that has taken no frame for this long, though there were some, takes none any more.
const STUCK: Duration = Duration::from_secs(1);

/// What a stream sends.
pub(super) enum Work {
    /// Frames of the plan, by number.
    Craft,
    /// Frames of a capture.
    Replay(Replay),
}

/// What streams of a run share.
#[derive(Clone, Copy)]
pub(super) struct Common<'a> {
    /// Name and index of the interface.
    pub(super) interface: (&'a str, u32),
    pub(super) start: Instant,
    pub(super) stop: &'a AtomicBool,
}

/// A stream that is ready to go.
pub(super) struct Stream<'a> {
    pub(super) common: Common<'a>,
    pub(super) transport: Transport,
    pub(super) pace: Pace,
    /// Which of the run's streams it is.
    pub(super) number: u32,
    /// Frames to be sent; `None`: until the time is over.
    pub(super) count: Option<u64>,
    pub(super) progress: &'a Progress,
    pub(super) calls: Calls,
}

/// What is remembered of calls before.
pub(super) struct Calls {
    /// When the last one was.
    last: Option<Instant>,
    /// When the number of frames that were sent last rose, and to what.
    moved: (Instant, u64),
    /// Frames that were refused before the last one.
    refused: u64,
}

impl Calls {
    pub(super) fn none(start: Instant) -> Self {
        Self { last: None, moved: (start, 0), refused: 0 }
    }
}

impl Stream<'_> {
    /// Sends until there is nothing left to do, or it is told to stop.
    pub(super) fn run(mut self, work: Work) -> Result<()> {
        // Sleeps end when they are to, not up to 50 us later.
        let _ = nix::sys::prctl::set_timerslack(1);
        // At a rate there is time between calls, and a CPU that others use is worse than one that changes.
        if matches!(work, Work::Craft) && !self.pace.is_paced() {
            stay(self.number);
        }
        let all_sent = match work {
            Work::Craft => self.craft(),
            Work::Replay(replay) => self.replay(&replay),
        };
        // What is dropped after a count was found complete is another stream's, who sends it again.
        if self.unsent() > 0 {
            self.transport.settle();
        }
        self.progress.publish(self.transport.state());
        self.progress.end(matches!(all_sent, Ok(true)));
        all_sent.map(drop).map_err(|error| {
            // The others' frames would not go further.
            self.common.stop.store(true, Ordering::Relaxed);
            let (name, index) = self.common.interface;
            target::lost(name, index).map_or(error, Error::Interface)
        })
    }

    fn now(&self) -> f64 {
        self.common.start.elapsed().as_secs_f64()
    }

    fn stopped(&self) -> bool {
        self.common.stop.load(Ordering::Relaxed)
    }

    /// Frames of the count that are not known to be sent: those that were refused do not count.
    fn unsent(&self) -> u64 {
        let state = self.transport.state();
        self.count.map_or(u64::MAX, |count| count.saturating_sub(state.offered - state.refused))
    }

    /// The same; before the count is believed to be complete, the driver is asked.
    fn left(&mut self) -> u64 {
        if self.unsent() == 0 {
            self.transport.settle();
        }
        self.unsent()
    }

    /// Whether all of the count is sent; else the time is over.
    fn craft(&mut self) -> Result<bool> {
        while !self.stopped() {
            let left = self.left();
            let (offered, now) = (self.transport.state().offered, self.now());
            self.pace.catch_up(offered, now);
            let due = self.pace.due(now).map_or(u64::MAX, |due| due.saturating_sub(offered)).min(left);
            if left == 0 || due == 0 && self.pace.over(now) {
                return Ok(left == 0);
            }
            if due == 0 {
                self.sleep_until(self.pace.at(offered));
                continue;
            }
            let burst = self.pace.burst();
            let most = self.transport.most().min(burst.unwrap_or(u32::MAX));
            let times = u32::try_from(due).unwrap_or(u32::MAX).min(most);
            self.note_call(self.pace.is_paced().then(|| self.pace.at(offered)), now, u64::from(times));
            self.transport.craft(times)?;
            self.check(offered)?;
            if due > u64::from(times) && burst.is_some_and(|burst| burst < SLOTS) {
                // Behind, but not in a hurry: whoever takes the frames needs time too.
                std::thread::sleep(QUANTUM);
            }
        }
        Ok(false)
    }

    /// Whether the capture, or the count, is all sent; else the time is over.
    fn replay(&mut self, replay: &Replay) -> Result<bool> {
        let mut queue = Queue::new(replay);
        queue.fill()?;
        // The first one may have gone out as a trial.
        queue.pass(usize::try_from(self.transport.state().offered).unwrap_or_default());
        while !self.stopped() {
            let left = self.left();
            let (offered, now) = (self.transport.state().offered, self.now());
            queue.fill()?;
            if left == 0 || queue.frames.is_empty() || self.pace.over(now) {
                return Ok(!self.pace.over(now));
            }
            self.pace.catch_up(offered, now);
            let due = if replay.as_timed {
                queue.due(now)
            } else {
                self.pace.due(now).map_or(usize::MAX, |due| due.saturating_sub(offered) as usize)
            };
            let at = if replay.as_timed { queue.next() } else { self.pace.at(offered) };
            let times = due.min(queue.frames.len()).min(usize::try_from(left).unwrap_or(usize::MAX));
            if times == 0 {
                self.sleep_until(at);
                continue;
            }
            self.note_call((replay.as_timed || self.pace.is_paced()).then_some(at), now, times as u64);
            let (frames, _) = queue.frames.make_contiguous().split_at(times);
            self.transport.replay(frames)?;
            queue.pass(times);
            self.check(offered)?;
        }
        Ok(false)
    }

    /// Counts how late a call is, how long after the one before, and how many frames that concerns.
    fn note_call(&mut self, due: Option<f64>, now: f64, frames: u64) {
        let called = Instant::now();
        let mut timing = self.progress.timing();
        if let Some(due) = due {
            timing.late.add_times(((now - due).max(0.0) * 1e9) as u64, frames);
        }
        if let Some(last) = self.calls.last {
            timing.gaps.add(u64::try_from((called - last).as_nanos()).unwrap_or(u64::MAX));
        }
        self.calls.last = Some(called);
    }

    /// After a call that found `before` frames offered: something must move.
    fn check(&mut self, before: u64) -> Result<()> {
        let state = self.transport.state();
        self.progress.publish(state);
        if state.offered == before && !self.stopped() {
            return Err(Error::Frame("the kernel's program made no frame".to_owned()));
        }
        let refused = state.refused > self.calls.refused;
        self.calls.refused = state.refused;
        let sent = self.transport.confirmed();
        let errno = Errno::from_raw(state.error.cast_signed());
        if sent > self.calls.moved.1 {
            self.calls.moved = (Instant::now(), sent);
        } else if refused && (errno == Errno::ENODEV || self.calls.moved.0.elapsed() > STUCK) {
            let why = if state.error == 0 { "it drops each without a reason" } else { errno.desc() };
            let name = self.common.interface.0;
            return Err(Error::Interface(format!("interface {name} takes no more frames: {why}")));
        }
        if refused && self.pace.is_paced() {
            // A full queue: whoever empties it may be waiting for this CPU.
            std::thread::sleep(QUANTUM);
        }
        Ok(())
    }

    /// Sleeps until frames are due or the time is over, in naps, and not so short that calls become small.
    fn sleep_until(&self, due: f64) {
        let start = self.common.start;
        let batch = self
            .calls
            .last
            .map_or(0.0, |last| (last + QUANTUM).saturating_duration_since(start).as_secs_f64());
        let until = due.max(batch).min(self.pace.end());
        let time = Duration::try_from_secs_f64(until - self.now()).unwrap_or_default();
        std::thread::sleep(time.min(NAP));
    }
}
