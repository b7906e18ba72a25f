//! Where records go: a file, standard output, both or neither, and what became of them.

use crate::failure::{Failure, Outcome};
use crate::plan::{Run, Stdout};
use crate::signals;
use plumb_records::column::Row;
use plumb_sinks::Sink;
use plumb_sinks::format::{Format, Layout};
use plumb_sinks::output::{Output, Weight};
use plumb_sinks::pcapng::Origin;
use std::io::{self, ErrorKind};

/// The open outputs of a run.
#[derive(Default)]
pub struct Outputs {
    file: Option<Output>,
    stdout: Option<Output>,
    /// Records, and packets of them that came when nobody read any more what is written as text.
    records: u64,
    unread: u64,
    closed: bool,
    failed: bool,
}

impl Outputs {
    /// Opens what `run` asks for; `layout` is what a format with one record kind holds.
    pub fn open(run: &Run, layout: Layout) -> Outcome<Self> {
        let origin = origin();
        let file = match &run.output {
            Some((output, rotate)) => {
                let encoder = output.format.encoder(layout, &origin);
                // The message names the file already.
                Some(
                    Output::create(&output.path, encoder, *rotate, signals::stop_request())
                        .map_err(|error| Failure::failed(error.to_string()))?,
                )
            }
            None => None,
        };
        let stdout = match run.stdout {
            Stdout::Records(format) => Some(open_stdout(format, layout, &origin)?),
            Stdout::Live | Stdout::Plain | Stdout::Summary => None,
        };
        Ok(Self { file, stdout, ..Self::default() })
    }

    /// Whether anything takes records: text is not made of them.
    pub fn takes_records(&self) -> bool {
        self.file.is_some() || self.stdout.is_some()
    }

    /// Writes a record of one packet everywhere. Errors are kept: see [`Outputs::usable`]. An output that failed takes
    /// no more and counts what it did not take; the others go on.
    pub fn write(&mut self, row: &dyn Row) {
        self.write_group(row, 1);
    }

    /// Writes a record of so many packets.
    pub fn write_group(&mut self, row: &dyn Row, packets: u64) {
        self.records += 1;
        if self.closed && !self.takes_records() {
            self.unread += packets;
        }
        self.each(|output| output.write_as(row, Weight::group(packets)));
    }

    /// Writes a record about the run rather than of what was observed: it is not counted.
    pub fn write_about(&mut self, row: &dyn Row) {
        self.each(|output| output.write_as(row, Weight::ABOUT));
    }

    /// Makes everything visible to readers.
    pub fn flush(&mut self) {
        self.each(Sink::flush);
    }

    fn each(&mut self, mut act: impl FnMut(&mut Output) -> io::Result<()>) {
        for output in [&mut self.file, &mut self.stdout].into_iter().flatten() {
            match act(output) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => self.closed = true,
                Err(_) => self.failed = true,
            }
        }
    }

    /// Whether everything asked for is still written: nobody closed the other end, and no write failed.
    pub fn usable(&self) -> bool {
        !self.closed && !self.failed
    }

    /// The reader of standard output is gone.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Whether a reader is gone.
    pub fn closed(&self) -> bool {
        self.closed
    }

    /// Records written, each once however many outputs there are.
    pub fn records(&self) -> u64 {
        let lost = self.each_open().map(|output| output.lost().records).max();
        self.records.saturating_sub(lost.unwrap_or(self.unread))
    }

    /// Packets of the records that at least one output did not take.
    pub fn lost(&self) -> u64 {
        self.each_open().map(|output| output.lost().packets).max().unwrap_or(self.unread)
    }

    fn each_open(&self) -> impl Iterator<Item = &Output> {
        [&self.file, &self.stdout].into_iter().flatten()
    }

    /// Why an output could not be written to its end, with its counts: to be asked last. A closed pipe is no failure.
    pub fn result(&self) -> Outcome<()> {
        let mut failures = self.each_open().filter_map(Output::failure);
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

fn open_stdout(format: Format, layout: Layout, origin: &Origin) -> Outcome<Output> {
    Output::stdout(format.encoder(layout, origin), signals::stop_request())
        .map_err(|error| Failure::failed("cannot write to standard output").because(error))
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
