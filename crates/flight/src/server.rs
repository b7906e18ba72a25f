//! The server as a command sees it.

use crate::config::{Config, Error, Tls};
use crate::feed::Feed;
use crate::service::{Service, guard};
use arrow_array::RecordBatch;
use arrow_flight::flight_service_server::FlightServiceServer;
use arrow_schema::{ArrowError, SchemaRef};
use futures::future::{self, FutureExt as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::sync::oneshot::{self, Receiver, Sender};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server as Transport, ServerTlsConfig};

/// How long a client may read nothing once the run has ended.
const PATIENCE: Duration = Duration::from_secs(2);
/// A client that is silent for so long is asked whether it is there.
const ALIVE: Duration = Duration::from_secs(30);

/// An address that is bound. Clients wait there until [`Bound::start`].
pub struct Bound {
    listener: TcpListener,
    transport: Box<Transport>,
    config: Config,
}

/// A server that answers, in a thread of its own.
pub struct Server {
    feeds: Arc<[Feed]>,
    thread: Option<JoinHandle<()>>,
    stop: Option<Sender<()>>,
    abort: Option<Sender<()>>,
}

/// What a client was too slow for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// What it read.
    pub feed: String,
    /// Its address and port.
    pub peer: String,
    /// Records.
    pub records: u64,
}

impl Bound {
    /// Binds the address, before privileges are given up.
    ///
    /// # Errors
    /// Where certificate and key cannot be used, and where the address cannot be bound.
    pub fn bind(config: Config) -> Result<Self, Error> {
        let address = config.address();
        let transport = transport(config.tls.as_ref())?;
        let bound = TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        bound
            .map(|listener| Self { listener, transport, config })
            .map_err(|cause| Error::Address { address, cause })
    }

    /// The address, with the port that the kernel chose where none was asked for.
    ///
    /// # Errors
    /// Where the kernel does not say it.
    pub fn address(&self) -> Result<SocketAddr, Error> {
        self.listener.local_addr().map_err(Error::Start)
    }

    /// Starts the thread that answers, after privileges were given up: they belong to a thread.
    ///
    /// # Errors
    /// Where there is no thread.
    pub fn start(self, feeds: Vec<(String, SchemaRef)>) -> Result<Server, Error> {
        let Self { listener, mut transport, config } = self;
        let feeds: Arc<[Feed]> =
            feeds.into_iter().map(|(name, schema)| Feed::new(name, schema, config.behind)).collect();
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::Start)?;
        let entered = runtime.enter();
        let incoming = tokio::net::TcpListener::from_std(listener).map_err(Error::Start)?;
        drop(entered);
        let service = FlightServiceServer::with_interceptor(Service(feeds.clone()), guard(config.token));
        let ((stop, stopped), (abort, aborted)) = (oneshot::channel(), oneshot::channel());
        let serving = async move {
            let incoming = TcpIncoming::from(incoming).with_nodelay(Some(true));
            let stopped = stopped.map(drop);
            let served = transport.add_service(service).serve_with_incoming_shutdown(incoming, stopped);
            wait(served, aborted).await;
        };
        let thread = thread::Builder::new()
            .name("flight".to_owned())
            .spawn(move || runtime.block_on(serving))
            .map_err(Error::Start)?;
        Ok(Server { feeds, thread: Some(thread), stop: Some(stop), abort: Some(abort) })
    }
}

/// How clients are spoken to.
fn transport(tls: Option<&Tls>) -> Result<Box<Transport>, Error> {
    let transport = Transport::builder().http2_keepalive_interval(Some(ALIVE)).tcp_nodelay(true);
    let Some(tls) = tls else { return Ok(Box::new(transport)) };
    let identity = Identity::from_pem(&tls.certificate, &tls.key);
    let config = ServerTlsConfig::new().identity(identity);
    transport.tls_config(config).map(Box::new).map_err(|error| Error::Tls(chain(&error)))
}

/// Until all is served, or the run waits no longer. A failed connection is that client's matter.
async fn wait<E>(served: impl Future<Output = Result<(), E>>, aborted: Receiver<()>) {
    future::select(Box::pin(served), aborted).await;
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

impl Server {
    /// Whether somebody reads a feed: what nobody reads need not be made.
    pub fn is_read(&self, feed: &str) -> bool {
        self.feeds.iter().any(|known| known.name == feed && known.is_read())
    }

    /// Gives a batch to all clients of a feed. Never waits for any of them.
    ///
    /// # Errors
    /// Where there is no such feed, and where the batch cannot be encoded.
    pub fn publish(&self, feed: &str, batch: &RecordBatch) -> Result<(), ArrowError> {
        let known = self.feeds.iter().find(|known| known.name == feed);
        known.ok_or_else(|| ArrowError::InvalidArgumentError(format!("no feed {feed:?}")))?.publish(batch)
    }

    /// Ends every stream, with `ledger` (one JSON object) in its last message, waits while clients read, and says what clients
    /// missed.
    pub fn stop(mut self, ledger: Option<&str>) -> Vec<Missed> {
        self.end(ledger);
        let missed = |feed: &Feed| {
            let name = feed.name.clone();
            feed.missed().into_iter().map(move |(peer, records)| Missed { feed: name.clone(), peer, records })
        };
        self.feeds.iter().flat_map(missed).collect()
    }

    fn end(&mut self, ledger: Option<&str>) {
        let Some(thread) = self.thread.take() else { return };
        self.feeds.iter().for_each(|feed| feed.end(ledger));
        let _ = self.stop.take().map(|stop| stop.send(()));
        let (mut least, mut since) = (usize::MAX, Instant::now());
        while !thread.is_finished() && since.elapsed() < PATIENCE {
            let left = self.feeds.iter().filter_map(Feed::left).reduce(|one, other| one + other);
            let left = left.map_or(0, |bytes| bytes + 1);
            if left < least {
                (least, since) = (left, Instant::now());
            }
            thread::sleep(PATIENCE / 100);
        }
        self.feeds.iter().for_each(Feed::give_up);
        let _ = self.abort.take().map(|abort| abort.send(()));
        let _ = thread.join();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end(None);
    }
}
