//! Healthy background traffic: requests at a paced rate from the sender, each answered by the receiver, over UDP and
//! TCP and both IP versions in turn.
//!
//! A fault may break any of it for a while (an address gone, a queue full): what fails is counted and tried again.

mod bulk;
mod client;
mod server;

pub use bulk::{Bulk, Moved};

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use crate::{Error, Lab, Result, netns::Netns};
use client::Client;
use server::Server;

/// Port of the echo service (RFC 862).
const ECHO: u16 = 7;

/// What was exchanged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exchanged {
    /// Requests sent.
    pub requests: u64,
    /// Answers that came back.
    pub responses: u64,
    /// Requests that could not be sent.
    pub failed: u64,
}

/// Traffic that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Load {
    // Dropped in this order: the server answers until the client has gone.
    client: Worker<Exchanged>,
    server: Worker<()>,
}

impl Load {
    /// Starts `rate` requests a second, once the echo service of the receiver listens.
    pub fn start(lab: &Lab, rate: u32) -> Result<Self> {
        let receiver = lab.receiver();
        let mut server = receiver.run(Server::open)?;
        let server = Worker::start(&receiver.netns, move |stop| server.serve(stop))?;
        let mut client = Client::new(receiver, rate);
        let client = Worker::start(&lab.sender().netns, move |stop| client.ask(stop))?;
        Ok(Self { client, server })
    }

    /// Stops the traffic, waits for the answers under way, and says what was exchanged.
    pub fn stop(mut self) -> Result<Exchanged> {
        let exchanged = self.client.end();
        self.server.end()?;
        exchanged
    }
}

/// A thread in a namespace that ends when it is told to.
#[derive(Debug)]
struct Worker<T> {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<T>>>,
}

impl<T: Send + 'static> Worker<T> {
    fn start(netns: &Netns, work: impl FnOnce(&AtomicBool) -> Result<T> + Send + 'static) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let door = netns.door()?;
        let told = stop.clone();
        let inside = move || {
            door.enter()?;
            work(&told)
        };
        let thread = thread::Builder::new().spawn(inside).map_err(Error::io("start a thread"))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl<T> Worker<T> {
    fn end(&mut self) -> Result<T> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = || Error::Parse { what: "the load: one of its threads ended early".to_owned() };
        self.thread.take().ok_or_else(ended)?.join().map_err(|_| ended())?
    }
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        // What it has to say matters to `Load::stop` only.
        let _ = self.end();
    }
}
