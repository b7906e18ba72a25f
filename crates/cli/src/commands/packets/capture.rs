//! Packets of a capture.

use super::LAYOUT;
use super::writer::Writer;
use crate::anonymizing::Anonymizer;
use crate::capture::{self, Capture, Frames};
use crate::clock::{Moment, Span};
use crate::failure::{Exit, Outcome};
use crate::hooks::view::tell_others;
use crate::outputs::Outputs;
use crate::pipeline::{self, End};
use crate::plan::Run;
use crate::signals::Signals;
use crate::{account, text};
use plumb_kernel::probes::packets::{Config, Packets};
use plumb_kernel::ring::Ring;
use plumb_kernel::session::Storage;
use std::cell::RefCell;
use std::path::Path;

/// Reads a capture.
pub fn run(run: &Run, config: &Config, anonymizer: &Anonymizer, path: &Path) -> Outcome<Exit> {
    let mut capture = Capture::open(path)?;
    let mut signals = Signals::install()?;
    let mut storage = Storage::new();
    let packets = Packets::load(&mut storage, config)?;
    let mut outputs = Outputs::open(run, LAYOUT)?;
    // Sizes of programs are told to the privileged alone.
    let programs = packets.facts();
    let ready = pipeline::ready(run, None)?;
    capture::begin(run, anonymizer, &mut outputs, path, &config.filter, &programs);
    let both = RefCell::new(Both { writer: Writer::new(run, anonymizer, Vec::new(), 0), outputs });
    let ring = packets.ring(|event| {
        let Both { writer, outputs } = &mut *both.borrow_mut();
        writer.event(outputs, event);
    })?;
    let mut reading = Reading { packets: &packets, ring, both: &both };
    let (end, latest) = capture::read(&mut capture, &mut reading, &mut signals)?;
    reading.settle(latest)?;
    drop(reading);
    let Both { mut writer, mut outputs } = both.into_inner();
    writer.batch.flush(&mut outputs);
    let span = Span { start: ready, end: Moment::now() };
    let ledger = account::with_cost(packets.ledger(), &outputs, span);
    let ledger = writer.batch.close(&mut outputs, ledger);
    tell_others(run, &mut outputs, &packets.others()?, ledger.duration_ns);
    account::close(&mut outputs, run, &ledger, |ledger| text::sentence_about("packet", ledger))?;
    Ok(account::exit(run, &ledger, end))
}

/// What the ring's handler and the loop share.
struct Both<'a> {
    writer: Writer<'a>,
    outputs: Outputs,
}

struct Reading<'a, 'ring, 'obj, 'w> {
    packets: &'a Packets<'obj>,
    ring: Ring<'ring>,
    both: &'a RefCell<Both<'w>>,
}

impl Frames for Reading<'_, '_, '_, '_> {
    fn run(&mut self, time_ns: u64, length: u32, bytes: &[u8]) -> Outcome<()> {
        Ok(self.packets.run(time_ns, length, bytes)?)
    }

    fn settle(&mut self, _latest_ns: u64) -> Outcome<Option<End>> {
        self.ring.drain()?;
        let Both { writer, outputs } = &mut *self.both.borrow_mut();
        writer.batch.settle(outputs, false);
        Ok(writer.batch.over(outputs))
    }
}
