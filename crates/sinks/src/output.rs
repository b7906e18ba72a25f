//! A format joined to a file or to standard output, with rotation and the account of what was written and lost.
//!
//! Only whole records are written, up to 1 MiB at once: after kill -9 all but the last record of a file is whole, and
//! what was not [flushed](Output::flush) is missing. After a failed write, such as on a full disk, the file is cut back
//! to its last whole record and takes no more; what comes then is counted as lost.
//!
//! A format whose files need an end to be read is written to `.NAME.tmp` beside the file, which gets its name when it is
//! whole: after kill -9 there are whole files and at most that one. Where it cannot be ended, all of its records are lost.

use crate::rotate::{Rotate, Series};
pub use crate::spool::Weight;
use crate::spool::{Spool, Taken, Target};
use crate::stream::{PATIENCE, StopRequest, Stream};
use crate::temporary::Temporary;
use crate::{Encode, Sink};
use nix::libc::{ENXIO, O_NONBLOCK};
use plumb_records::column::Row;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A file, or a series of them, or standard output, in one format.
pub struct Output {
    encode: Box<dyn Encode>,
    spool: Spool,
    /// The name in messages.
    name: String,
    series: Option<Series>,
    /// When this file was begun, and whether its time is over.
    begun: Instant,
    due: bool,
    closed: bool,
}

impl Output {
    /// Creates a file with mode 0600. One that exists, at the end of symbolic links too, is emptied and keeps its mode, unless
    /// another process is writing to it in the same way; a pipe must have a reader. One in a format that needs an end is
    /// replaced when it is whole.
    pub fn create(
        path: &Path,
        encode: Box<dyn Encode>,
        rotate: Option<Rotate>,
        stop: Option<StopRequest>,
    ) -> io::Result<Self> {
        let name = path.display().to_string();
        let told = |error: io::Error| io::Error::new(error.kind(), format!("cannot create {name}: {error}"));
        let (target, regular) = open(path, encode.sealed(), stop).map_err(told)?;
        let series = match rotate {
            Some(rotate) if regular => Some(Series::new(path, rotate).map_err(told)?),
            Some(_) => return Err(told(io::Error::other("only a regular file can be rotated"))),
            None => None,
        };
        Ok(Self::over(target, name, encode, series))
    }

    /// Standard output. Nothing else may write to it while this exists.
    pub fn stdout(encode: Box<dyn Encode>, stop: Option<StopRequest>) -> io::Result<Self> {
        // The standard library's handle would search every buffer for line ends.
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let stream = Stream::new(file, stop, PATIENCE)?;
        Ok(Self::over(Box::new(stream), "standard output".to_owned(), encode, None))
    }

    fn over(
        target: Box<dyn Target>,
        name: String,
        mut encode: Box<dyn Encode>,
        series: Option<Series>,
    ) -> Self {
        let mut spool = Spool::new(target, encode.sealed());
        spool.head(|out| encode.begin(out));
        Self { encode, spool, name, series, begun: Instant::now(), due: false, closed: false }
    }

    /// About how many bytes this file would have if it were ended now.
    pub(crate) fn length(&self) -> u64 {
        self.spool.length() + self.encode.held().unwrap_or(0)
    }

    /// When this file was begun.
    pub(crate) fn begun(&self) -> Instant {
        self.begun
    }

    /// Records in the output, those in the buffer included; those about the run are not counted.
    fn written(&self) -> u64 {
        self.spool.taken.records - self.spool.lost.records
    }

    fn record(&mut self, row: &dyn Row, weight: Weight) -> Taken {
        let limit = self.series.as_ref().map_or(u64::MAX, Series::limit);
        if self.encode.held().is_none() {
            return self.spool.record(limit, weight, |out| self.encode.encode(row, out));
        }
        // A batch that was encoded for this file cannot be taken back from it: the file ends after it.
        let taken = self.spool.record(u64::MAX, weight, |out| self.encode.encode(row, out));
        self.due |= self.length() >= limit;
        taken
    }

    /// Writes the buffer and looks whether this file's time is over.
    fn commit(&mut self) -> io::Result<()> {
        self.spool.commit()?;
        let period = self.series.as_ref().and_then(Series::period);
        self.due |= self.spool.has_records() && period.is_some_and(|period| self.begun.elapsed() >= period);
        Ok(())
    }

    /// Puts this file aside and begins the next one.
    fn turn(&mut self) -> io::Result<()> {
        self.end()?;
        if let Some(series) = &mut self.series {
            series.put_aside()?;
            // Regular, as the first one was: nothing in it waits for a reader.
            self.spool.turn_to(open(series.path(), self.encode.sealed(), None)?.0);
            self.spool.head(|out| self.encode.begin(out));
        }
        (self.begun, self.due) = (Instant::now(), false);
        Ok(())
    }

    /// Writes what is left of this file.
    fn end(&mut self) -> io::Result<()> {
        self.spool.append(|out| self.encode.end(out))?;
        self.spool.finish()
    }

    fn try_write(&mut self, row: &dyn Row, weight: Weight) -> io::Result<()> {
        if self.due {
            self.turn()?;
        }
        if self.record(row, weight) == Taken::TooLong {
            self.turn()?;
            self.record(row, weight);
        }
        if self.spool.is_full() { self.commit() } else { Ok(()) }
    }

    fn try_flush(&mut self, all: bool) -> io::Result<()> {
        self.failed()?;
        let appended = self.spool.append(|out| self.encode.flush(all, out));
        appended.and_then(|()| self.commit()).map_err(|error| self.fail(error))
    }

    /// From here on nothing is written. The first error tells the counts, later ones only what kind it was.
    fn fail(&mut self, error: io::Error) -> io::Error {
        let kind = error.kind();
        self.spool.cause = Some(error);
        self.spool.abandon();
        self.failure().map_or_else(|| kind.into(), |failure| io::Error::new(kind, failure))
    }

    fn failed(&self) -> io::Result<()> {
        self.spool.cause.as_ref().map_or(Ok(()), |cause| Err(cause.kind().into()))
    }
}

impl Sink for Output {
    fn write(&mut self, row: &dyn Row, weight: Weight) -> io::Result<()> {
        let before = self.spool.taken;
        let result = match self.failed() {
            Ok(()) => self.try_write(row, weight).map_err(|error| self.fail(error)),
            failed => failed,
        };
        if result.is_err() && self.spool.taken == before {
            // The record did not come as far as the buffer.
            self.spool.taken += weight;
            self.spool.lost += weight;
        }
        result
    }

    fn flush(&mut self) -> io::Result<()> {
        self.try_flush(false)
    }

    fn settle(&mut self) -> io::Result<()> {
        self.try_flush(true)
    }

    fn close(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.closed, true) {
            return Ok(());
        }
        self.failed()?;
        self.end().map_err(|error| self.fail(error))
    }

    fn sealed(&self) -> bool {
        self.encode.sealed()
    }

    fn lost(&self) -> Weight {
        self.spool.lost
    }

    fn failure(&self) -> Option<Failure> {
        let cause = self.spool.cause.as_ref()?;
        Some(Failure {
            name: self.name.clone(),
            kind: cause.kind(),
            cause: cause.to_string(),
            written: self.written(),
            lost: self.lost().records,
        })
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // Whoever wants to know has called `close`.
        let _ = self.close();
    }
}

/// An output that takes no more records.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot write to {name}: {cause}: {written} records are whole, {lost} were lost")]
pub struct Failure {
    /// What was written to.
    pub name: String,
    /// Why it takes no more.
    pub cause: String,
    /// What kind of error it was.
    pub kind: io::ErrorKind,
    /// Records that are whole in the output.
    pub written: u64,
    /// Records that are not.
    pub lost: u64,
}

/// What a file is written through, and whether it is a regular one.
fn open(path: &Path, sealed: bool, stop: Option<StopRequest>) -> io::Result<(Box<dyn Target>, bool)> {
    let special = path.metadata().is_ok_and(|data| !data.is_file());
    if sealed && !special {
        return Ok((Box::new(Temporary::beside(&resolved(path))?), true));
    }
    let file = create(path)?;
    let regular = file.metadata()?.is_file();
    Ok((Box::new(Stream::new(file, stop, PATIENCE)?), regular))
}

/// The file itself where `path` is a symbolic link to one: that is replaced, not the link.
fn resolved(path: &Path) -> PathBuf {
    if path.is_symlink() { path.canonicalize().unwrap_or_else(|_| path.to_owned()) } else { path.to_owned() }
}

/// O_NONBLOCK changes nothing for files: it refuses a pipe without a reader, whose opening would wait for one.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Emptied only once it is ours.
    options.write(true).create(true).truncate(false).mode(0o600).custom_flags(O_NONBLOCK);
    let file = options.open(path).map_err(|error| {
        let pipe = path.metadata().is_ok_and(|data| data.file_type().is_fifo());
        if pipe && error.raw_os_error() == Some(ENXIO) {
            io::Error::new(error.kind(), "nothing reads from this pipe; start its reader first")
        } else {
            error
        }
    })?;
    if file.metadata()?.is_file() {
        // A file system without locks has none to respect.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another process is writing to it"));
        }
        file.set_len(0)?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests;
