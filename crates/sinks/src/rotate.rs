//! Names of a series of files: the one being written keeps the name that was given, finished ones are numbered.
//!
//! `out.jsonl` becomes `out.1.jsonl`, the next one `out.2.jsonl`: higher numbers are later, no file is renamed twice,
//! and numbers go on from those that are there, so that no earlier run's file is overwritten.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// When a file is closed and the next one begun. A file without records is never rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotate {
    /// Before it would become longer than this many bytes; one record is never divided.
    Size(u64),
    /// After this time. It is looked at when the buffer is written or flushed, at the resolution of those.
    Every(Duration),
}

/// The files of one output.
#[derive(Debug)]
pub(crate) struct Series {
    path: PathBuf,
    rotate: Rotate,
    /// The number that was given last.
    last: u64,
}

impl Series {
    /// Looks which numbers are taken.
    pub(crate) fn new(path: &Path, rotate: Rotate) -> io::Result<Self> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut last = 0;
        for entry in fs::read_dir(directory)? {
            last = last.max(number(path, &entry?.file_name()).unwrap_or(0));
        }
        Ok(Self { path: path.to_owned(), rotate, last })
    }

    /// The file being written.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The most bytes that a file may have.
    pub(crate) fn limit(&self) -> u64 {
        if let Rotate::Size(limit) = self.rotate { limit } else { u64::MAX }
    }

    /// The longest that a file is written to.
    pub(crate) fn period(&self) -> Option<Duration> {
        if let Rotate::Every(period) = self.rotate { Some(period) } else { None }
    }

    /// Gives the file its number.
    pub(crate) fn put_aside(&mut self) -> io::Result<()> {
        self.last += 1;
        let mut name = self.path.file_stem().unwrap_or_default().to_owned();
        name.push(format!(".{}", self.last));
        if let Some(extension) = self.path.extension() {
            name.push(".");
            name.push(extension);
        }
        fs::rename(&self.path, self.path.with_file_name(name))
    }
}

/// The number of a finished file of `path`'s series.
fn number(path: &Path, name: &OsStr) -> Option<u64> {
    let name = Path::new(name);
    if name.extension() != path.extension() {
        return None;
    }
    let numbered = Path::new(name.file_stem()?);
    let same = numbered.file_stem() == path.file_stem();
    let digits = if same { numbered.extension().map(OsString::from)? } else { return None };
    digits.to_str()?.parse().ok()
}
