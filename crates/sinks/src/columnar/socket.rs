//! A Unix socket that gives every client its own Arrow stream, from the batch after it came.
//!
//! Each client has a thread and a queue of bounded size; batches are encoded once for all. A client that reads too slowly
//! misses whole batches, which are counted for it alone, and holds up nobody. What nobody is there to read is not lost.

use super::batch::{Policy, Rows};
use super::held::About;
use super::ipc::told;
use crate::Sink;
use crate::format::Layout;
use crate::output::{Failure, Weight};
use crate::stream::PATIENCE;
use arrow_ipc::writer::StreamWriter;
use nix::sys::stat::{Mode, umask};
use plumb_records::column::Row;
use std::fs;
use std::io::{self, Write as _};
use std::net::Shutdown;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// A client may be so many bytes behind.
const BEHIND: usize = 64 << 20;
/// More clients than these are turned away.
const CLIENTS: usize = 64;

/// The socket of one run.
pub struct Socket {
    path: PathBuf,
    rows: Rows,
    about: About,
    listener: UnixListener,
    serving: Option<Serving>,
    clients: Arc<Mutex<Vec<Client>>>,
    missed: Vec<u64>,
    failure: Option<Failure>,
    taken: u64,
    closed: bool,
}

/// What there is once the stream has begun.
struct Serving {
    writer: StreamWriter<Vec<u8>>,
    accepting: JoinHandle<()>,
}

/// A batch in the stream.
struct Piece {
    bytes: Vec<u8>,
    records: u64,
}

struct Client {
    queue: Sender<Arc<Piece>>,
    stream: UnixStream,
    account: Arc<Account>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Account {
    /// Bytes in the queue.
    queued: AtomicUsize,
    /// Records that it read too slowly for.
    missed: AtomicU64,
    /// It has gone away.
    gone: AtomicBool,
    /// It is given up.
    given_up: AtomicBool,
}

impl Socket {
    /// Listens at `path`, with mode 0600. A socket that nobody listens at any more is replaced. No thread is started before
    /// the first flush, and clients that come earlier wait.
    ///
    /// # Errors
    /// Where the path cannot be bound.
    pub fn listen(path: &Path, layout: Layout, policy: Policy) -> io::Result<Self> {
        let listener = bind(path).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen at {}: {error}", path.display()))
        })?;
        Ok(Self {
            path: path.to_owned(),
            rows: Rows::new(layout, policy),
            about: About::default(),
            listener,
            serving: None,
            clients: Arc::default(),
            missed: Vec::new(),
            failure: None,
            taken: 0,
            closed: false,
        })
    }

    fn serving(&mut self) -> io::Result<&mut Serving> {
        if self.serving.is_none() {
            let schema = self.about.in_schema(self.rows.schema());
            let mut writer = StreamWriter::try_new(Vec::new(), &schema).map_err(told)?;
            let head = Arc::new(Piece { bytes: std::mem::take(writer.get_mut()), records: 0 });
            let (listener, clients) = (self.listener.try_clone()?, self.clients.clone());
            let accepting = thread::Builder::new()
                .name("clients".to_owned())
                .spawn(move || accept(&listener, &head, &clients))?;
            self.serving = Some(Serving { writer, accepting });
        }
        self.serving.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Gives the rows so far to every client that has room for them.
    fn publish(&mut self) -> io::Result<()> {
        let records = self.rows.len() as u64;
        let batch = self.rows.take().map_err(told)?;
        let writer = &mut self.serving()?.writer;
        writer.write(&batch).map_err(told)?;
        let bytes = std::mem::take(writer.get_mut());
        let piece = Arc::new(Piece { bytes, records });
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        for index in (0..clients.len()).rev() {
            if clients[index].account.gone.load(Ordering::Acquire) {
                self.missed.push(clients.swap_remove(index).account.missed.load(Ordering::Relaxed));
            } else {
                clients[index].offer(&piece);
            }
        }
        Ok(())
    }

    fn try_flush(&mut self, all: bool) -> io::Result<()> {
        self.serving()?;
        if self.rows.is_due() || all && !self.rows.is_empty() { self.publish() } else { Ok(()) }
    }

    fn checked(&mut self, result: io::Result<()>) -> io::Result<()> {
        result.inspect_err(|error| {
            self.failure.get_or_insert_with(|| Failure {
                name: self.path.display().to_string(),
                cause: error.to_string(),
                kind: error.kind(),
                written: 0,
                lost: 0,
            });
        })
    }

    fn failed(&self) -> io::Result<()> {
        self.failure.as_ref().map_or(Ok(()), |failure| Err(failure.kind.into()))
    }

    /// No more clients; those that are there get the end of the stream, as far as they read it.
    fn end(&mut self) -> io::Result<()> {
        let Some(Serving { mut writer, accepting }) = self.serving.take() else { return Ok(()) };
        // Ends accept(2) in the other thread.
        nix::sys::socket::shutdown(self.listener.as_raw_fd(), nix::sys::socket::Shutdown::Both)?;
        let _ = accepting.join();
        writer.finish().map_err(told)?;
        let piece = Arc::new(Piece { bytes: std::mem::take(writer.get_mut()), records: 0 });
        let clients = std::mem::take(&mut *self.clients.lock().unwrap_or_else(PoisonError::into_inner));
        clients.iter().for_each(|client| drop(client.queue.send(piece.clone())));
        self.missed.extend(clients.into_iter().map(Client::end));
        Ok(())
    }
}

impl Client {
    fn start(stream: UnixStream, head: &Arc<Piece>) -> io::Result<Self> {
        let (queue, pieces) = channel();
        let account = Arc::new(Account::default());
        let _ = queue.send(head.clone());
        let (mut to, kept) = (stream.try_clone()?, account.clone());
        let thread =
            thread::Builder::new().name("client".to_owned()).spawn(move || write(&mut to, &pieces, &kept))?;
        Ok(Self { queue, stream, account, thread })
    }

    fn offer(&self, piece: &Arc<Piece>) {
        let queued = self.account.queued.load(Ordering::Acquire);
        if queued > 0 && queued + piece.bytes.len() > BEHIND {
            self.account.missed.fetch_add(piece.records, Ordering::Relaxed);
            return;
        }
        self.account.queued.fetch_add(piece.bytes.len(), Ordering::AcqRel);
        // The thread has ended where the client is gone.
        let _ = self.queue.send(piece.clone());
    }

    /// Waits while the client reads. What it missed.
    fn end(self) -> u64 {
        let Self { queue, stream, account, thread } = self;
        drop(queue);
        let (mut left, mut since) = (usize::MAX, Instant::now());
        while !thread.is_finished() && since.elapsed() < PATIENCE {
            let now = account.queued.load(Ordering::Acquire);
            if now < left {
                (left, since) = (now, Instant::now());
            }
            thread::sleep(PATIENCE / 100);
        }
        account.given_up.store(true, Ordering::Release);
        let _ = stream.shutdown(Shutdown::Both);
        let _ = thread.join();
        account.missed.load(Ordering::Relaxed)
    }
}

/// The thread that takes clients in.
fn accept(listener: &UnixListener, head: &Arc<Piece>, clients: &Mutex<Vec<Client>>) {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
                clients.retain(|client| {
                    !client.account.gone.load(Ordering::Acquire)
                        || client.account.missed.load(Ordering::Relaxed) > 0
                });
                if clients.len() < CLIENTS
                    && let Ok(client) = Client::start(stream, head)
                {
                    clients.push(client);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A client that went away meanwhile, or no descriptor left for it.
            Err(error) if error.raw_os_error() != Some(nix::libc::EINVAL) => thread::sleep(PATIENCE / 10),
            Err(_) => return,
        }
    }
}

/// The thread of one client.
fn write(stream: &mut UnixStream, pieces: &Receiver<Arc<Piece>>, account: &Account) {
    for piece in pieces {
        let written = stream.write_all(&piece.bytes);
        if piece.records > 0 {
            account.queued.fetch_sub(piece.bytes.len(), Ordering::AcqRel);
        }
        if written.is_err() {
            account.gone.store(true, Ordering::Release);
            if account.given_up.load(Ordering::Acquire) {
                let left = pieces.try_iter().map(|piece| piece.records).sum::<u64>();
                account.missed.fetch_add(piece.records + left, Ordering::Relaxed);
            }
            return;
        }
    }
}

impl Sink for Socket {
    fn write(&mut self, row: &dyn Row, weight: Weight) -> io::Result<()> {
        self.taken += weight.records;
        if !self.rows.push(row) {
            self.about.keep(row);
        }
        self.failed()?;
        if self.rows.is_full() {
            let published = self.publish();
            return self.checked(published);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.failed()?;
        let flushed = self.try_flush(false);
        self.checked(flushed)
    }

    fn settle(&mut self) -> io::Result<()> {
        self.failed()?;
        let flushed = self.try_flush(true);
        self.checked(flushed)
    }

    fn close(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.closed, true) {
            return Ok(());
        }
        let settled = self.settle();
        let ended = self.end();
        let _ = fs::remove_file(&self.path);
        settled.and_then(|()| self.checked(ended))
    }

    /// Nothing: what a client misses is its own loss, see [`Sink::notes`].
    fn lost(&self) -> Weight {
        Weight::default()
    }

    fn failure(&self) -> Option<Failure> {
        self.failure.clone().map(|failure| Failure { written: self.taken, ..failure })
    }

    fn notes(&self) -> Vec<String> {
        let slow = self.missed.iter().filter(|missed| **missed > 0);
        let path = self.path.display();
        slow.map(|missed| format!("a client of {path} missed {missed} records: it read too slowly")).collect()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Whoever wants to know has called `close`.
        let _ = self.close();
    }
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    let stale = |path: &Path| {
        fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket())
            && UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    // No other thread runs yet that could create a file meanwhile.
    let mask = umask(Mode::from_bits_truncate(0o177));
    let bound = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && stale(path) => {
            fs::remove_file(path).and_then(|()| UnixListener::bind(path))
        }
        bound => bound,
    };
    umask(mask);
    bound
}
