//! Two hosts that talk over TCP, both on one CPU. How long that takes is CPU time of the two: what a reader costs is in it,
//! whichever host pays (the kernel charges softirqs to who is interrupted), and what others do on that CPU is not.

use super::super::{CPU, failed};
use crate::failure::{Failure, Outcome};
use nix::time::ClockId;
use plumb_lab::Lab;
use plumb_lab::flood::pin;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of a request and of an answer.
const MESSAGE: usize = 100;
/// Bytes of a write or read in bulk.
const CHUNK: usize = 64 << 10;
/// How long a socket may give nothing before the bench fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// So much in so long.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moved {
    /// Exchanges, or bytes.
    pub amount: u64,
    /// CPU time of both hosts.
    pub took: Duration,
    /// From the first to the last.
    pub lasted: Duration,
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
impl Moved {
    /// Per second.
    pub fn rate(&self) -> f64 {
        self.amount as f64 / self.took.as_secs_f64()
    }

    /// Nanoseconds for each.
    pub fn each_ns(&self) -> f64 {
        1e9 / self.rate()
    }
}

/// Requests and answers, one at a time: both sides sleep until the other has written.
pub fn exchanges(lab: &Lab, duration: Duration) -> Outcome<Moved> {
    let ask = |mut client: TcpStream| {
        let (begun, mut amount) = (Instant::now(), 0);
        while begun.elapsed() < duration {
            client.write_all(&[1; MESSAGE])?;
            client.read_exact(&mut [0; MESSAGE])?;
            amount += 1;
        }
        client.shutdown(Shutdown::Write).map(|()| amount)
    };
    let answer = |mut server: TcpStream| {
        let mut message = [0; MESSAGE];
        loop {
            match server.read_exact(&mut message) {
                Ok(()) => server.write_all(&message)?,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    };
    let ((amount, ()), moved) = both(lab, ask, answer)?;
    Ok(Moved { amount, ..moved })
}

/// As much as goes, in one direction.
pub fn bulk(lab: &Lab, duration: Duration) -> Outcome<Moved> {
    let send = |mut client: TcpStream| {
        let (begun, chunk) = (Instant::now(), vec![1; CHUNK]);
        while begun.elapsed() < duration {
            client.write_all(&chunk)?;
        }
        client.shutdown(Shutdown::Write)
    };
    let receive = |mut server: TcpStream| {
        let (mut chunk, mut amount) = (vec![0; CHUNK], 0);
        loop {
            match server.read(&mut chunk)? {
                0 => return Ok(amount),
                length => amount += length as u64,
            }
        }
    };
    let (((), amount), moved) = both(lab, send, receive)?;
    Ok(Moved { amount, ..moved })
}

/// Runs both sides of a connection to their ends; how long they took.
fn both<C: Send, S: Send>(
    lab: &Lab,
    client: impl FnOnce(TcpStream) -> io::Result<C> + Send,
    server: impl FnOnce(TcpStream) -> io::Result<S> + Send,
) -> Outcome<((C, S), Moved)> {
    let (to, from) = connect(lab)?;
    let begun = Instant::now();
    thread::scope(|scope| {
        let there = scope.spawn(move || timed(|| server(from)));
        let here = scope.spawn(move || timed(|| client(to)));
        let ended = |_| Failure::failed("a side of the bench's connection ended early");
        let (here, there) = (here.join().map_err(ended)?, there.join().map_err(ended)?);
        let ((client, asking), (server, answering)) = (here?, there?);
        let moved = Moved { amount: 0, took: asking + answering, lasted: begun.elapsed() };
        Ok(((client, server), moved))
    })
}

/// One side on the bench's CPU, and the CPU time of its thread.
fn timed<T>(side: impl FnOnce() -> io::Result<T>) -> Outcome<(T, Duration)> {
    pin(CPU).map_err(failed)?;
    let value = side().map_err(broken)?;
    let time = ClockId::CLOCK_THREAD_CPUTIME_ID.now().map_err(|error| broken(error.into()))?;
    Ok((value, time.into()))
}

fn connect(lab: &Lab) -> Outcome<(TcpStream, TcpStream)> {
    let io = |source| plumb_lab::Error::Io { what: "connect the lab's hosts".to_owned(), source };
    let (sender, receiver) = (lab.sender(), lab.receiver());
    let listener = receiver.run(|| TcpListener::bind((receiver.v4, 0)).map_err(io)).map_err(failed)?;
    let at = listener.local_addr().map_err(broken)?;
    let client = sender.run(|| TcpStream::connect_timeout(&at, PATIENCE).map_err(io)).map_err(failed)?;
    let (server, _) = listener.accept().map_err(broken)?;
    for socket in [&client, &server] {
        let set = socket.set_nodelay(true).and_then(|()| socket.set_read_timeout(Some(PATIENCE)));
        set.and_then(|()| socket.set_write_timeout(Some(PATIENCE))).map_err(broken)?;
    }
    Ok((client, server))
}

fn broken(error: io::Error) -> Failure {
    Failure::failed("the bench's hosts cannot talk").because(error)
}
