//! A buffer of whole records in front of a file, and the account of which of them reached it.

use std::io::{self, Write};
use std::ops::AddAssign;

/// The buffer is written when it holds this much.
const FULL: usize = 1 << 20;

/// What a spool writes to.
pub(crate) trait Target: Write + Send {
    /// Removes the last `excess` bytes that were written, where that can be done.
    fn cut(&mut self, excess: u64) -> io::Result<()>;
    /// The file is whole: gives it its name.
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
    /// The file will never be whole: removes it if that makes it of no use.
    fn abandon(&mut self) {}
}

/// What a record stands for in the account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Records: 1, or 0 where it tells of the run rather than of what was observed.
    pub records: u64,
    /// Packets in it.
    pub packets: u64,
}

impl Weight {
    /// Of a record about the run, such as a ledger: it is written like any other but not counted.
    pub const ABOUT: Self = Self { records: 0, packets: 0 };

    /// Of a record of so many packets.
    pub const fn group(packets: u64) -> Self {
        Self { records: 1, packets }
    }
}

impl AddAssign for Weight {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.packets += other.packets;
    }
}

/// Buffers whole records. After a failed write the file is cut back to the last whole one, and nothing more is written.
pub(crate) struct Spool {
    target: Box<dyn Target>,
    /// The file is of use only when it is finished.
    sealed: bool,
    /// What is not yet written: whole records, after what stands before the first of them.
    buffer: Vec<u8>,
    /// Where each record in the buffer ends, and what it stands for.
    ends: Vec<(usize, Weight)>,
    /// Length of what stands in the buffer before the first record.
    head: usize,
    /// Records that the format holds back; all records of a sealed file.
    unsure: Weight,
    /// Bytes and records of this file, those in the buffer included.
    committed: u64,
    records: u64,
    /// Records of all files, those in the buffer included, and those that did not make it.
    pub(crate) taken: Weight,
    pub(crate) lost: Weight,
    /// Why nothing more is written.
    pub(crate) cause: Option<io::Error>,
}

impl Spool {
    pub(crate) fn new(target: Box<dyn Target>, sealed: bool) -> Self {
        Self {
            target,
            sealed,
            // Room for the record that fills it.
            buffer: Vec::with_capacity(FULL + FULL / 16),
            ends: Vec::with_capacity(FULL / 256),
            head: 0,
            unsure: Weight::default(),
            committed: 0,
            records: 0,
            taken: Weight::default(),
            lost: Weight::default(),
            cause: None,
        }
    }

    /// Appends what stands before a file's first record.
    pub(crate) fn head(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.buffer);
        self.head = self.buffer.len();
    }

    /// Appends a record that `write` writes, and counts it: as lost where it writes none.
    ///
    /// The record stays uncounted and is taken back too where the file would become longer than `limit`; a file's
    /// first record is always taken.
    pub(crate) fn record(
        &mut self,
        limit: u64,
        weight: Weight,
        write: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> Taken {
        let start = self.buffer.len();
        if !write(&mut self.buffer) {
            self.taken += weight;
            self.lost += weight;
            return Taken::LeftOut;
        }
        if self.records > 0 && self.length() > limit {
            self.buffer.truncate(start);
            return Taken::TooLong;
        }
        self.unsure += weight;
        self.records += 1;
        self.taken += weight;
        self.appended(start);
        Taken::Whole
    }

    /// What the format held back: appended by `write`, which tells why it cannot be.
    pub(crate) fn append(&mut self, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<()> {
        let start = self.buffer.len();
        write(&mut self.buffer)?;
        self.appended(start);
        Ok(())
    }

    /// What was appended since `start` has every record that was held back.
    fn appended(&mut self, start: usize) {
        if !self.sealed && self.buffer.len() > start {
            self.ends.push((self.buffer.len(), std::mem::take(&mut self.unsure)));
        }
    }

    /// Bytes of this file, those in the buffer included.
    pub(crate) fn length(&self) -> u64 {
        self.committed + self.buffer.len() as u64
    }

    /// Whether it is time to [`commit`](Self::commit).
    pub(crate) fn is_full(&self) -> bool {
        self.buffer.len() >= FULL
    }

    /// Whether this file has records.
    pub(crate) fn has_records(&self) -> bool {
        self.records > 0
    }

    /// Writes the buffer. An error means that records of it were lost; they are counted.
    pub(crate) fn commit(&mut self) -> io::Result<()> {
        let mut done = 0;
        while done < self.buffer.len() {
            let error = match self.target.write(&self.buffer[done..]) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(written) => {
                    done += written;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            self.give_up(done);
            return Err(error);
        }
        self.committed += done as u64;
        self.clear();
        self.target.flush()
    }

    /// The file has its end: writes it and makes it whole.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.commit()?;
        self.target.finish()?;
        self.unsure = Weight::default();
        Ok(())
    }

    /// Nothing more will be written: what is not sure to be in the file is lost.
    pub(crate) fn abandon(&mut self) {
        self.lost += std::mem::take(&mut self.unsure);
        self.target.abandon();
        self.buffer = Vec::new();
        self.ends.clear();
    }

    /// Goes on with another, empty file. The buffer must be committed.
    pub(crate) fn turn_to(&mut self, target: Box<dyn Target>) {
        self.target = target;
        self.committed = 0;
        self.records = 0;
    }

    /// `done` bytes of the buffer were written: keeps the whole records among them and counts the others as lost.
    fn give_up(&mut self, done: usize) {
        let whole = self.ends.partition_point(|(end, _)| *end <= done);
        let kept = match whole {
            0 if done < self.head => 0,
            0 => self.head,
            whole => self.ends[whole - 1].0,
        };
        if done > kept {
            // A pipe cannot be cut: its reader sees a last record that is torn, as after kill -9.
            let _ = self.target.cut((done - kept) as u64);
        }
        self.ends[whole..].iter().for_each(|(_, weight)| self.lost += *weight);
        self.clear();
    }

    fn clear(&mut self) {
        self.buffer.clear();
        // A row group is larger than what is written at once otherwise.
        self.buffer.shrink_to(FULL + FULL / 16);
        self.ends.clear();
        self.head = 0;
    }
}

/// What became of a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is in the buffer.
    Whole,
    /// The format has no place for it, so it is lost.
    LeftOut,
    /// It belongs in the next file.
    TooLong,
}
