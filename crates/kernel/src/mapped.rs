//! Maps seen through memory: counters, tables and rings that are read without a syscall per entry.

use crate::error::{Class, Error};
use bytemuck::AnyBitPattern;
use libbpf_rs::MapCore;
use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Part of a map in memory: words that BPF programs write too.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<c_void>,
    length: NonZeroUsize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and is accessed through atomics only.
#[allow(unsafe_code, reason = "the argument above")]
unsafe impl Send for Mapping {}
// SAFETY: as above: there is no access that is not atomic.
#[allow(unsafe_code, reason = "the argument above")]
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `length` bytes from `offset`, a multiple of the page size.
    pub(crate) fn new(
        map: BorrowedFd<'_>,
        offset: usize,
        length: usize,
        writable: bool,
    ) -> Result<Self, Errno> {
        let length = NonZeroUsize::new(length).ok_or(Errno::EINVAL)?;
        let offset = i64::try_from(offset).map_err(|_| Errno::EOVERFLOW)?;
        let protection =
            if writable { ProtFlags::PROT_READ | ProtFlags::PROT_WRITE } else { ProtFlags::PROT_READ };
        // SAFETY: a new mapping at an address of the kernel's choice aliases no Rust object; the map's fd is
        // borrowed for the call, and the mapping holds its own reference to the map.
        #[allow(unsafe_code, reason = "mmap is the interface of mmapable maps")]
        let start = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, map, offset) }?;
        Ok(Self { start, length })
    }

    /// All of it; to be stored to only where it was mapped writable.
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is page aligned and lives as long as self. Other writers are BPF programs, whose aligned
        // word stores are what relaxed atomic loads of the same size expect.
        #[allow(unsafe_code, reason = "shared memory becomes atomics here and nowhere else")]
        unsafe {
            std::slice::from_raw_parts(self.start.cast::<AtomicU64>().as_ptr(), self.length.get() / 8)
        }
    }

    /// All of it in half words, for what both sides write so. It must have been mapped writable.
    fn halves(&self) -> &[AtomicU32] {
        // SAFETY: as above, and both sides access half words of such maps as half words only.
        #[allow(unsafe_code, reason = "shared memory becomes atomics here and nowhere else")]
        unsafe {
            std::slice::from_raw_parts(self.start.cast::<AtomicU32>().as_ptr(), self.length.get() / 4)
        }
    }

    /// The first half word, as a flag that both sides write. It must have been mapped writable.
    fn flag(&self) -> &AtomicU32 {
        // SAFETY: the mapping is at least a page long, page aligned, and lives as long as self; both sides access the
        // flag as an aligned 32-bit word.
        #[allow(unsafe_code, reason = "a flag shared with BPF programs")]
        unsafe {
            self.start.cast::<AtomicU32>().as_ref()
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: start and length are what mmap returned and got, and no reference outlives self.
        #[allow(unsafe_code, reason = "the counterpart of mmap above")]
        let unmapped = unsafe { munmap(self.start, self.length.get()) };
        debug_assert!(unmapped.is_ok());
    }
}

/// A mapped `BPF_MAP_TYPE_ARRAY` with `BPF_F_MMAPABLE`. Each element is a bank; the kernel rounds it up to eight bytes.
#[derive(Debug)]
pub(crate) struct Mapped {
    mapping: Mapping,
    bank_words: usize,
    banks: usize,
}

impl Mapped {
    /// Maps all of `map`, for reading and, with `writable`, for flags that the programs read.
    pub(crate) fn new(map: &impl MapCore, writable: bool) -> Result<Self, Error> {
        let bank_words = (map.value_size() as usize).div_ceil(8);
        let banks = map.max_entries() as usize;
        let mapping = Mapping::new(map.as_fd(), 0, bank_words * banks * 8, writable).map_err(|errno| {
            Error::new(Class::Failed, format!("cannot map {}", map.name().to_string_lossy()), errno)
        })?;
        Ok(Self { mapping, bank_words, banks })
    }

    /// How many banks there are.
    pub(crate) fn banks(&self) -> usize {
        self.banks
    }

    /// The words of one bank; empty beyond the last.
    pub(crate) fn words(&self, bank: usize) -> &[AtomicU64] {
        self.mapping.words().get(bank * self.bank_words..(bank + 1) * self.bank_words).unwrap_or_default()
    }

    /// The half words of one bank, for what both sides write so; empty beyond the last. The map must have been mapped
    /// writable.
    pub(crate) fn halves(&self, bank: usize) -> &[AtomicU32] {
        let words = self.bank_words * 2;
        self.mapping.halves().get(bank * words..(bank + 1) * words).unwrap_or_default()
    }

    /// Copies a value out of a bank, word by word: `None` where it does not lie in the bank or is not whole words.
    pub(crate) fn read<T: AnyBitPattern>(&self, bank: usize, byte_offset: usize) -> Option<T> {
        let mut copy = [0_u64; 32];
        let count = size_of::<T>() / 8;
        let words = self.words(bank).get(byte_offset / 8..byte_offset / 8 + count)?;
        let copy = copy.get_mut(..count)?;
        for (to, from) in copy.iter_mut().zip(words) {
            *to = from.load(Ordering::Acquire);
        }
        crate::wire::read(bytemuck::cast_slice(copy)).ok()
    }

    /// Copies bytes into a bank, from a whole word on; what does not fit is left out. The map must have been mapped
    /// writable. Bytes of the last word beyond `bytes` become zero.
    pub(crate) fn write(&self, bank: usize, word: usize, bytes: &[u8]) {
        let words = self.words(bank).get(word..).unwrap_or_default();
        for (to, from) in words.iter().zip(bytes.chunks(8)) {
            let mut whole = [0; 8];
            whole[..from.len()].copy_from_slice(from);
            to.store(u64::from_ne_bytes(whole), Ordering::Relaxed);
        }
    }

    /// The first half word of bank 0, as a flag that both sides write. The map must have been mapped writable.
    pub(crate) fn flag(&self) -> &AtomicU32 {
        self.mapping.flag()
    }
}
