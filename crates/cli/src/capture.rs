//! Reading a capture: its frames go through the program that live packets go through, by BPF_PROG_TEST_RUN.

use crate::account;
use crate::anonymizing::Anonymizer;
use crate::failure::{Failure, Outcome};
use crate::outputs::Outputs;
use crate::pipeline::End;
use crate::plan::Run;
use crate::signals::Signals;
use plumb_kernel::session::Attached;
use plumb_lab::traffic::capture::{self, Frame};
use plumb_records::filter::Filter;
use std::path::Path;

/// Frames between two looks at the ring, the outputs and whether to stop: as many packets as the smallest ring holds.
const BATCH: usize = 32;

/// A capture whose first frame is read: what is none, or has frames that are not Ethernet's, is refused before anything begins.
pub struct Capture {
    file: capture::Capture,
    next: Option<Frame>,
    number: usize,
}

impl Capture {
    pub fn open(path: &Path) -> Outcome<Self> {
        let mut file = capture::Capture::open(path).map_err(|error| unreadable(&error))?;
        let next = file.frame().map_err(|error| unreadable(&error))?;
        Ok(Self { file, next, number: 0 })
    }

    /// The next frame and its time.
    fn frame(&mut self) -> Outcome<Option<(u64, Frame)>> {
        let Some(frame) = self.next.take() else { return Ok(None) };
        self.next = self.file.frame().map_err(|error| unreadable(&error))?;
        self.number += 1;
        let wrong = |what| Failure::failed(format!("frame {} of the capture has {what}", self.number));
        let time = frame.time.ok_or_else(|| wrong("no time"))?;
        let time = u64::try_from(time).map_err(|_| wrong("an impossible time"))?;
        Ok(Some((time, frame)))
    }
}

/// Refuses interfaces beside a capture. One that only the environment names is for other runs.
pub fn alone(interfaces: &[String]) -> Outcome<()> {
    let default = std::env::var("INTERFACE").ok();
    match interfaces.iter().find(|name| Some(*name) != default.as_ref()) {
        Some(name) => {
            Err(Failure::arguments(format!("--read takes packets from a capture, not from {name}"))
                .help("leave out one of --read and --interface"))
        }
        None => Ok(()),
    }
}

/// The error names the file.
fn unreadable(error: &plumb_lab::Error) -> Failure {
    Failure::failed(error.to_string())
}

/// What takes a capture's frames.
pub trait Frames {
    /// Puts a frame through the program: its time in ns, its length on the wire, and the bytes that there are of it.
    fn run(&mut self, time_ns: u64, length: u32, bytes: &[u8]) -> Outcome<()>;

    /// After each batch: takes what the program wrote. `latest` is the latest time so far. Why there is no more to do.
    fn settle(&mut self, latest_ns: u64) -> Outcome<Option<End>>;
}

/// The first words of a run on a capture.
pub fn begin(
    run: &Run,
    anonymizer: &Anonymizer,
    outputs: &mut Outputs,
    path: &Path,
    filter: &Filter,
    programs: &[Attached],
) {
    let filters = std::iter::once(format!("capture {}", path.display())).chain(anonymizer.filters(filter));
    let mechanisms = vec![("xdp".into(), "test run".into())];
    outputs.write_about(&account::anonymous_session(anonymizer, filters.collect(), mechanisms, 0));
    account::programs(run, programs);
}

/// Puts every frame through the program. Returns why it ended, and the latest time of a frame.
pub fn read(capture: &mut Capture, frames: &mut impl Frames, signals: &mut Signals) -> Outcome<(End, u64)> {
    let mut latest = 0;
    let why = loop {
        let Some((time, frame)) = capture.frame()? else { break End::Time };
        latest = time.max(latest);
        frames.run(time, frame.length, &frame.bytes)?;
        if !capture.number.is_multiple_of(BATCH) {
            continue;
        }
        let over = frames.settle(latest)?;
        if signals.stopped() {
            break End::Asked;
        }
        if let Some(end) = over {
            break end;
        }
    };
    Ok((why, latest))
}
