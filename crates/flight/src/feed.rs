//! The clients of one name, and what each of them missed.

use arrow_array::RecordBatch;
use arrow_flight::{FlightData, SchemaAsIpc, utils};
use arrow_ipc::writer::IpcWriteOptions;
use arrow_schema::{ArrowError, SchemaRef};
use futures::Stream;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tonic::Status;

/// A message has about so many bytes: a client's gRPC library may take no more than 4 MiB at once.
const MESSAGE: usize = 2 << 20;
/// More clients of one name than these are turned away.
const CLIENTS: usize = 64;

/// A stream of batches with a name.
pub(crate) struct Feed {
    pub(crate) name: String,
    pub(crate) schema: SchemaRef,
    /// A client may be so many bytes behind.
    behind: usize,
    clients: Mutex<Clients>,
}

#[derive(Default)]
struct Clients {
    here: Vec<Client>,
    /// What clients that have gone missed.
    missed: Vec<(String, u64)>,
    ended: bool,
}

struct Client {
    peer: String,
    queue: UnboundedSender<Piece>,
    account: Arc<Account>,
    /// What it was told that it missed.
    told: u64,
}

/// A message in a queue.
struct Piece {
    data: FlightData,
    records: u64,
}

/// What a client's stream and its feed both know.
#[derive(Default)]
pub(crate) struct Account {
    /// Bytes in the queue.
    queued: AtomicUsize,
    missed: AtomicU64,
    /// The stream was read to its end, or is gone.
    done: AtomicBool,
    /// The run does not wait for it any longer.
    given_up: AtomicBool,
}

impl Feed {
    pub(crate) fn new(name: String, schema: SchemaRef, behind: usize) -> Self {
        Self { name, schema, behind, clients: Mutex::default() }
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody would read a batch.
    pub(crate) fn is_read(&self) -> bool {
        self.clients().here.iter().any(|client| !client.queue.is_closed())
    }

    /// A new client's stream: the schema, then what comes.
    pub(crate) fn subscribe(&self, peer: String) -> Result<Subscription, Status> {
        let mut clients = self.clients();
        clients.forget_gone();
        if clients.ended {
            return Err(Status::unavailable("the run has ended"));
        }
        if clients.here.len() >= CLIENTS {
            return Err(Status::resource_exhausted("too many clients read this already"));
        }
        let (queue, pieces) = unbounded_channel();
        let account = Arc::new(Account::default());
        let data = SchemaAsIpc::new(&self.schema, &IpcWriteOptions::default()).into();
        let _ = queue.send(Piece { data, records: 0 });
        clients.here.push(Client { peer, queue, account: account.clone(), told: 0 });
        Ok(Subscription { pieces, account })
    }

    /// Gives a batch to every client that has room for it.
    pub(crate) fn publish(&self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let mut clients = self.clients();
        clients.forget_gone();
        if clients.here.is_empty() {
            return Ok(());
        }
        for (data, records) in encode(batch)? {
            clients.here.iter_mut().for_each(|client| client.offer(&data, records, self.behind));
        }
        Ok(())
    }

    /// Ends every stream with a message that has `ledger`.
    pub(crate) fn end(&self, ledger: Option<&str>) {
        let mut clients = self.clients();
        clients.ended = true;
        for client in &mut clients.here {
            let data = FlightData::new().with_app_metadata(client.about(ledger));
            let _ = client.queue.send(Piece { data, records: 0 });
            // Closed by its only sender: the stream ends after what is queued.
            client.queue = unbounded_channel().0;
        }
    }

    /// Bytes that clients have not read yet; `None` once all streams have ended.
    pub(crate) fn left(&self) -> Option<usize> {
        let clients = self.clients();
        let reading = clients.here.iter().filter(|client| !client.account.done.load(Ordering::Acquire));
        reading.map(|client| client.account.queued.load(Ordering::Acquire)).reduce(|one, other| one + other)
    }

    /// What is not read by now is missed.
    pub(crate) fn give_up(&self) {
        self.clients().here.iter().for_each(|client| client.account.given_up.store(true, Ordering::Release));
    }

    /// The clients that missed something, by their addresses.
    pub(crate) fn missed(&self) -> Vec<(String, u64)> {
        let clients = self.clients();
        let here = clients.here.iter().map(|client| (client.peer.clone(), client.missed()));
        clients.missed.iter().cloned().chain(here).filter(|(_, missed)| *missed > 0).collect()
    }
}

impl Clients {
    fn forget_gone(&mut self) {
        let Self { here, missed, .. } = self;
        here.retain(|client| {
            let gone = client.queue.is_closed();
            if gone && client.missed() > 0 {
                missed.push((client.peer.clone(), client.missed()));
            }
            !gone
        });
    }
}

impl Client {
    fn missed(&self) -> u64 {
        self.account.missed.load(Ordering::Acquire)
    }

    fn about(&self, ledger: Option<&str>) -> String {
        let ledger = ledger.map(|ledger| format!(",\"ledger\":{ledger}")).unwrap_or_default();
        format!("{{\"missed_records\":{}{ledger}}}", self.missed())
    }

    fn offer(&mut self, data: &FlightData, records: u64, behind: usize) {
        let length = length(data);
        let queued = self.account.queued.load(Ordering::Acquire);
        if queued > 0 && queued + length > behind {
            self.account.missed.fetch_add(records, Ordering::AcqRel);
            return;
        }
        let mut data = data.clone();
        if self.missed() > self.told {
            self.told = self.missed();
            data.app_metadata = self.about(None).into();
        }
        self.account.queued.fetch_add(length, Ordering::AcqRel);
        let _ = self.queue.send(Piece { data, records });
    }
}

/// Messages with the rows of `batch`, and how many each has.
fn encode(batch: &RecordBatch) -> Result<Vec<(FlightData, u64)>, ArrowError> {
    let messages = batch.get_array_memory_size().div_ceil(MESSAGE).max(1);
    let rows = batch.num_rows().div_ceil(messages).max(1);
    let mut encoded = Vec::with_capacity(messages);
    let mut start = 0;
    while start < batch.num_rows() {
        let part = batch.slice(start, rows.min(batch.num_rows() - start));
        start += part.num_rows();
        // The first message is the schema, which each client has.
        let data = utils::batches_to_flight_data(&part.schema(), [&part])?;
        encoded.extend(data.into_iter().skip(1).map(|data| (data, part.num_rows() as u64)));
    }
    Ok(encoded)
}

fn length(data: &FlightData) -> usize {
    data.data_header.len() + data.data_body.len()
}

/// A client's end of its queue.
pub(crate) struct Subscription {
    pieces: UnboundedReceiver<Piece>,
    account: Arc<Account>,
}

impl Stream for Subscription {
    type Item = Result<FlightData, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.pieces.poll_recv(context).map(|piece| {
            let Piece { data, records } = piece?;
            if records > 0 {
                self.account.queued.fetch_sub(length(&data), Ordering::AcqRel);
            }
            Some(Ok(data))
        })
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if self.account.given_up.load(Ordering::Acquire) {
            while let Ok(piece) = self.pieces.try_recv() {
                self.account.missed.fetch_add(piece.records, Ordering::AcqRel);
            }
        }
        self.account.done.store(true, Ordering::Release);
    }
}
