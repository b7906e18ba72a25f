//! The requests of the sender.

use std::{
    io::{ErrorKind, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{ECHO, Exchanged};
use crate::{Host, Result};

/// Requests within one tick leave together.
const TICK: Duration = Duration::from_millis(2);
/// How long answers are waited for at the end, and connections at their beginning.
const GRACE: Duration = Duration::from_millis(300);
/// A broken way is tried again after this.
const RETRY: Duration = Duration::from_millis(500);
/// Requests without an answer over one socket, beyond which it is asked no more until answers come: what surely fits
/// into its buffers.
const UNANSWERED: u64 = 64;
/// Long enough to be no special case, short enough for every queue.
const REQUEST: [u8; 200] = [0x70; 200];

/// Asks the echo service over each way in turn.
pub(super) struct Client {
    rate: u32,
    ways: Vec<Way>,
}

impl Client {
    pub(super) fn new(server: &Host, rate: u32) -> Self {
        let addresses = [IpAddr::V4(server.v4), IpAddr::V6(server.v6)];
        let ways = addresses.into_iter().flat_map(|address| {
            let to = SocketAddr::new(address, ECHO);
            [Way::new(to, Protocol::Udp), Way::new(to, Protocol::Tcp)]
        });
        Self { rate, ways: ways.collect() }
    }

    /// Asks until `stop`, then waits for the answers under way.
    pub(super) fn ask(&mut self, stop: &AtomicBool) -> Result<Exchanged> {
        let start = Instant::now();
        let mut due = 0;
        while !stop.load(Ordering::Relaxed) {
            let owed = (start.elapsed().as_secs_f64() * f64::from(self.rate)) as u64;
            // A thread that was held up does not make up for more than a tenth of a second.
            due = due.max(owed.saturating_sub(u64::from(self.rate / 10)));
            // More than this no way takes before answers come.
            for _ in 0..(owed - due).min(UNANSWERED * self.ways.len() as u64) {
                let next = due as usize % self.ways.len();
                self.ways[next].ask();
                due += 1;
            }
            self.ways.iter_mut().for_each(Way::hear);
            thread::sleep(TICK);
        }
        let deadline = Instant::now() + GRACE;
        while self.ways.iter().any(|way| way.unanswered() > 0) && Instant::now() < deadline {
            thread::sleep(TICK);
            self.ways.iter_mut().for_each(Way::hear);
        }
        let mut total = Exchanged::default();
        for way in self.ways.drain(..) {
            total.requests += way.exchanged.requests;
            total.responses += way.exchanged.responses;
            total.failed += way.exchanged.failed;
            way.close();
        }
        Ok(total)
    }
}

#[derive(Clone, Copy)]
enum Protocol {
    Udp,
    Tcp,
}

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

/// One address by one protocol.
struct Way {
    to: SocketAddr,
    protocol: Protocol,
    socket: Option<Socket>,
    retry: Instant,
    /// When the last answer came.
    answered: Instant,
    /// Bytes of answers heard since the socket was opened that make no whole answer yet.
    rest: usize,
    /// Requests over this socket.
    asked: u64,
    /// Answers over this socket.
    heard: u64,
    exchanged: Exchanged,
}

impl Way {
    fn new(to: SocketAddr, protocol: Protocol) -> Self {
        let retry = Instant::now();
        Self {
            to,
            protocol,
            socket: None,
            retry,
            answered: retry,
            rest: 0,
            asked: 0,
            heard: 0,
            exchanged: Exchanged::default(),
        }
    }

    fn unanswered(&self) -> u64 {
        if self.socket.is_some() { self.asked - self.heard } else { 0 }
    }

    fn ask(&mut self) {
        if self.socket.is_none() && Instant::now() >= self.retry {
            self.open();
        }
        let sent = match &mut self.socket {
            None => false,
            Some(_) if self.asked - self.heard >= UNANSWERED => {
                if matches!(self.protocol, Protocol::Udp) && self.answered.elapsed() > RETRY {
                    // These datagrams are lost.
                    self.heard = self.asked;
                }
                false
            }
            Some(Socket::Udp(socket)) => socket.send(&REQUEST).is_ok(),
            Some(Socket::Tcp(stream)) => stream.write_all(&REQUEST).is_ok(),
        };
        if sent {
            self.asked += 1;
            self.exchanged.requests += 1;
        } else {
            self.exchanged.failed += 1;
        }
    }

    fn open(&mut self) {
        (self.rest, self.asked, self.heard) = (0, 0, 0);
        self.socket = match self.protocol {
            Protocol::Udp => connect_udp(self.to).map(Socket::Udp),
            Protocol::Tcp => connect_tcp(self.to).map(Socket::Tcp),
        };
        self.retry = Instant::now() + RETRY;
    }

    /// Reads the answers that have come.
    fn hear(&mut self) {
        let mut buffer = [0; 8192];
        loop {
            let read = match &mut self.socket {
                None => return,
                Some(Socket::Udp(socket)) => socket.recv(&mut buffer),
                Some(Socket::Tcp(stream)) => stream.read(&mut buffer),
            };
            match read {
                Ok(0) => self.socket = None,
                Ok(length) => {
                    let bytes = self.rest + length;
                    self.rest = bytes % REQUEST.len();
                    // An answer may come after its request was given up.
                    let answers = ((bytes / REQUEST.len()) as u64).min(self.asked - self.heard);
                    self.heard += answers;
                    self.exchanged.responses += answers;
                    self.answered = Instant::now();
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::Interrupted => return,
                    // An ICMP error to an earlier datagram; the socket goes on.
                    _ if matches!(self.protocol, Protocol::Udp) => return,
                    _ => self.socket = None,
                },
            }
        }
    }

    /// Ends a connection with both FINs read: one left unread is a drop of its own (QUEUE_PURGE).
    fn close(self) {
        if let Some(Socket::Tcp(mut stream)) = self.socket {
            let mut rest = Vec::new();
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.set_nonblocking(false);
            let _ = stream.set_read_timeout(Some(GRACE));
            let _ = stream.read_to_end(&mut rest);
        }
    }
}

fn connect_udp(to: SocketAddr) -> Option<UdpSocket> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(to).ok()?;
    socket.set_nonblocking(true).ok()?;
    Some(socket)
}

fn connect_tcp(to: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, GRACE).ok()?;
    stream.set_nodelay(true).ok()?;
    stream.set_nonblocking(true).ok()?;
    Some(stream)
}
