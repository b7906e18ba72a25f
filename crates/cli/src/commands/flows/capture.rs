//! Flows of a capture.

use super::asked::Asked;
use super::writer::Writer;
use crate::capture::{self, Capture, Frames};
use crate::clock::{Moment, Span};
use crate::failure::{Exit, Outcome};
use crate::hooks::view::tell_others;
use crate::outputs::Outputs;
use crate::pipeline::{self, End};
use crate::plan::Run;
use crate::signals::Signals;
use crate::{account, text};
use plumb_kernel::probes::flows::{self, Entry, Flows};
use plumb_kernel::ring::Ring;
use plumb_kernel::session::Storage;
use std::cell::RefCell;
use std::path::Path;

/// Frames may be late by so much; flows that ended before are written while the capture is read.
const LATE_NS: u64 = 10_000_000_000;
/// Capture time between two looks through the table.
const SCAN_NS: u64 = 1_000_000_000;

/// Reads a capture.
pub fn run(run: &Run, asked: &Asked, path: &Path) -> Outcome<Exit> {
    let mut capture = Capture::open(path)?;
    let mut signals = Signals::install()?;
    let mut storage = Storage::new();
    let flows = Flows::load(&mut storage, &asked.config)?;
    let mut outputs = Outputs::open(run, asked.layout())?;
    // Sizes of programs are told to the privileged alone.
    let programs = flows.facts();
    let ready = pipeline::ready(run, None)?;
    capture::begin(run, &asked.anonymizer, &mut outputs, path, &asked.config.filter, &programs);
    let both = RefCell::new(Both { writer: Writer::new(run, asked, Vec::new(), 0), outputs });
    let end = read(&flows, &mut capture, &both, &mut signals)?;
    let Both { mut writer, mut outputs } = both.into_inner();
    writer.batch.flush(&mut outputs);
    outputs.settle();
    let span = Span { start: ready, end: Moment::now() };
    let ledger = account::with_cost(writer.ledger(&outputs, &flows.counters()), &outputs, span).closed();
    tell_others(run, &mut outputs, &flows.others()?, ledger.duration_ns);
    account::close(&mut outputs, run, &ledger, |ledger| text::sentence_about("packet", ledger))?;
    Ok(account::exit(run, &ledger, end))
}

/// What the ring's handler and the loop share.
struct Both<'a> {
    writer: Writer<'a>,
    outputs: Outputs,
}

impl Both<'_> {
    fn flow(&mut self, entry: &Entry<'_>, end: flows::End) {
        self.writer.flow(&mut self.outputs, entry, end);
    }
}

struct Reading<'a, 'ring, 'obj, 'w> {
    flows: &'a Flows<'obj>,
    ring: Ring<'ring>,
    both: &'a RefCell<Both<'w>>,
    scanned: u64,
}

impl Frames for Reading<'_, '_, '_, '_> {
    fn run(&mut self, time_ns: u64, length: u32, bytes: &[u8]) -> Outcome<()> {
        Ok(self.flows.run(time_ns, length, bytes)?)
    }

    fn settle(&mut self, latest_ns: u64) -> Outcome<Option<End>> {
        self.ring.drain()?;
        if latest_ns.saturating_sub(self.scanned) > SCAN_NS {
            self.scanned = latest_ns;
            let late = latest_ns.saturating_sub(LATE_NS);
            self.flows.expire(late, |entry, end| self.both.borrow_mut().flow(&entry, end));
        }
        let Both { writer, outputs } = &mut *self.both.borrow_mut();
        writer.batch.settle(outputs, false);
        Ok(writer.batch.over(outputs))
    }
}

/// Puts every frame through the program, and writes what ended.
fn read(
    flows: &Flows<'_>,
    capture: &mut Capture,
    both: &RefCell<Both<'_>>,
    signals: &mut Signals,
) -> Outcome<End> {
    let write = |entry: Entry<'_>, end| both.borrow_mut().flow(&entry, end);
    let mut reading = Reading { flows, ring: flows.reader(write)?, both, scanned: 0 };
    let (end, latest) = capture::read(capture, &mut reading, signals)?;
    reading.ring.drain()?;
    // Time ends with the last frame: what is over by then has ended by itself, the rest with the capture.
    flows.expire(latest, write);
    flows.finish(write);
    Ok(end)
}
