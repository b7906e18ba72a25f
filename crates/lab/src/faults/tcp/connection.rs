//! Real sockets with known numbers.

use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr},
};

use socket2::{Domain, Socket, Type};

use super::{
    Segment,
    options::{self, Info, QueueSequence, Repair, RepairQueue, RepairWindow, Timestamp},
};
use crate::{
    Error, Host, Lab, Result,
    faults::inject::path,
    frames::{Family, Path},
    wait,
};

const RECEIVE_QUEUE: i32 = 1;
const SEND_QUEUE: i32 = 2;
const REPAIR_ON: i32 = 1;
/// Off, without the window probe that ends a real repair.
const REPAIR_OFF: i32 = -1;

/// Where tcpi_unacked and tcpi_segs_in are among the words of `struct tcp_info`, include/uapi/linux/tcp.h.
const UNACKNOWLEDGED: usize = 6;
const SEGMENTS_IN: usize = 35;

/// A socket of a host that gives up on what does not happen.
pub(super) fn socket(host: &Host, family: Family) -> Result<Socket> {
    let domain = match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    let socket =
        host.run(|| Socket::new(domain, Type::STREAM, None).map_err(Error::io("open a TCP socket")))?;
    socket
        .set_read_timeout(Some(wait::PATIENCE))
        .and_then(|()| socket.set_write_timeout(Some(wait::PATIENCE)))
        .map_err(Error::io("limit the patience of a socket"))?;
    Ok(socket)
}

/// The address of a host.
pub(super) fn host_address(host: &Host, family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(host.v4),
        Family::V6 => IpAddr::V6(host.v6),
    }
}

/// A socket that listens on the host's address, at a port of the kernel's choice.
pub(super) fn listen(host: &Host, family: Family, backlog: i32) -> Result<Socket> {
    let socket = socket(host, family)?;
    let address = host_address(host, family);
    socket
        .bind(&SocketAddr::new(address, 0).into())
        .and_then(|()| socket.listen(backlog))
        .map_err(Error::io(format!("listen on {address}")))?;
    Ok(socket)
}

/// The address that a socket is bound to.
pub(super) fn address(socket: &Socket) -> Result<SocketAddr> {
    let address = socket.local_addr().map_err(Error::io("address of a socket"))?;
    address.as_socket().ok_or_else(|| Error::Parse { what: "address of a TCP socket".to_owned() })
}

/// Connects `client` to `listener`.
pub(super) fn connect(client: &Socket, listener: &Socket) -> Result<()> {
    let to = address(listener)?;
    client.connect(&to.into()).map_err(Error::io(format!("connect to {to}")))
}

/// The next connection that waits at `listener`.
pub(super) fn accept(listener: &Socket) -> Result<Socket> {
    let (socket, _) = listener.accept().map_err(Error::io("accept a connection"))?;
    socket.set_read_timeout(Some(wait::PATIENCE)).map_err(Error::io("limit the patience of a socket"))?;
    Ok(socket)
}

/// Reads `length` bytes.
pub(super) fn read(mut from: &Socket, length: usize) -> Result<()> {
    from.read_exact(&mut vec![0; length]).map_err(Error::io("read from a connection"))
}

/// Reads the end of the peer's data.
pub(super) fn read_end(mut from: &Socket) -> Result<()> {
    match Read::read(&mut from, &mut [0]).map_err(Error::io("read the end of a connection"))? {
        0 => Ok(()),
        _ => Err(Error::Parse { what: "the end of a connection: data came instead".to_owned() }),
    }
}

/// Makes a socket close without sending anything, neither FIN nor RST.
pub(super) fn silence(socket: &Socket) {
    // Best effort: without it the socket closes as usual, and the peer may answer.
    let _ = options::set(socket, Repair, &REPAIR_ON, "TCP_REPAIR");
}

/// The sequence numbers of what a socket sends and receives next.
pub(super) fn numbers(socket: &Socket) -> Result<(u32, u32)> {
    repaired(socket, || Ok((queue(socket, SEND_QUEUE)?, queue(socket, RECEIVE_QUEUE)?)))
}

/// The sequence number behind the window that a socket has promised.
pub(super) fn window_end(socket: &Socket) -> Result<u32> {
    let [.., window, update] = repaired(socket, || options::get(socket, RepairWindow, "TCP_REPAIR_WINDOW"))?;
    Ok(update.wrapping_add(window))
}

/// Segments that reached a socket.
pub(super) fn segments_in(socket: &Socket) -> Result<u64> {
    Ok(u64::from(options::get(socket, Info, "TCP_INFO")?[SEGMENTS_IN]))
}

/// The time stamp that a socket would send now, or the next one.
pub(super) fn stamp(socket: &Socket) -> Result<u32> {
    // Since Linux 6.7 the lowest bit tells the unit instead (TCP_TIMESTAMP in do_tcp_getsockopt): without it the
    // stamp may be older than one that was sent.
    Ok(options::get(socket, Timestamp, "TCP_TIMESTAMP")? | 1)
}

fn queue(socket: &Socket, queue: i32) -> Result<u32> {
    options::set(socket, RepairQueue, &queue, "TCP_REPAIR_QUEUE")?;
    options::get(socket, QueueSequence, "TCP_QUEUE_SEQ")
}

fn repaired<T>(socket: &Socket, ask: impl FnOnce() -> Result<T>) -> Result<T> {
    options::set(socket, Repair, &REPAIR_ON, "TCP_REPAIR")?;
    let answer = ask();
    options::set(socket, Repair, &REPAIR_OFF, "TCP_REPAIR")?;
    answer
}

/// An established connection from the lab's sender to its receiver; its ends close in silence.
#[derive(Debug)]
pub(super) struct Connection {
    /// The receiver's end: closed first, so that no acknowledgement of it finds the other end gone.
    pub(super) server: Socket,
    /// The sender's end.
    pub(super) client: Socket,
    path: Path,
    family: Family,
}

impl Connection {
    /// Connects to a listener that lives for this connection only.
    pub(super) fn open(lab: &Lab, family: Family) -> Result<Self> {
        let listener = listen(lab.receiver(), family, 1)?;
        let client = socket(lab.sender(), family)?;
        connect(&client, &listener)?;
        let server = accept(&listener)?;
        Ok(Self { server, client, path: path(lab), family })
    }

    /// Writes `bytes` at the client's end, and waits until the receiver has them and has said so.
    pub(super) fn deliver(&self, bytes: &[u8]) -> Result<()> {
        (&self.client).write_all(bytes).map_err(Error::io("write to a connection"))?;
        wait::until("TCP data to be acknowledged", wait::PATIENCE, || {
            let info = options::get(&self.client, Info, "TCP_INFO")?;
            Ok((info[UNACKNOWLEDGED] == 0).then_some(()))
        })
    }

    /// The frame of a segment that would be the client's next acknowledgement without `edit`.
    pub(super) fn forge(&self, edit: impl FnOnce(&mut Segment)) -> Result<Vec<u8>> {
        let mut segment = Segment::of(&self.client, address(&self.server)?.port())?;
        segment.stamps = Some((stamp(&self.client)?, stamp(&self.server)?));
        edit(&mut segment);
        segment.frame(self.path, self.family)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        silence(&self.server);
        silence(&self.client);
    }
}
