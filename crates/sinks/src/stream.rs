//! Writing to a pipe, a socket or a terminal without being stuck in it when the run is asked to end.
//!
//! A write to a pipe that nobody reads blocks for ever, and a signal does not end it where its handler was installed
//! with SA_RESTART. So what can block is waited for with poll(2), beside a descriptor that tells of the request.
//! O_NONBLOCK would not do for standard output: it is a flag of the open file, which other processes have too.

use crate::page_cache::PageCache;
use crate::spool::Target;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{self, Whence};
use std::fs::File;
use std::io::{self, Seek as _, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// What a pipe takes whole once poll(2) says that it is writable: one free page (`pipe_poll` in fs/pipe.c). A longer
/// write could block after it.
const AT_ONCE: usize = nix::libc::PIPE_BUF;

/// A request to end the run: a descriptor that becomes readable with it, and stays so.
#[derive(Clone, Debug)]
pub struct StopRequest(Arc<OwnedFd>);

impl StopRequest {
    /// Asked for once `descriptor` is readable; nothing may read from it.
    pub fn new(descriptor: OwnedFd) -> Self {
        Self(Arc::new(descriptor))
    }
}

/// An open file that is written to until the end is asked for and it takes nothing more. It needs no descriptor of its
/// own: what is said where none is left must still be heard.
#[derive(Debug)]
pub struct Stream<F> {
    file: F,
    /// Of a file on a disk. A write to anything else waits for a reader.
    cache: Option<PageCache>,
    stop: Option<StopRequest>,
    patience: Duration,
}

/// How long a reader may take no byte once the end was asked for.
pub const PATIENCE: Duration = Duration::from_millis(500);

impl<F: AsFd> Stream<F> {
    /// Writes to `file`; without `stop` it waits as long as it takes.
    ///
    /// # Errors
    /// Where the kernel does not say what kind of file it is.
    pub fn new(file: F, stop: Option<StopRequest>, patience: Duration) -> io::Result<Self> {
        let kind = SFlag::from_bits_truncate(fstat(&file)?.st_mode) & SFlag::S_IFMT;
        let on_disk = kind == SFlag::S_IFREG || kind == SFlag::S_IFBLK;
        let position = || unistd::lseek(&file, 0, Whence::SeekCur).map_or(0, i64::unsigned_abs);
        let cache = on_disk.then(|| PageCache::starting_at(position()));
        Ok(Self { file, cache, stop, patience })
    }

    /// Returns when a write will not block, or will fail. An error of the kind `TimedOut` means that the end was asked
    /// for and nothing is taken.
    fn wait(&self) -> io::Result<()> {
        let output = || PollFd::new(self.file.as_fd(), PollFlags::POLLOUT);
        let Some(stop) = &self.stop else {
            return until_ready(&mut [output()], PollTimeout::NONE).map(drop);
        };
        let mut both = [output(), PollFd::new(stop.0.as_fd(), PollFlags::POLLIN)];
        until_ready(&mut both, PollTimeout::NONE)?;
        if both[0].any() == Some(true) {
            return Ok(());
        }
        let patience = PollTimeout::try_from(self.patience).unwrap_or(PollTimeout::MAX);
        if until_ready(&mut [output()], patience)? > 0 {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "nothing is read from it, and the run was asked to end"))
    }
}

fn until_ready(files: &mut [PollFd<'_>], timeout: PollTimeout) -> io::Result<i32> {
    loop {
        match poll(files, timeout) {
            Err(Errno::EINTR) => {}
            ready => return Ok(ready?),
        }
    }
}

impl<F: AsFd> Write for Stream<F> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if let Some(cache) = &mut self.cache {
            let written = unistd::write(&self.file, data)?;
            cache.wrote(&self.file, written);
            return Ok(written);
        }
        loop {
            self.wait()?;
            match unistd::write(&self.file, &data[..data.len().min(AT_ONCE)]) {
                // Somebody made it non-blocking, and somebody else was faster.
                Err(Errno::EAGAIN) => {}
                written => return Ok(written?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Target for Stream<File> {
    fn cut(&mut self, excess: u64) -> io::Result<()> {
        let end = self.file.stream_position()?;
        // Standard output may be appended to a file that others write to as well: theirs stays.
        if self.file.metadata()?.len() == end {
            self.file.set_len(end.saturating_sub(excess))
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;
    use std::thread;

    /// A stream into a pipe, its reader, and what asks for the end.
    fn pipe(patience: Duration) -> (Stream<OwnedFd>, io::PipeReader, UnixStream) {
        let (reader, writer) = io::pipe().unwrap();
        let (asked, ask) = UnixStream::pair().unwrap();
        let stop = StopRequest::new(asked.into());
        (Stream::new(writer.into(), Some(stop), patience).unwrap(), reader, ask)
    }

    #[test]
    fn a_reader_that_reads_gets_everything_also_after_the_request() {
        let (mut stream, mut reader, ask) = pipe(Duration::from_secs(60));
        (&ask).write_all(b"!").unwrap();
        let data: Vec<u8> = (0..1_000_000u32).map(|number| number as u8).collect();
        let reading = thread::spawn(move || {
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            read
        });
        stream.write_all(&data).unwrap();
        drop(stream);
        assert_eq!(reading.join().unwrap(), data);
    }

    #[test]
    fn a_request_ends_a_write_that_nobody_reads() {
        let (mut stream, reader, ask) = pipe(Duration::from_millis(10));
        let writing = thread::spawn(move || stream.write_all(&vec![0; 1 << 20]).unwrap_err().kind());
        let mut byte = [0];
        // It writes: from here on it can only be stuck.
        (&reader).read_exact(&mut byte).unwrap();
        assert!(!writing.is_finished());
        (&ask).write_all(b"!").unwrap();
        assert_eq!(writing.join().unwrap(), io::ErrorKind::TimedOut);
        drop(reader);
    }

    #[test]
    fn a_file_is_written_at_once() {
        let file = tempfile::tempfile().unwrap();
        let mut stream = Stream::new(file, None, PATIENCE).unwrap();
        assert_eq!(stream.write(&vec![0; 1 << 20]).unwrap(), 1 << 20);
    }
}
