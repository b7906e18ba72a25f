//! The echo service of the receiver.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv6Addr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsFd,
    sync::atomic::{AtomicBool, Ordering},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::ECHO;
use crate::{Error, Result};

/// Longest time until the service notices that it has to stop.
const NAP: u8 = 20;
/// Connections held at a time; a further one pushes out the oldest.
const CONNECTIONS: usize = 8;

/// One UDP socket and one TCP listener for both IP versions, and the connections to them.
pub(super) struct Server {
    udp: UdpSocket,
    listener: TcpListener,
    streams: Vec<TcpStream>,
}

impl Server {
    /// Opens the service in the calling thread's namespace.
    pub(super) fn open() -> Result<Self> {
        let any = (Ipv6Addr::UNSPECIFIED, ECHO);
        let udp = UdpSocket::bind(any).map_err(Error::io("open the UDP echo service"))?;
        let listener = TcpListener::bind(any).map_err(Error::io("open the TCP echo service"))?;
        udp.set_nonblocking(true).map_err(Error::io("unblock the UDP echo service"))?;
        listener.set_nonblocking(true).map_err(Error::io("unblock the TCP echo service"))?;
        Ok(Self { udp, listener, streams: Vec::new() })
    }

    /// Answers until `stop`.
    pub(super) fn serve(&mut self, stop: &AtomicBool) -> Result<()> {
        while !stop.load(Ordering::Relaxed) {
            let mut waiting: Vec<PollFd<'_>> = [self.udp.as_fd(), self.listener.as_fd()]
                .into_iter()
                .chain(self.streams.iter().map(AsFd::as_fd))
                .map(|socket| PollFd::new(socket, PollFlags::POLLIN))
                .collect();
            match poll(&mut waiting, PollTimeout::from(NAP)) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::io("wait for requests")(errno)),
            }
            self.answer_datagrams();
            self.accept();
            self.streams.retain_mut(echo);
        }
        Ok(())
    }

    fn answer_datagrams(&mut self) {
        let mut buffer = [0; 2048];
        // An error here is one of the network (a fault took the route): the request stays unanswered.
        while let Ok((length, from)) = self.udp.recv_from(&mut buffer) {
            let _ = self.udp.send_to(&buffer[..length], from);
        }
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            if stream.set_nonblocking(true).is_ok() && stream.set_nodelay(true).is_ok() {
                if self.streams.len() == CONNECTIONS {
                    self.streams.remove(0);
                }
                self.streams.push(stream);
            }
        }
    }
}

/// Sends back what came in; false once the connection has ended.
fn echo(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 8192];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return false,
            Ok(length) => {
                // The client waits for its answers before it asks more than the send buffer holds.
                if stream.write_all(&buffer[..length]).is_err() {
                    return false;
                }
            }
            Err(error) => return waits(&error),
        }
    }
}

fn waits(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
