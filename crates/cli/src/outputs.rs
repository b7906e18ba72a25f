//! Where records go: a file, standard output, both or neither, and what became of them.

use crate::args::values::{self, Place};
use crate::failure::{Failure, Outcome};
use crate::plan::{Run, Stdout};
use crate::serving::Offer;
use crate::{signals, text};
use plumb_records::column::Row;
use plumb_sinks::Sink;
#[cfg(feature = "columnar")]
use plumb_sinks::columnar::dataset::{Dataset, Limits};
#[cfg(feature = "columnar")]
use plumb_sinks::columnar::socket::Socket;
#[cfg(not(feature = "columnar"))]
use plumb_sinks::format::NoFormat;
use plumb_sinks::format::{Format, Layout};
use plumb_sinks::output::{Output, Weight};
use plumb_sinks::pcapng::Origin;
use plumb_sinks::rotate::Rotate;
use std::io::{self, ErrorKind};

/// The open outputs of a run.
#[derive(Default)]
pub struct Outputs {
    sinks: Vec<Box<dyn Sink>>,
    /// What is read by clients, who miss what they are too slow for.
    served: Option<Box<dyn Offer>>,
    /// Records, and packets of them that came when nobody read any more what is written as text.
    records: u64,
    unread: u64,
    closed: bool,
    failed: bool,
    /// Those that are of use only with their end have it, and take no more.
    sealed: bool,
    /// Why text could not be written.
    unsaid: Option<Failure>,
}

impl Outputs {
    /// Opens what `run` asks for; `layout` is what a format with one record kind holds.
    pub fn open(run: &Run, layout: Layout) -> Outcome<Self> {
        let origin = origin();
        let mut sinks = Vec::new();
        if let Some((output, rotate)) = &run.output {
            // The message names the file already.
            let opened = open(output, *rotate, layout, &origin);
            sinks.push(opened.map_err(|error| Failure::failed(error.to_string()))?);
        }
        if let Stdout::Records(format) = run.stdout {
            sinks.push(open_stdout(format, layout, &origin)?);
        }
        Ok(Self { sinks, ..Self::default() })
    }

    /// Serves records from now on, beside what they are written to.
    pub fn serve(&mut self, served: Option<Box<dyn Offer>>) {
        self.served = served;
    }

    /// Whether a client reads this feed.
    pub fn is_read(&self, feed: &str) -> bool {
        self.served.as_ref().is_some_and(|served| served.is_read(feed))
    }

    /// Gives clients alone a record: what was written has it in another form.
    pub fn offer(&mut self, row: &dyn Row) {
        if let Some(served) = &mut self.served {
            self.failed |= served.write(row, Weight::ABOUT).is_err();
        }
    }

    /// Whether anything takes records: text is not made of them.
    pub fn takes_records(&self) -> bool {
        !self.sinks.is_empty()
    }

    /// Writes a record of one packet everywhere. Errors are kept: see [`Outputs::usable`]. An output that failed takes
    /// no more and counts what it did not take; the others go on.
    pub fn write(&mut self, row: &dyn Row) {
        self.write_group(row, 1);
    }

    /// Writes a record of so many packets.
    pub fn write_group(&mut self, row: &dyn Row, packets: u64) {
        self.records += 1;
        if (self.closed || self.unsaid.is_some()) && !self.takes_records() {
            self.unread += packets;
        }
        self.each(|output| output.write(row, Weight::group(packets)));
    }

    /// Writes a record about the run rather than of what was observed: it is not counted.
    pub fn write_about(&mut self, row: &dyn Row) {
        self.each(|output| output.write(row, Weight::ABOUT));
    }

    /// Makes everything visible to readers.
    pub fn flush(&mut self) {
        self.each(|sink| sink.flush());
    }

    /// The same at the end, before the account is made: what no output holds by now is lost.
    pub fn settle(&mut self) {
        self.each(|sink| sink.settle());
    }

    /// Ends the outputs that are of use only with their end, with a last record about the run: what they lost is known
    /// before the others are told.
    pub fn seal(&mut self, row: &dyn Row) {
        self.each(|sink| {
            if !sink.sealed() {
                return Ok(());
            }
            // An error is kept by the sink, and comes again.
            let _ = sink.write(row, Weight::ABOUT);
            sink.close()
        });
        self.sealed = true;
    }

    fn each(&mut self, mut act: impl FnMut(&mut dyn Sink) -> io::Result<()>) {
        let served = self.served.iter_mut().map(|served| served.as_mut() as &mut dyn Sink);
        let sealed = self.sealed;
        let open = |sink: &&mut dyn Sink| !(sealed && sink.sealed());
        for sink in
            self.sinks.iter_mut().map(|sink| sink.as_mut() as &mut dyn Sink).chain(served).filter(open)
        {
            match act(sink) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => self.closed = true,
                Err(_) => self.failed = true,
            }
        }
    }

    /// Whether there is more to write: nobody closed the other end, and not every output failed. One that did is told of at
    /// the end, when the others are whole.
    pub fn usable(&self) -> bool {
        let over = self.closed || self.unsaid.is_some() || self.failed && self.all_failed();
        !over
    }

    fn all_failed(&self) -> bool {
        let served = self.served.iter().map(|served| served.failure());
        self.sinks.iter().map(|sink| sink.failure()).chain(served).all(|failure| failure.is_some())
    }

    /// Writes text to standard output. A reader that is gone ends the run, and so does a failure, which
    /// [`Outputs::result`] tells.
    pub fn say(&mut self, text: &str) {
        if self.takes_text() {
            let (_, result) = text::put_counted(text.as_bytes());
            self.said("cannot write to standard output", result);
        }
    }

    /// The same of records that [`Outputs::write`] was given, a line each: those that are not written whole are lost,
    /// unless they are written elsewhere too.
    pub fn say_records(&mut self, lines: &str) {
        // What came since it took no more is counted already.
        if !self.takes_text() {
            return;
        }
        let (written, result) = text::put_counted(lines.as_bytes());
        self.said("cannot write to standard output", result);
        if !self.takes_records() {
            self.unread += lines.bytes().skip(written).filter(|byte| *byte == b'\n').count() as u64;
        }
    }

    /// What became of text: `what` is said of a failure.
    pub fn said(&mut self, what: &str, result: io::Result<()>) {
        match result {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.closed = true,
            Err(error) => {
                self.unsaid.get_or_insert_with(|| Failure::failed(what).because(error));
            }
        }
    }

    fn takes_text(&self) -> bool {
        !self.closed && self.unsaid.is_none()
    }

    /// The last words of a run, for people: on standard output or, where that has records or takes nothing, on standard
    /// error.
    pub fn sum_up(&mut self, run: &Run, sentence: &str, complete: bool) {
        let records = matches!(run.stdout, Stdout::Records(_));
        if !records {
            // In place of the footer that was redrawn.
            let over = if run.redrawable && run.stdout == Stdout::Summary { "\r\x1b[K" } else { "" };
            self.say(&format!("{over}{sentence}\n"));
        }
        // Who closed the pipe wanted no more.
        if self.unsaid.is_some() || records && (run.verbose || !complete && !self.closed) {
            text::note(sentence);
        }
    }

    /// Records written, each once however many outputs there are.
    ///
    /// An output that failed takes nothing more, so what two of them lost are two ends of one row of records, and the longer
    /// one has the other in it.
    pub fn records(&self) -> u64 {
        let lost = self.sinks.iter().map(|sink| sink.lost().records).max();
        self.records.saturating_sub(lost.unwrap_or(self.unread))
    }

    /// Packets of the records that at least one output did not take: see [`Outputs::records`].
    pub fn lost(&self) -> u64 {
        self.sinks.iter().map(|sink| sink.lost().packets).max().unwrap_or(self.unread)
    }

    /// Ends the outputs. Why one could not be written to its end, with its counts: to be asked last. A closed pipe is no
    /// failure.
    pub fn result(&mut self) -> Outcome<()> {
        self.each(|sink| sink.close());
        let notes = self.sinks.iter().flat_map(|sink| sink.notes());
        notes.chain(self.served.iter().flat_map(|served| served.notes())).for_each(text::note);
        if let Some(failure) = self.unsaid.take() {
            return Err(failure);
        }
        let served = self.served.iter().filter_map(|served| served.failure());
        let mut failures = self.sinks.iter().filter_map(|sink| sink.failure()).chain(served);
        let Some(failure) = failures.find(|failure| failure.kind != ErrorKind::BrokenPipe) else {
            return Ok(());
        };
        let told = Failure::failed(failure.to_string());
        Err(if matches!(failure.kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
            told.help("free some space, or bound the files with --rotate and remove old ones")
        } else {
            told
        })
    }
}

fn open(
    to: &values::Output,
    rotate: Option<Rotate>,
    layout: Layout,
    origin: &Origin,
) -> io::Result<Box<dyn Sink>> {
    match to.place {
        Place::File => {
            let encoder = to.format.encoder(layout, origin);
            Ok(Box::new(Output::create(&to.path, encoder, rotate, signals::stop_request())?))
        }
        #[cfg(feature = "columnar")]
        Place::Dataset => {
            let node = nix::unistd::gethostname().unwrap_or_default();
            let limits = Limits::of(rotate);
            Ok(Box::new(Dataset::create(&to.path, &node.to_string_lossy(), layout, limits)?))
        }
        #[cfg(feature = "columnar")]
        Place::Socket => Ok(Box::new(Socket::listen(&to.path, layout, Default::default())?)),
        #[cfg(not(feature = "columnar"))]
        Place::Dataset | Place::Socket => Err(io::Error::other(NoFormat::NotBuilt)),
    }
}

fn open_stdout(format: Format, layout: Layout, origin: &Origin) -> Outcome<Box<dyn Sink>> {
    let output = Output::stdout(format.encoder(layout, origin), signals::stop_request())
        .map_err(|error| Failure::failed("cannot write to standard output").because(error))?;
    Ok(Box::new(output))
}

fn origin() -> Origin {
    let system = nix::sys::utsname::uname().ok();
    let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
    Origin {
        hardware: system.as_ref().map(|system| text(system.machine())).unwrap_or_default(),
        system: system
            .map(|system| format!("{} {}", text(system.sysname()), text(system.release())))
            .unwrap_or_default(),
        application: concat!("plumb ", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}
