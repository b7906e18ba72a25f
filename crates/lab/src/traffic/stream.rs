//! One sending thread: from the timetable to calls, and what it counts.

use super::capture::{Capture, Frame};
use super::pace::{Pace, QUANTUM};
use super::transport::Transport;
use crate::{Error, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use plumb_kernel::support;
use plumb_kernel::traffic::SLOTS;
use plumb_records::histogram::Histogram;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a sleep may be before the end is looked for.
const NAP: Duration = Duration::from_millis(10);
/// An interface that has taken no frame for this long, though there were some, takes none any more.
const STUCK: Duration = Duration::from_secs(1);

/// Keeps the calling thread on a CPU of its own, where there are as many.
///
/// The receiving end of a veth polls on the CPU that woke it. A sender that moves away leaves it there, behind whatever
/// runs there, while its queue fills up (napi_schedule does nothing where it is scheduled already).
fn stay(number: u32) {
    let own = Pid::from_raw(0);
    let Ok(allowed) = sched_getaffinity(own) else { return };
    let cpus: Vec<usize> = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)).collect();
    // From the last one on: the first is where interrupts mostly are.
    if let Some(cpu) = cpus.iter().rev().cycle().nth(number as usize) {
        let mut one = CpuSet::new();
        // Where the kernel refuses, frames go out all the same.
        let _ = one.set(*cpu).and_then(|()| sched_setaffinity(own, &one));
    }
}

/// What a stream has done so far, for whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    offered: AtomicU64,
    bytes: AtomicU64,
    refused: AtomicU64,
    error: AtomicU32,
    /// When the stream ended, by CLOCK_MONOTONIC in nanoseconds; 0 before.
    ended: AtomicU64,
    timing: Mutex<Timing>,
}

/// How evenly frames went out.
#[derive(Clone, Debug, Default)]
pub struct Timing {
    /// From the time that a call's first frame was due to the call.
    pub late: Histogram,
    /// From one call to the next.
    pub gaps: Histogram,
}

/// The numbers of a stream, or of all.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// Frames handed to the kernel.
    pub offered: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Frames that the interface or its driver did not take.
    pub refused: u64,
    /// Why the last one was refused: an errno.
    pub error: Option<i32>,
    /// When the last stream ended, by CLOCK_MONOTONIC in nanoseconds; 0 where none has.
    pub ended: u64,
    /// How evenly.
    pub timing: Timing,
}

impl Sum {
    /// What came since `before`, an earlier reading.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            offered: self.offered - before.offered,
            bytes: self.bytes - before.bytes,
            refused: self.refused - before.refused,
            error: self.error,
            ended: self.ended,
            timing: Timing {
                late: self.timing.late.since(&before.timing.late),
                gaps: self.timing.gaps.since(&before.timing.gaps),
            },
        }
    }
}

impl Progress {
    /// Adds the numbers of this stream to `sum`.
    pub fn add_to(&self, sum: &mut Sum) {
        sum.offered += self.offered.load(Ordering::Relaxed);
        sum.bytes += self.bytes.load(Ordering::Relaxed);
        sum.refused += self.refused.load(Ordering::Relaxed);
        sum.error =
            i32::try_from(self.error.load(Ordering::Relaxed)).ok().filter(|errno| *errno > 0).or(sum.error);
        sum.ended = sum.ended.max(self.ended.load(Ordering::Relaxed));
        let timing = self.timing.lock().unwrap_or_else(PoisonError::into_inner);
        sum.timing.late.merge(&timing.late);
        sum.timing.gaps.merge(&timing.gaps);
    }
}

/// What a stream sends.
pub(super) enum Work {
    /// Frames of the plan, by number.
    Craft,
    /// Frames of a capture.
    Replay(Replay),
}

/// A capture as work: its timetable, and whether it begins anew at its end.
pub(super) struct Replay {
    pub(super) path: PathBuf,
    pub(super) as_timed: bool,
    pub(super) again: bool,
}

/// A stream that is ready to go.
pub(super) struct Stream<'a> {
    pub(super) transport: Transport,
    pub(super) pace: Pace,
    /// Which of the run's streams it is.
    pub(super) number: u32,
    /// Frames to be sent; `None`: until the time is over.
    pub(super) count: Option<u64>,
    pub(super) progress: &'a Progress,
    pub(super) stop: &'a AtomicBool,
    start: Instant,
    last: Option<Instant>,
    moved: (Instant, u64),
    refused: u64,
}

impl<'a> Stream<'a> {
    pub(super) fn new(
        transport: Transport,
        pace: Pace,
        progress: &'a Progress,
        stop: &'a AtomicBool,
    ) -> Self {
        let start = Instant::now();
        Self {
            transport,
            pace,
            number: 0,
            count: None,
            progress,
            stop,
            start,
            last: None,
            moved: (start, 0),
            refused: 0,
        }
    }

    /// Sends until there is nothing left to do, or `stop` says so.
    pub(super) fn run(mut self, start: Instant, work: Work) -> Result<()> {
        // Sleeps end when they are to, not up to 50 us later.
        let _ = nix::sys::prctl::set_timerslack(1);
        // At a rate there is time between calls, and a CPU that others use is worse than one that changes.
        if matches!(work, Work::Craft) && !self.pace.is_paced() {
            stay(self.number);
        }
        (self.start, self.moved.0) = (start, start);
        let result = match work {
            Work::Craft => self.craft(),
            Work::Replay(replay) => self.replay(&replay),
        };
        // The last frame has a turn as long as any other's.
        let turn = if self.pace.is_paced() { self.pace.at(self.transport.state().offered) } else { 0.0 };
        let left = if self.stopped() || result.is_err() { 0.0 } else { (turn - self.now()).max(0.0) };
        let ended = support::monotonic_ns().saturating_add((left.min(60.0) * 1e9) as u64);
        self.progress.ended.store(ended, Ordering::Relaxed);
        self.publish();
        result
    }

    fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Frames that may still be offered, by the count: those that were refused do not count as sent.
    fn left(&self) -> u64 {
        let state = self.transport.state();
        self.count.map_or(u64::MAX, |count| count.saturating_sub(state.offered - state.refused))
    }

    fn craft(&mut self) -> Result<()> {
        while !self.stopped() {
            let (offered, now, left) = (self.transport.state().offered, self.now(), self.left());
            self.pace.catch_up(offered, now);
            let due = self.pace.due(now).map_or(u64::MAX, |due| due.saturating_sub(offered)).min(left);
            if left == 0 || due == 0 && self.pace.over(now) {
                break;
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
        Ok(())
    }

    fn replay(&mut self, replay: &Replay) -> Result<()> {
        let mut queue = Queue::new(replay);
        queue.fill()?;
        // The first one may have gone out as a trial.
        queue.pass(usize::try_from(self.transport.state().offered).unwrap_or_default());
        while !self.stopped() {
            let (offered, now) = (self.transport.state().offered, self.now());
            queue.fill()?;
            let left = self.left();
            if left == 0 || queue.frames.is_empty() || self.pace.over(now) {
                break;
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
        Ok(())
    }

    /// Counts how late a call is, how long after the one before, and how many frames that concerns.
    fn note_call(&mut self, due: Option<f64>, now: f64, frames: u64) {
        let called = Instant::now();
        let mut timing = self.progress.timing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(due) = due {
            timing.late.add_times(((now - due).max(0.0) * 1e9) as u64, frames);
        }
        if let Some(last) = self.last {
            timing.gaps.add(u64::try_from((called - last).as_nanos()).unwrap_or(u64::MAX));
        }
        self.last = Some(called);
    }

    fn publish(&self) {
        let state = self.transport.state();
        self.progress.offered.store(state.offered, Ordering::Relaxed);
        self.progress.bytes.store(state.bytes, Ordering::Relaxed);
        self.progress.refused.store(state.refused, Ordering::Relaxed);
        self.progress.error.store(state.error, Ordering::Relaxed);
    }

    /// After a call that found `before` frames offered: something must move.
    fn check(&mut self, before: u64) -> Result<()> {
        self.publish();
        let state = self.transport.state();
        if state.offered == before && !self.stopped() {
            return Err(Error::Frame("the kernel's program made no frame".to_owned()));
        }
        if state.refused > self.refused && self.pace.is_paced() {
            // A full queue: whoever empties it may be waiting for this CPU.
            std::thread::sleep(QUANTUM);
        }
        self.refused = state.refused;
        let sent = state.offered - state.refused;
        if sent > self.moved.1 {
            self.moved = (Instant::now(), sent);
        } else if self.moved.0.elapsed() > STUCK && state.refused > 0 {
            let source = std::io::Error::from_raw_os_error(state.error.cast_signed());
            return Err(Error::Io { what: "the interface takes no more frames".to_owned(), source });
        }
        Ok(())
    }

    /// Sleeps until frames are due, in naps, and not so short that calls become small.
    fn sleep_until(&self, due: f64) {
        let batch = self
            .last
            .map_or(0.0, |last| (last + QUANTUM).saturating_duration_since(self.start).as_secs_f64());
        let time = Duration::try_from_secs_f64(due.max(batch) - self.now()).unwrap_or_default();
        std::thread::sleep(time.min(NAP));
    }
}

/// Frames of a capture ahead of their time.
struct Queue<'a> {
    replay: &'a Replay,
    capture: Option<Capture>,
    frames: VecDeque<Frame>,
    /// When they are due, in nanoseconds since the start.
    due: VecDeque<i128>,
    /// Time of the first frame of this round, and how long before it the first round began, in nanoseconds.
    origin: Option<i128>,
    passed: i128,
    last: i128,
}

impl<'a> Queue<'a> {
    fn new(replay: &'a Replay) -> Self {
        Self {
            replay,
            capture: None,
            frames: VecDeque::new(),
            due: VecDeque::new(),
            origin: None,
            passed: 0,
            last: 0,
        }
    }

    /// Reads ahead as far as one call may send. Times become nanoseconds since the start, and never go back.
    fn fill(&mut self) -> Result<()> {
        let mut found = true;
        while self.frames.len() < SLOTS as usize {
            let capture = match &mut self.capture {
                Some(capture) => capture,
                None if found => {
                    found = false;
                    self.capture.insert(Capture::open(&self.replay.path)?)
                }
                // A file without frames would be read for ever.
                None => return Ok(()),
            };
            match capture.frame()? {
                Some(frame) => {
                    found = true;
                    if let Some(time) = frame.time {
                        let origin = *self.origin.get_or_insert(time);
                        self.last = self.last.max(time.saturating_sub(origin).saturating_add(self.passed));
                    }
                    self.due.push_back(self.last);
                    self.frames.push_back(frame);
                }
                None if self.replay.again => {
                    (self.capture, self.origin, self.passed) = (None, None, self.last);
                }
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// When the next frame is due, in seconds since the start.
    fn next(&self) -> f64 {
        self.due.front().map_or(f64::INFINITY, |due| *due as f64 / 1e9)
    }

    fn due(&self, now: f64) -> usize {
        self.due.iter().take_while(|due| **due as f64 / 1e9 <= now).count()
    }

    fn pass(&mut self, times: usize) {
        self.frames.drain(..times.min(self.frames.len()));
        self.due.drain(..times.min(self.due.len()));
    }
}
