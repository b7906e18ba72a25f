//! The records of a `BPF_MAP_TYPE_RINGBUF`, read where programs put them (kernel/bpf/ringbuf.c).
//!
//! libbpf gives room back after each record. The program that makes the next one then fetches that position from the reader's
//! CPU, each time. Here room goes back in large parts.

use crate::error::{Class, Error};
use crate::mapped::Mapping;
use libbpf_rs::MapCore;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Flags in a record's length, and the bytes of its header (BPF_RINGBUF_* in include/uapi/linux/bpf.h).
const BUSY: u32 = 1 << 31;
const DISCARD: u32 = 1 << 30;
const HEADER: u64 = 8;

/// Parts in which room is given back.
const PARTS: u64 = 8;

/// The reading end.
pub(super) struct Records {
    map: OwnedFd,
    /// A page with the reader's position.
    reader: Mapping,
    /// A page with the position of the programs, then the data twice, so that no record is cut in two.
    programs: Mapping,
    first_word: usize,
    bytes: u64,
    /// The record at hand.
    record: Vec<u64>,
}

impl Records {
    pub(super) fn new(map: &dyn MapCore) -> Result<Self, Error> {
        let own = map.as_fd().try_clone_to_owned();
        let records = own
            .map_err(|error| error.to_string())
            .and_then(|own| Self::map(own, map.max_entries() as usize).map_err(|errno| errno.to_string()));
        records.map_err(|why| Error::new(Class::Failed, "cannot map the event ring", why))
    }

    /// Maps a ring for `bytes` of data.
    fn map(map: OwnedFd, bytes: usize) -> Result<Self, Errno> {
        let page = page_size();
        let reader = Mapping::new(map.as_fd(), 0, page, true)?;
        let programs = Mapping::new(map.as_fd(), page, page + 2 * bytes, false)?;
        Ok(Self { map, reader, programs, first_word: page / 8, bytes: bytes as u64, record: Vec::new() })
    }

    /// Hands over what is there, at most `most` records; how many there were.
    pub(super) fn take(&mut self, most: usize, handle: &mut dyn FnMut(&[u8])) -> usize {
        let (Some(position), Some(end)) = (self.reader.words().first(), self.programs.words().first()) else {
            return 0;
        };
        let (mut at, mut taken) = (position.load(Ordering::Relaxed), 0);
        let mut given_back = at;
        let end = end.load(Ordering::Acquire);
        while at < end && taken < most {
            let header = self.first_word + (at % self.bytes / 8) as usize;
            let Some(word) = self.programs.words().get(header) else { break };
            let length = word.load(Ordering::Acquire).to_ne_bytes();
            let length = u32::from_ne_bytes([length[0], length[1], length[2], length[3]]);
            // Its program still writes it. What lies behind waits too.
            if length & BUSY != 0 {
                break;
            }
            let size = length & !DISCARD;
            let words = (size as usize).div_ceil(8);
            if length & DISCARD == 0 {
                let Some(data) = self.programs.words().get(header + 1..header + 1 + words) else { break };
                self.record.clear();
                self.record.extend(data.iter().map(|word| word.load(Ordering::Relaxed)));
                let bytes: &[u8] = bytemuck::cast_slice(&self.record);
                handle(&bytes[..size as usize]);
                taken += 1;
            }
            at += HEADER + 8 * words as u64;
            if at - given_back >= self.bytes / PARTS {
                position.store(at, Ordering::Release);
                given_back = at;
            }
        }
        if at != given_back {
            position.store(at, Ordering::Release);
        }
        taken
    }

    /// Sleeps until a program wakes us or the time is over; `false` where a signal came first.
    pub(super) fn sleep(&self, at_most: Duration) -> Result<bool, Error> {
        let mut waiting = [PollFd::new(self.map.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut waiting, Some(TimeSpec::from_duration(at_most)), None) {
            Ok(_) => Ok(true),
            Err(Errno::EINTR) => Ok(false),
            Err(errno) => Err(Error::new(Class::Failed, "cannot wait for the event ring", errno)),
        }
    }
}

fn page_size() -> usize {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten();
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::memfd::{MFdFlags, memfd_create};
    use proptest::prelude::*;
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    const BYTES: usize = 4096;

    /// A ring as the kernel lays it out, in a file: pages of the reader and of the programs, then the data twice.
    struct Kernel {
        file: File,
        end: u64,
    }

    impl Kernel {
        fn new(start: u64) -> Self {
            let file = File::from(memfd_create("ring", MFdFlags::MFD_CLOEXEC).unwrap());
            file.set_len((2 * page_size() + 2 * BYTES) as u64).unwrap();
            let kernel = Self { file, end: start };
            kernel.put(0, &start.to_ne_bytes());
            kernel.put(page_size() as u64, &start.to_ne_bytes());
            kernel
        }

        fn put(&self, at: u64, bytes: &[u8]) {
            self.file.write_all_at(bytes, at).unwrap();
        }

        fn put_data(&self, at: u64, bytes: &[u8]) {
            for (index, byte) in bytes.iter().enumerate() {
                let at = (at + index as u64) % BYTES as u64 + 2 * page_size() as u64;
                self.put(at, &[*byte]);
                self.put(at + BYTES as u64, &[*byte]);
            }
        }

        /// Room that the reader has given back.
        fn room(&self) -> u64 {
            let mut position = [0; 8];
            self.file.read_exact_at(&mut position, 0).unwrap();
            BYTES as u64 - (self.end - u64::from_ne_bytes(position))
        }

        /// Adds a record, and where its flags are.
        fn add(&mut self, data: &[u8], flags: u32) -> u64 {
            let at = self.end;
            self.put_data(at, &(data.len() as u32 | flags).to_ne_bytes());
            self.put_data(at + 4, &7_u32.to_ne_bytes());
            self.put_data(at + HEADER, data);
            self.end += HEADER + data.len().next_multiple_of(8) as u64;
            self.put(page_size() as u64, &self.end.to_ne_bytes());
            at
        }

        fn reader(&self) -> Records {
            Records::map(self.file.try_clone().unwrap().into(), BYTES).unwrap()
        }
    }

    fn taken(records: &mut Records, most: usize) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        let count = records.take(most, &mut |bytes| all.push(bytes.to_vec()));
        assert_eq!(count, all.len());
        all
    }

    #[test]
    fn what_is_still_written_waits_with_all_behind_it() {
        let mut kernel = Kernel::new(0);
        let mut records = kernel.reader();
        kernel.add(b"one", 0);
        let busy = kernel.add(b"two", BUSY);
        kernel.add(b"three", 0);
        assert_eq!(taken(&mut records, 10), [b"one"]);
        kernel.put_data(busy, &3_u32.to_ne_bytes());
        assert_eq!(taken(&mut records, 1), [b"two"]);
        assert_eq!(taken(&mut records, 10), [b"three"]);
        assert_eq!(kernel.room(), BYTES as u64);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn records_come_whole_and_in_order(
            start in 0_u64..BYTES as u64,
            sizes in proptest::collection::vec((0_usize..300, any::<bool>()), 1..200),
            most in 1_usize..50,
        ) {
            let mut kernel = Kernel::new(start & !7);
            let mut records = kernel.reader();
            let (mut expected, mut came) = (Vec::new(), Vec::new());
            for (number, (size, discarded)) in sizes.iter().enumerate() {
                while kernel.room() < 400 {
                    came.extend(taken(&mut records, most));
                }
                let data = vec![number as u8; *size];
                kernel.add(&data, if *discarded { DISCARD } else { 0 });
                if !discarded {
                    expected.push(data);
                }
            }
            while kernel.room() < BYTES as u64 {
                came.extend(taken(&mut records, most));
            }
            prop_assert_eq!(came, expected);
        }
    }
}
