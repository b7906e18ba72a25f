//! A directory of Parquet files, partitioned as Hive, Spark, DuckDB and Polars read it.
//!
//! `KINDs/v=1/date=2026-11-22/hour=07/node=NAME/part-START-SEQUENCE.parquet`: date and hour are those of the records' own
//! time in UTC, which is that of their first time column, START the file's begin in milliseconds since the Unix epoch.
//! Records come nearly in order, so that few files are open at a time; a record from long ago gets its own file.

use super::held::About;
use super::{SCHEMA_VERSION, parquet};
use crate::Sink;
use crate::format::Layout;
use crate::output::{Failure, Output, Weight};
use crate::rotate::Rotate;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use plumb_records::column::{Kind, Row, Value};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// Partitions that are written to at the same time; each needs memory for a row group.
const OPEN: usize = 4;

/// When a file is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// About so many bytes.
    pub bytes: u64,
    /// After so long.
    pub age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 128 << 20, age: Duration::from_secs(300) }
    }
}

impl Limits {
    /// The default with one of them as --rotate gives it.
    pub fn of(rotate: Option<Rotate>) -> Self {
        match rotate {
            Some(Rotate::Size(bytes)) => Self { bytes, ..Self::default() },
            Some(Rotate::Every(age)) => Self { age, ..Self::default() },
            None => Self::default(),
        }
    }
}

/// The dataset of one run on one node.
pub struct Dataset {
    /// Up to and with the version.
    folder: PathBuf,
    node: String,
    layout: Layout,
    limits: Limits,
    /// The column that says when a record is from.
    time: Option<usize>,
    /// The last record of each other kind, for the metadata of files that are begun later.
    about: About,
    parts: Vec<Part>,
    sequence: u64,
    taken: Weight,
    lost: Weight,
    failure: Option<Failure>,
}

/// A file in the making.
struct Part {
    /// Since the Unix epoch.
    hour: u64,
    output: Output,
    used: Instant,
}

impl Dataset {
    /// A dataset below `root`, which is made if it is not there. `node` is the name of this machine.
    ///
    /// # Errors
    /// Where the directory cannot be made.
    pub fn create(root: &Path, node: &str, layout: Layout, limits: Limits) -> io::Result<Self> {
        let folder = root.join(format!("{}s", layout.record)).join(format!("v={SCHEMA_VERSION}"));
        fs::create_dir_all(&folder).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot create {}: {error}", folder.display()))
        })?;
        Ok(Self {
            folder,
            node: escaped(node),
            layout,
            limits,
            time: layout.columns.iter().position(|column| column.kind == Kind::Time),
            about: About::default(),
            parts: Vec::new(),
            sequence: 0,
            taken: Weight::default(),
            lost: Weight::default(),
            failure: None,
        })
    }

    /// The hour that a record belongs to: of its own time, or of now where it has none.
    fn hour(&self, row: &dyn Row) -> u64 {
        let mut time = None;
        if let Some(place) = self.time {
            row.walk(&mut |index, value| {
                if let (true, Value::Time(at)) = (index == place, value) {
                    time = Some(Duration::from_nanos(at));
                }
            });
        }
        time.unwrap_or_else(now).as_secs() / 3600
    }

    /// The place of the part for `hour`, which is begun if it is not there.
    fn part(&mut self, hour: u64) -> io::Result<usize> {
        if let Some(place) = self.parts.iter().position(|part| part.hour == hour) {
            return Ok(place);
        }
        if self.parts.len() >= OPEN {
            let oldest = self.parts.iter().enumerate().min_by_key(|(_, part)| part.used);
            if let Some((place, _)) = oldest {
                self.end(place)?;
            }
        }
        let path = self.path(hour)?;
        let output = Output::create(&path, parquet::encoder(self.layout, self.about.clone()), None, None)?;
        self.parts.push(Part { hour, output, used: Instant::now() });
        Ok(self.parts.len() - 1)
    }

    fn path(&mut self, hour: u64) -> io::Result<PathBuf> {
        let second = i64::try_from(hour * 3600).map_err(io::Error::other)?;
        let begin = Timestamp::from_second(second).map_err(io::Error::other)?.to_zoned(TimeZone::UTC);
        let folder = self
            .folder
            .join(format!("date={}", begin.date()))
            .join(format!("hour={:02}", begin.hour()))
            .join(format!("node={}", self.node));
        fs::create_dir_all(&folder)?;
        let start = now().as_millis();
        loop {
            let path = folder.join(format!("part-{start}-{}.parquet", self.sequence));
            self.sequence += 1;
            // Another run may have begun one in the same millisecond.
            if !path.try_exists()? {
                return Ok(path);
            }
        }
    }

    /// Ends a part. An error counts its records as lost.
    fn end(&mut self, place: usize) -> io::Result<()> {
        let mut part = self.parts.swap_remove(place);
        let ended = part.output.close();
        self.lost += part.output.lost();
        ended
    }

    /// Nothing is written after the first error. The parts that are open are ended with what they have.
    fn fail(&mut self, error: &io::Error) {
        while !self.parts.is_empty() {
            // One that fails too has counted its records.
            let _ = self.end(self.parts.len() - 1);
        }
        let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<Failure>());
        let cause = cause.map_or_else(|| error.to_string(), |failure| failure.cause.clone());
        let name = self.folder.display().to_string();
        self.failure = Some(Failure { name, cause, kind: error.kind(), written: 0, lost: 0 });
    }

    fn checked(&mut self, result: io::Result<()>) -> io::Result<()> {
        result.inspect_err(|error| self.fail(error))
    }

    fn failed(&self) -> io::Result<()> {
        self.failure.as_ref().map_or(Ok(()), |failure| Err(failure.kind.into()))
    }

    fn try_write(&mut self, row: &dyn Row, weight: Weight, given: &mut bool) -> io::Result<()> {
        let place = self.part(self.hour(row))?;
        let Some(part) = self.parts.get_mut(place) else { return Ok(()) };
        part.used = Instant::now();
        *given = true;
        part.output.write(row, weight)?;
        if part.output.length() >= self.limits.bytes { self.end(place) } else { Ok(()) }
    }

    fn try_flush(&mut self) -> io::Result<()> {
        let age = self.limits.age;
        let over = |part: &Part| part.output.begun().elapsed() >= age;
        while let Some(place) = self.parts.iter().position(over) {
            self.end(place)?;
        }
        self.parts.iter_mut().try_for_each(|part| part.output.flush())
    }
}

impl Sink for Dataset {
    fn write(&mut self, row: &dyn Row, weight: Weight) -> io::Result<()> {
        self.taken += weight;
        if row.record() != self.layout.record {
            self.about.keep(row);
            self.lost += weight;
            // What is open has it too: no part is begun for its sake.
            let kept = self.parts.iter_mut().try_for_each(|part| part.output.write(row, Weight::ABOUT));
            return kept.and_then(|()| self.failed());
        }
        let mut given = false;
        let result = match self.failed() {
            Ok(()) => {
                let written = self.try_write(row, weight, &mut given);
                self.checked(written)
            }
            failed => failed,
        };
        if result.is_err() && !given {
            self.lost += weight;
        }
        result
    }

    fn flush(&mut self) -> io::Result<()> {
        self.failed()?;
        let flushed = self.try_flush();
        self.checked(flushed)
    }

    fn settle(&mut self) -> io::Result<()> {
        self.failed()?;
        let settled = self.parts.iter_mut().try_for_each(|part| part.output.settle());
        self.checked(settled)
    }

    fn close(&mut self) -> io::Result<()> {
        self.failed()?;
        while !self.parts.is_empty() {
            let ended = self.end(self.parts.len() - 1);
            self.checked(ended)?;
        }
        Ok(())
    }

    fn sealed(&self) -> bool {
        true
    }

    fn lost(&self) -> Weight {
        let mut lost = self.lost;
        self.parts.iter().for_each(|part| lost += part.output.lost());
        lost
    }

    fn failure(&self) -> Option<Failure> {
        let lost = self.lost().records;
        let failure = self.failure.clone()?;
        Some(Failure { written: self.taken.records - lost, lost, ..failure })
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// A name as the value of a partition: what could end it, or is not ASCII, as Hive writes it.
fn escaped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let mut out = String::new();
    for byte in name.bytes() {
        if plain(byte) { out.push(char::from(byte)) } else { out.push_str(&format!("%{byte:02X}")) }
    }
    if out.is_empty() { "unknown".to_owned() } else { out }
}
