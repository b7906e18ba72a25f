//! `plumb traffic`: packets at a set rate.

mod obstacles;
mod order;
mod view;
mod words;

use crate::args::observing::Ends;
use crate::args::traffic::Traffic as Arguments;
use crate::clock::{Moment, Span};
use crate::failure::{Exit, Failure, Outcome};
use crate::outputs::Outputs;
use crate::pipeline::{self, End, Observed, Stop};
use crate::plan::netns::Netns;
use crate::plan::{Run, Stdout};
use crate::signals::Signals;
use crate::text;
use plumb_lab::traffic::{Progress, prepare, storages};
use plumb_records::column::Shown;
use plumb_records::traffic::Traffic;
use plumb_sinks::format::{Format, Layout};
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use view::View;

/// How long the end of the sending threads may go unnoticed.
const LOOK: Duration = Duration::from_millis(5);

/// Plans, prepares, sends, concludes.
pub fn run(arguments: &Arguments, verbose: bool) -> Outcome<Exit> {
    // The sending threads know when the time is over; frames that were due before still go out.
    let run = Run::of(&Ends { duration: None, count: None }, &arguments.output, &[], false, verbose)?;
    let pcapng = run.output.as_ref().is_some_and(|(output, _)| output.format == Format::Pcapng);
    if pcapng || run.stdout == Stdout::Records(Format::Pcapng) {
        return Err(Failure::arguments("traffic has no packets to write as pcapng")
            .help("capture them where they arrive; --format json and csv hold the counts"));
    }
    if let Some(netns) = &arguments.netns {
        Netns::find(netns)?.enter()?;
    }
    let (order, notes) = order::plan(arguments)?;
    let mut signals = Signals::install()?;
    // Before anything is sent, the trial frame included.
    let outputs = Outputs::open(
        &run,
        Layout { record: Traffic::RECORD, columns: Traffic::COLUMNS, shown: Shown::ALL },
    )?;
    let mut rooms = storages(order.threads);
    let prepared = match prepare(order.clone(), &mut rooms).map_err(obstacles::failed)? {
        Ok(prepared) => prepared,
        Err(refusal) => return Err(obstacles::refused(&order, &refusal)),
    };
    for note in notes.into_iter().chain(obstacles::fell_back(&order, &prepared)) {
        text::note(note);
    }
    pipeline::ready(&run, None)?;
    let progress: Vec<Progress> = (0..order.threads).map(|_| Progress::default()).collect();
    let mut view = View::open(&run, &order, prepared.way(), outputs, &progress)?;
    let ready = view.start();
    let stop = AtomicBool::new(false);
    let (observed, sent) = prepared.offer(&progress, &stop, |finished| {
        let mut sending = Sending { view: &mut view, finished };
        pipeline::observe(&run, ready, &mut signals, None, &mut sending)
    });
    let (_, begun) = observed?;
    view.conclude(Span { start: begun, end: Moment::now() }, sent)
}

/// What the run loop watches.
struct Sending<'a, 'view> {
    view: &'a mut View<'view>,
    finished: &'a dyn Fn() -> bool,
}

impl Observed for Sending<'_, '_> {
    fn wait(&mut self, until: Moment, stop: &mut Stop<'_>) -> Outcome<()> {
        while !stop.asked() && !(self.finished)() && !until.left().is_zero() {
            stop.sleep(until.min(Moment::now().after(LOOK)), None);
        }
        Ok(())
    }

    fn tick(&mut self, span: Span) -> Outcome<()> {
        self.view.tick(span)
    }

    fn over(&self) -> Option<End> {
        if !self.view.usable() {
            return Some(End::Output);
        }
        (self.finished)().then_some(End::Time)
    }
}
