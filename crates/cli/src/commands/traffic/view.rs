//! What a run shows: records, a line that is redrawn, and the totals.

use super::words;
use crate::clock::{Moment, Span};
use crate::failure::{Exit, Failure, Outcome};
use crate::outputs::Outputs;
use crate::pipeline::End;
use crate::plan::{Run, Stdout};
use crate::{account, text};
use plumb_kernel::support;
use plumb_lab::traffic::{Order, Progress, Rate, Sum, Way, What};
use plumb_records::histogram::Histogram;
use plumb_records::ledger::Ledger;
use plumb_records::traffic::Traffic;
use std::io;

/// Columns of a terminal that does not tell.
const WIDTH: usize = 80;

/// A run as it is shown.
pub struct View<'a> {
    run: &'a Run,
    order: &'a Order,
    way: Way,
    outputs: Outputs,
    progress: &'a [Progress],
    ready: Moment,
    clock_offset: i64,
    /// The numbers at the last tick.
    before: Sum,
}

impl<'a> View<'a> {
    /// Writes the first record and the first line.
    pub fn open(
        run: &'a Run,
        order: &'a Order,
        way: Way,
        outputs: Outputs,
        progress: &'a [Progress],
    ) -> Outcome<Self> {
        let clock_offset = support::clock_offset_ns();
        let ready = Moment::now();
        let mut view =
            Self { run, order, way, outputs, progress, ready, clock_offset, before: Sum::default() };
        view.introduce()?;
        Ok(view)
    }

    /// The first frame is due now.
    pub fn start(&mut self) -> Moment {
        self.ready = Moment::now();
        self.ready
    }

    fn introduce(&mut self) -> Outcome<()> {
        let mechanism = match self.way {
            Way::Live => "XDP live frames",
            Way::Packet => "packet sockets",
        };
        let mechanisms = vec![("transmit".to_owned(), mechanism.to_owned())];
        self.outputs.write_about(&account::session(Vec::new(), mechanisms, self.clock_offset));
        self.outputs.flush();
        if self.people() {
            let rate = match self.order.rate {
                Some(Rate::PerSecond(rate)) => words::rate(rate),
                Some(Rate::Max) => "as fast as possible".to_owned(),
                None => "as captured".to_owned(),
            };
            self.outputs.say(&format!("Sending by {} ({mechanism}): {rate}\n", self.order.interface));
        }
        Ok(())
    }

    fn captured(&self) -> bool {
        matches!(self.order.what, What::Captured(..))
    }

    fn people(&self) -> bool {
        !matches!(self.run.stdout, Stdout::Records(_))
    }

    /// Whether the output can still be written.
    pub fn usable(&self) -> bool {
        self.outputs.usable()
    }

    fn sum(&self) -> Sum {
        let mut sum = Sum::default();
        self.progress.iter().for_each(|progress| progress.add_to(&mut sum));
        sum
    }

    /// An interval is over.
    pub fn tick(&mut self, span: Span) -> Outcome<()> {
        let sum = self.sum();
        let row = self.row(&sum.since(&self.before), span);
        if self.run.periodic {
            self.outputs.write(&row);
        }
        if self.run.ledger {
            let ledger = self.ledger(&sum, span.end);
            self.outputs.write_about(&ledger);
        }
        self.outputs.flush();
        match self.run.stdout {
            Stdout::Plain => self.outputs.say(&format!("{}\n", words::line(&row))),
            Stdout::Live | Stdout::Summary if self.run.redrawable => {
                let columns = text::width().unwrap_or(WIDTH);
                self.outputs.say(&format!("\r{}\x1b[K", words::short(&words::line(&row), columns)));
            }
            Stdout::Live | Stdout::Summary | Stdout::Records(_) => {}
        }
        self.before = sum;
        Ok(())
    }

    /// The last record, the ledger and the totals; `sent` is how the sending threads ended.
    pub fn conclude(mut self, last: Span, sent: plumb_lab::Result<()>) -> Outcome<Exit> {
        let sum = self.sum();
        // Frames were sent until then; when that was noticed says nothing about them.
        let ended = Moment(sum.ended).max(last.start);
        let last = Span { end: if sum.ended > 0 { ended } else { last.end }, ..last };
        let whole = Span { start: self.ready, end: last.end };
        let total = Traffic { sent_per_s: achieved(&sum, whole), ..self.row(&sum, whole) };
        let row = if self.run.periodic { self.row(&sum.since(&self.before), last) } else { total.clone() };
        self.outputs.write(&row);
        let ledger = self.ledger(&sum, last.end);
        self.outputs.write_about(&ledger);
        self.outputs.flush();
        if self.people() {
            let over = if self.run.redrawable { "\r\x1b[K" } else { "" };
            self.outputs.say(&format!("{over}{}\n", words::sentence(&total, self.captured())));
        } else if self.run.verbose {
            text::note(words::sentence(&total, self.captured()));
        }
        self.outputs.result()?;
        sent.map_err(|error| Failure::failed("the sending ended early").because(error))?;
        Ok(account::exit(self.run, &ledger, End::Asked))
    }

    fn row(&self, sum: &Sum, span: Span) -> Traffic {
        let sent = sum.offered.saturating_sub(sum.refused);
        let time = span.duration();
        Traffic {
            time: span.start.time(self.clock_offset),
            duration_ns: span.nanoseconds(),
            interface: self.order.interface.clone(),
            transport: self.way.name(),
            threads: self.order.threads,
            asked_per_s: match self.order.rate {
                Some(Rate::PerSecond(rate)) => Some(rate),
                Some(Rate::Max) | None => None,
            },
            offered: sum.offered,
            sent,
            errors: sum.refused,
            error: sum.error.map(|errno| io::Error::from_raw_os_error(errno).to_string()),
            offered_bytes: sum.bytes,
            sent_per_s: (!time.is_zero()).then(|| text::per_second(sent, time)),
            late_p50_ns: sum.timing.late.percentile(500),
            late_p99_ns: sum.timing.late.percentile(990),
            late_max_ns: largest(&sum.timing.late),
            gap_p50_ns: sum.timing.gaps.percentile(500),
            gap_p99_ns: sum.timing.gaps.percentile(990),
            gap_max_ns: largest(&sum.timing.gaps),
        }
    }

    /// Every offered packet is counted in the records.
    fn ledger(&self, sum: &Sum, end: Moment) -> Ledger {
        let ledger = Ledger {
            seen: sum.offered,
            aggregated: sum.offered,
            ..account::cost(&self.outputs, Span { start: self.ready, end })
        };
        ledger.closed()
    }
}

/// The rate of a whole run; `None` where a single frame has none. A run that ended with its last frame has one pause less
/// than frames, one that ended by its time has as many.
fn achieved(sum: &Sum, span: Span) -> Option<f64> {
    let sent = sum.offered.saturating_sub(sum.refused);
    let pauses = sent - u64::from(sum.all_sent).min(sent);
    (sent > 1 && !span.duration().is_zero()).then(|| text::per_second(pauses, span.duration()))
}

fn largest(times: &Histogram) -> Option<u64> {
    (times.count() > 0).then_some(times.max)
}

#[cfg(test)]
mod tests {
    use super::achieved;
    use crate::clock::{Moment, Span};
    use plumb_lab::traffic::Sum;

    #[test]
    fn frames_have_pauses_between_them() {
        let second = Span { start: Moment(0), end: Moment(1_000_000_000) };
        let rate = |offered, all_sent| achieved(&Sum { offered, all_sent, ..Sum::default() }, second);
        assert_eq!((rate(11, true), rate(10, false)), (Some(10.0), Some(10.0)));
        assert_eq!((rate(1, true), rate(1, false), rate(0, true)), (None, None, None));
    }
}
