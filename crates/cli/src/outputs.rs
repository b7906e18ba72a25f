//! Where records go: a file, standard output, both or neither, and what became of them.

use crate::failure::{Failure, Outcome};
use crate::plan::{Run, Stdout};
use plumb_records::column::Row;
use plumb_sinks::Sink;
use plumb_sinks::format::Format;
use plumb_sinks::output::Output;
use plumb_sinks::pcapng::Origin;
use std::io::{self, ErrorKind};

/// The open outputs of a run.
#[derive(Default)]
pub struct Outputs {
    file: Option<Output>,
    stdout: Option<Output>,
    written: u64,
    refused: u64,
    closed: bool,
    failed: Option<io::Error>,
}

impl Outputs {
    /// Opens what `run` asks for; `record` is the kind of record that a format with one kind holds.
    pub fn open(run: &Run, record: &'static str) -> Outcome<Self> {
        let origin = origin();
        let file = match &run.output {
            Some((output, rotate)) => {
                let encoder = output.format.encoder(record, &origin);
                // The message names the file already.
                Some(
                    Output::create(&output.path, encoder, *rotate)
                        .map_err(|error| Failure::failed(error.to_string()))?,
                )
            }
            None => None,
        };
        let stdout = match run.stdout {
            Stdout::Records(format) => Some(open_stdout(format, record, &origin)?),
            Stdout::Live | Stdout::Plain | Stdout::Summary => None,
        };
        Ok(Self { file, stdout, ..Self::default() })
    }

    /// Whether anything takes records: text is not made of them.
    pub fn takes_records(&self) -> bool {
        self.file.is_some() || self.stdout.is_some()
    }

    /// Writes a record everywhere. Errors are kept: see [`Outputs::usable`].
    pub fn write(&mut self, row: &dyn Row) {
        self.written += 1;
        if self.usable() {
            self.each(|output| output.write(row));
        } else {
            self.refused += 1;
        }
    }

    /// Writes a record about the run rather than of what was observed: it is not counted.
    pub fn write_about(&mut self, row: &dyn Row) {
        if self.usable() {
            self.each(|output| output.write(row));
        }
    }

    /// Makes everything visible to readers.
    pub fn flush(&mut self) {
        if self.usable() {
            self.each(Sink::flush);
        }
    }

    fn each(&mut self, mut act: impl FnMut(&mut Output) -> io::Result<()>) {
        for output in [&mut self.file, &mut self.stdout].into_iter().flatten() {
            match act(output) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => self.closed = true,
                Err(error) => self.failed = self.failed.take().or(Some(error)),
            }
        }
    }

    /// Whether records can still be written: nobody closed the other end, and no write failed.
    pub fn usable(&self) -> bool {
        !self.closed && self.failed.is_none()
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
        self.written.saturating_sub(self.lost())
    }

    /// Records that a failed write left out of at least one output, and those that came after it.
    pub fn lost(&self) -> u64 {
        self.refused + [&self.file, &self.stdout].into_iter().flatten().map(Output::lost).max().unwrap_or(0)
    }

    /// Why nothing more could be written, with the counts. A closed pipe is no failure.
    pub fn result(&mut self) -> Outcome<()> {
        match self.failed.take() {
            None => Ok(()),
            Some(error) => {
                let full = error.kind() == ErrorKind::StorageFull || error.kind() == ErrorKind::QuotaExceeded;
                let failure = Failure::failed(error.to_string());
                Err(if full {
                    failure.help("free some space, or bound the files with --rotate and remove old ones")
                } else {
                    failure
                })
            }
        }
    }
}

fn open_stdout(format: Format, record: &'static str, origin: &Origin) -> Outcome<Output> {
    Output::stdout(format.encoder(record, origin))
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
