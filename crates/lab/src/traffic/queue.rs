//! Frames of a capture on their way out: read ahead, each with its time.

use super::capture::{Capture, Frame};
use crate::Result;
use plumb_kernel::traffic::SLOTS;
use std::collections::VecDeque;
use std::path::PathBuf;

/// A capture as work: its timetable, and whether it begins anew at its end.
pub(super) struct Replay {
    pub(super) path: PathBuf,
    pub(super) as_timed: bool,
    pub(super) again: bool,
}

/// Frames of a capture ahead of their time.
pub(super) struct Queue<'a> {
    replay: &'a Replay,
    capture: Option<Capture>,
    pub(super) frames: VecDeque<Frame>,
    /// When they are due, in nanoseconds since the start.
    due: VecDeque<i128>,
    /// Time of the first frame of this round, and how long before it the first round began, in nanoseconds.
    origin: Option<i128>,
    passed: i128,
    last: i128,
}

impl<'a> Queue<'a> {
    pub(super) fn new(replay: &'a Replay) -> Self {
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
    pub(super) fn fill(&mut self) -> Result<()> {
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
    pub(super) fn next(&self) -> f64 {
        self.due.front().map_or(f64::INFINITY, |due| *due as f64 / 1e9)
    }

    pub(super) fn due(&self, now: f64) -> usize {
        self.due.iter().take_while(|due| **due as f64 / 1e9 <= now).count()
    }

    pub(super) fn pass(&mut self, times: usize) {
        self.frames.drain(..times.min(self.frames.len()));
        self.due.drain(..times.min(self.due.len()));
    }
}
