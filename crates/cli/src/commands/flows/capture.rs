//! Flows of a capture: its frames go through the program that live packets go through, by BPF_PROG_TEST_RUN.

use super::asked::Asked;
use super::writer::Writer;
use crate::clock::{Moment, Span};
use crate::failure::{Exit, Failure, Outcome};
use crate::hooks::view::tell_others;
use crate::outputs::Outputs;
use crate::pipeline::{self, End};
use crate::plan::Run;
use crate::signals::Signals;
use crate::{account, text};
use plumb_kernel::probes::flows::{Counters, Flows};
use plumb_kernel::session::Storage;
use plumb_lab::traffic::capture::{Capture, Frame};
use std::cell::RefCell;
use std::path::Path;

/// Frames between two looks at the ring, the outputs and whether to stop.
const BATCH: usize = 64;
/// Headers end within so many bytes; a test run takes no more than a page without fragments.
const SNAP: usize = 2048;
/// What the kernel wants of a frame at least: an Ethernet header.
const SHORTEST: usize = 14;
/// Frames may be late by so much; flows that ended before are written while the capture is read.
const LATE_NS: u64 = 10_000_000_000;
/// Capture time between two looks through the table.
const SCAN_NS: u64 = 1_000_000_000;

/// Reads a capture.
pub fn run(run: &Run, asked: &Asked, path: &Path) -> Outcome<Exit> {
    let mut capture = Capture::open(path).map_err(|error| Failure::failed(error.to_string()))?;
    let mut signals = Signals::install()?;
    let mut storage = Storage::new();
    let flows = Flows::load(&mut storage, &asked.config)?;
    let mut outputs = Outputs::open(run, asked.layout())?;
    let ready = pipeline::ready(run, None)?;
    let filters = asked.anonymizer.filters(&asked.config.filter);
    let filters = std::iter::once(format!("capture {}", path.display())).chain(filters).collect();
    let mechanisms = vec![("xdp".into(), "test run".into())];
    outputs.write_about(&account::anonymous_session(&asked.anonymizer, filters, mechanisms, 0));
    account::programs(run, &flows.facts()[..1]);
    let writer = RefCell::new((Writer::new(run, asked, Vec::new(), 0), outputs));
    let (end, short) = read(&flows, &mut capture, &writer, &mut signals)?;
    let (mut writer, mut outputs) = writer.into_inner();
    writer.batch.flush(&mut outputs);
    outputs.settle();
    let mut counters = flows.counters();
    counters.seen += short;
    counters.malformed += short;
    conclude(run, &flows, outputs, &writer, &counters, Span { start: ready, end: Moment::now() }, end)
}

fn conclude(
    run: &Run,
    flows: &Flows<'_>,
    mut outputs: Outputs,
    writer: &Writer<'_>,
    counters: &Counters,
    span: Span,
    end: End,
) -> Outcome<Exit> {
    let ledger = account::with_cost(writer.ledger(&outputs, counters), &outputs, span).closed();
    tell_others(run, &mut outputs, &flows.others()?, ledger.duration_ns);
    account::close(&mut outputs, run, &ledger, text::sentence_about("packet", &ledger))?;
    Ok(account::exit(run, &ledger, end))
}

/// Puts every frame through the program. Returns why it ended, and how many frames were no frames.
fn read(
    flows: &Flows<'_>,
    capture: &mut Capture,
    writer: &RefCell<(Writer<'_>, Outputs)>,
    signals: &mut Signals,
) -> Outcome<(End, u64)> {
    let write = |entry: plumb_kernel::probes::flows::Entry<'_>, end| {
        let (writer, outputs) = &mut *writer.borrow_mut();
        writer.flow(outputs, &entry, end);
    };
    let mut ring = flows.reader(write)?;
    let (mut short, mut number, mut latest, mut scanned) = (0, 0_usize, 0, 0);
    let why = loop {
        let frame = capture.frame().map_err(|error| Failure::failed(error.to_string()))?;
        let Some(frame) = frame else { break End::Time };
        number += 1;
        let time = time_of(&frame, number)?;
        if frame.bytes.len() < SHORTEST {
            short += 1;
            continue;
        }
        flows.run(time, frame.length, &frame.bytes[..frame.bytes.len().min(SNAP)])?;
        latest = time.max(latest);
        if !number.is_multiple_of(BATCH) {
            continue;
        }
        ring.drain()?;
        if latest.saturating_sub(scanned) > SCAN_NS {
            scanned = latest;
            flows.expire(latest.saturating_sub(LATE_NS), write);
        }
        let (writer, outputs) = &mut *writer.borrow_mut();
        writer.batch.settle(outputs, false);
        if signals.stopped() {
            break End::Asked;
        }
        if let Some(end) = writer.batch.over(outputs) {
            break end;
        }
    };
    ring.drain()?;
    // Time ends with the last frame: what is over by then has ended by itself, the rest with the capture.
    flows.expire(latest, write);
    flows.finish(write);
    Ok((why, short))
}

fn time_of(frame: &Frame, number: usize) -> Outcome<u64> {
    let wrong = |what| Failure::failed(format!("frame {number} of the capture has {what}"));
    let time = frame.time.ok_or_else(|| wrong("no time"))?;
    u64::try_from(time).map_err(|_| wrong("an impossible time"))
}
