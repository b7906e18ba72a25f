//! The buffers of a `BPF_MAP_TYPE_PERF_EVENT_ARRAY`, one for each CPU.
//!
//! libbpf-rs opens them with a wake-up for each record, which costs microseconds each; libbpf's raw interface takes a watermark.

use super::Handle;
use crate::error::{Class, Error};
use libbpf_rs::{MapCore, libbpf_sys};
use std::ffi::{c_int, c_void};
use std::io;
use std::marker::PhantomData;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::time::Duration;

/// The reader is woken when a buffer is full to this part.
const WATERMARK: usize = 4;

/// The reading end of all buffers, with what takes their records.
pub(super) struct Buffers<'cb> {
    raw: NonNull<libbpf_sys::perf_buffer>,
    /// Owned; the library has it too and uses it during calls with `raw` only.
    handler: NonNull<Handler<'cb>>,
    owned: PhantomData<Handler<'cb>>,
}

struct Handler<'cb> {
    taken: usize,
    handle: Handle<'cb>,
}

impl<'cb> Buffers<'cb> {
    /// Opens a buffer of so many pages, a power of two, for each CPU. Needs CAP_PERFMON.
    pub(super) fn new(
        map: &impl MapCore,
        pages: usize,
        handle: impl FnMut(&[u8]) + 'cb,
    ) -> Result<Self, Error> {
        let mut attributes = libbpf_sys::perf_event_attr {
            size: size_of::<libbpf_sys::perf_event_attr>() as u32,
            type_: libbpf_sys::PERF_TYPE_SOFTWARE,
            config: u64::from(libbpf_sys::PERF_COUNT_SW_BPF_OUTPUT),
            sample_type: u64::from(libbpf_sys::PERF_SAMPLE_RAW),
            ..Default::default()
        };
        attributes.__bindgen_anon_1.sample_period = 1;
        attributes.set_watermark(1);
        attributes.__bindgen_anon_2.wakeup_watermark = (pages * 4096 / WATERMARK) as u32;
        let handler = Box::new(Handler { taken: 0, handle: Box::new(handle) });
        let handler = NonNull::from(Box::leak(handler));
        // SAFETY: the attributes are read during the call; the handler lives until drop, which frees the buffers first.
        #[allow(unsafe_code, reason = "libbpf-rs sets no watermark")]
        let raw = unsafe {
            libbpf_sys::perf_buffer__new_raw(
                map.as_fd().as_raw_fd(),
                pages as _,
                &raw mut attributes,
                Some(on_record),
                handler.as_ptr().cast(),
                std::ptr::null(),
            )
        };
        let error = io::Error::last_os_error();
        match NonNull::new(raw) {
            Some(raw) => Ok(Self { raw, handler, owned: PhantomData }),
            None => {
                // SAFETY: leaked above, and the library has no buffers that would use it.
                #[allow(unsafe_code, reason = "the counterpart of the leak")]
                drop(unsafe { Box::from_raw(handler.as_ptr()) });
                Err(refused(error))
            }
        }
    }

    /// Hands over what is there. Ends by itself: it looks once at where each buffer's end is.
    pub(super) fn take(&mut self) -> Result<usize, Error> {
        let before = self.taken();
        // SAFETY: `raw` is what the library gave and is used by one thread at a time: self is borrowed exclusively.
        #[allow(unsafe_code, reason = "a call into libbpf")]
        let status = unsafe { libbpf_sys::perf_buffer__consume(self.raw.as_ptr()) };
        if status < 0 {
            return Err(unreadable(status));
        }
        Ok(self.taken() - before)
    }

    /// Sleeps until a buffer is full to the watermark, and hands over what is there then; `None` where a signal came first.
    pub(super) fn sleep(&mut self, at_most: Duration) -> Result<Option<usize>, Error> {
        let before = self.taken();
        let at_most = c_int::try_from(at_most.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: as in `take`.
        #[allow(unsafe_code, reason = "a call into libbpf")]
        let status = unsafe { libbpf_sys::perf_buffer__poll(self.raw.as_ptr(), at_most) };
        match status {
            interrupted if interrupted == -libc::EINTR => Ok(None),
            failed if failed < 0 => Err(unreadable(failed)),
            _ => Ok(Some(self.taken() - before)),
        }
    }

    fn taken(&self) -> usize {
        // SAFETY: the handler lives as long as self, and no call that uses it is under way.
        #[allow(unsafe_code, reason = "shared with the callback, in turns")]
        unsafe {
            self.handler.as_ref().taken
        }
    }
}

impl Drop for Buffers<'_> {
    fn drop(&mut self) {
        // SAFETY: owned and not used again. The buffers go first, because they know the handler.
        #[allow(unsafe_code, reason = "the counterpart of `new`")]
        unsafe {
            libbpf_sys::perf_buffer__free(self.raw.as_ptr());
        }
        // SAFETY: leaked by `new`, and nobody else has it any more.
        #[allow(unsafe_code, reason = "the counterpart of `new`")]
        drop(unsafe { Box::from_raw(self.handler.as_ptr()) });
    }
}

/// Called by libbpf for each record of a buffer. What the kernel had no room for the program counts.
#[allow(unsafe_code, reason = "a callback of libbpf")]
unsafe extern "C" fn on_record(
    context: *mut c_void,
    _cpu: c_int,
    record: *mut libbpf_sys::perf_event_header,
) -> libbpf_sys::bpf_perf_event_ret {
    // SAFETY: the context is the handler of `new`, which nobody else uses during the call.
    let handler = unsafe { &mut *context.cast::<Handler<'_>>() };
    // SAFETY: the library hands over a header with the record behind it.
    let header = unsafe { record.read_unaligned() };
    // SAFETY: the record is whole, because libbpf copies one that wraps, and this is its length.
    let bytes = unsafe { std::slice::from_raw_parts(record.cast::<u8>(), usize::from(header.size)) };
    if header.type_ == libbpf_sys::PERF_RECORD_SAMPLE {
        handler.taken += 1;
        (handler.handle)(raw_data(bytes));
    }
    libbpf_sys::LIBBPF_PERF_EVENT_CONT
}

/// The data of a sample: a header of eight bytes, the data's length, and the data (perf_event_open(2)).
fn raw_data(sample: &[u8]) -> &[u8] {
    let (_, rest) = sample.split_at(sample.len().min(size_of::<libbpf_sys::perf_event_header>()));
    match rest.split_first_chunk::<4>() {
        Some((length, data)) => &data[..data.len().min(u32::from_ne_bytes(*length) as usize)],
        None => &[],
    }
}

fn refused(error: io::Error) -> Error {
    let class = match error.kind() {
        io::ErrorKind::PermissionDenied => Class::Privileges,
        _ => Class::Failed,
    };
    Error::new(class, "cannot open the perf buffers", error)
        .help("they need CAP_PERFMON; a smaller --ring-size needs less memory, --transport ring neither")
}

fn unreadable(status: c_int) -> Error {
    Error::new(Class::Failed, "cannot read the perf buffers", io::Error::from_raw_os_error(-status))
}
