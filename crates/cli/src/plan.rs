//! From what was typed to what is done: everything that can be refused is refused here, before anything is attached.

pub mod filter;
pub mod keys;
pub mod netns;

use crate::args::observing::{self, Ends, Observing, Outputs};
use crate::args::values::{Output, Place};
use crate::failure::{Failure, Outcome};
use nix::unistd::{AccessFlags, eaccess};
use plumb_kernel::ring::Wakeup;
use plumb_sinks::format::Format;
use plumb_sinks::rotate::Rotate;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How records are consumed: as typed, and by default when they come. A reader on a timer looks every `timer`.
pub fn wakeup(word: Option<observing::Wakeup>, timer: Duration) -> Wakeup {
    match word {
        None | Some(observing::Wakeup::Adaptive) => Wakeup::Adaptive,
        Some(observing::Wakeup::Busy) => Wakeup::Busy,
        Some(observing::Wakeup::Interval) => Wakeup::Interval(timer),
    }
}

/// How often a terminal is redrawn.
const REDRAW: Duration = Duration::from_secs(1);

/// What standard output holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdout {
    /// A table that is redrawn in place.
    Live,
    /// Plain text.
    Plain,
    /// Text around the records, which go to a file.
    Summary,
    /// Records, in one of the formats for programs.
    Records(Format),
}

/// A run of an observing command, resolved.
#[derive(Debug)]
pub struct Run {
    /// From readiness; `None`: until something else ends the run.
    pub duration: Option<Duration>,
    /// Records after which it ends.
    pub count: Option<u64>,
    /// How often groups are written or something is redrawn; `None`: once, at the end.
    pub interval: Option<Duration>,
    /// --interval was given: records are written at each, rather than only at the end.
    pub periodic: bool,
    /// A ledger each interval.
    pub ledger: bool,
    /// Incomplete output is a failure.
    pub strict: bool,
    /// Created when everything is attached.
    pub ready_file: Option<PathBuf>,
    /// Runs beside us; empty: nothing does.
    pub command: Vec<OsString>,
    /// What standard output holds.
    pub stdout: Stdout,
    /// It is a terminal.
    pub terminal: bool,
    /// It is a terminal that nobody else writes to.
    pub redrawable: bool,
    /// The file, its format, and when the next one begins.
    pub output: Option<(Output, Option<Rotate>)>,
    /// -v
    pub verbose: bool,
}

impl Run {
    /// The formats of all outputs for programs.
    pub fn formats(&self) -> impl Iterator<Item = Format> {
        let stdout = match self.stdout {
            Stdout::Records(format) => Some(format),
            _ => None,
        };
        stdout.into_iter().chain(self.output.as_ref().map(|(output, _)| output.format))
    }

    /// Resolves the shared flags. `events`: --events was given or is implied.
    pub fn resolve(observing: &Observing, events: bool, verbose: bool) -> Outcome<Self> {
        Self::of(&observing.ends, &observing.output, &observing.command, events, verbose)
    }

    /// The same for a command that has not all of the shared flags.
    pub fn of(
        ends: &Ends,
        out: &Outputs,
        command: &[OsString],
        events: bool,
        verbose: bool,
    ) -> Outcome<Self> {
        Self::on(ends, out, command, events, verbose, std::io::stdout().is_terminal() && !dumb())
    }

    fn on(
        ends: &Ends,
        out: &Outputs,
        command: &[OsString],
        events: bool,
        verbose: bool,
        terminal: bool,
    ) -> Outcome<Self> {
        let to_file = out.output.is_some();
        // What CMD writes and a table that is redrawn would spoil each other.
        let redrawable = terminal && command.is_empty();
        let stdout = match out.format {
            None if to_file && events => Stdout::Summary,
            None | Some(observing::Format::Text) if redrawable && !events => Stdout::Live,
            None if to_file => Stdout::Summary,
            None | Some(observing::Format::Text) => Stdout::Plain,
            Some(observing::Format::Json) => Stdout::Records(Format::Json),
            Some(observing::Format::Csv) => Stdout::Records(Format::Csv),
            Some(observing::Format::Pcapng) => Stdout::Records(Format::Pcapng),
            Some(observing::Format::Arrow) => Stdout::Records(
                Format::arrow_stream().map_err(|error| Failure::arguments(error.to_string()))?,
            ),
        };
        if let Stdout::Records(format) = stdout
            && format.is_binary()
            && terminal
        {
            let (name, reader) =
                if format == Format::Pcapng { ("pcapng", "tshark -r -") } else { ("arrow", "its reader") };
            return Err(Failure::arguments(format!("{name} is not for a terminal"))
                .help(format!("pipe it into {reader}, or use --output")));
        }
        if out.rotate.is_some() && out.output.as_ref().is_some_and(|output| output.place == Place::Socket) {
            return Err(Failure::arguments("--rotate is for files, and a socket has none"));
        }
        // What people look at is redrawn; records follow only an interval that was asked for.
        let redrawn = (redrawable && matches!(stdout, Stdout::Live | Stdout::Summary)).then_some(REDRAW);
        if ends.count.is_some() && !events && out.interval.is_none() {
            return Err(Failure::arguments(
                "--count counts records, and groups are written once, at the end",
            )
            .help("add --events or --interval"));
        }
        let to_json = out.output.as_ref().is_some_and(|output| output.format == Format::Json);
        if out.ledger && !to_json && stdout != Stdout::Records(Format::Json) {
            return Err(Failure::arguments("--ledger has no format to write ledgers in")
                .help("add --format json or -o FILE.jsonl"));
        }
        if events && out.interval.is_some() && !out.ledger && stdout != Stdout::Summary {
            return Err(Failure::arguments(
                "--interval has nothing to write: events are written as they come",
            )
            .help("add --ledger, or leave --events out"));
        }
        if let Some(path) = &out.ready_file {
            creatable(path)?;
        }
        Ok(Self {
            duration: ends.duration,
            count: ends.count,
            interval: out.interval.or(redrawn),
            periodic: out.interval.is_some(),
            ledger: out.ledger,
            strict: out.strict,
            ready_file: out.ready_file.clone(),
            command: command.to_vec(),
            stdout,
            terminal,
            redrawable,
            output: out.output.clone().map(|output| (output, out.rotate)),
            verbose,
        })
    }
}

/// A terminal that cannot move its cursor is written to like a pipe.
fn dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// Whether a packet capture is asked for, to a file or to standard output.
pub fn captures(observing: &Observing) -> bool {
    let file = observing.output.output.as_ref().map(|output| output.format);
    file == Some(Format::Pcapng) || observing.output.format == Some(observing::Format::Pcapng)
}

/// Refuses a ready file that could not be created. Creating it would say that the run is ready.
fn creatable(path: &Path) -> Outcome<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let usable = match path.try_exists() {
        Ok(true) => eaccess(path, AccessFlags::W_OK),
        _ => eaccess(folder, AccessFlags::W_OK | AccessFlags::X_OK),
    };
    usable.map_err(|errno| {
        let error = std::io::Error::from(errno);
        Failure::failed(format!("cannot create {}", path.display())).because(error)
    })
}

#[cfg(test)]
mod tests;
