//! Questions to the kernel by rtnetlink, through a socket that was made in a network namespace: it can be asked from
//! anywhere, and needs no privilege.

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use std::io;

/// `NLMSG_ERROR` and `NLMSG_DONE` of include/uapi/linux/netlink.h.
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// A socket of one namespace.
#[derive(Debug)]
pub(super) struct Netlink(Socket);

impl Netlink {
    /// The calling thread's namespace.
    pub(super) fn here() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self(socket))
    }

    /// Sends a question that has one answer, and returns that.
    pub(super) fn ask(&self, question: RouteNetlinkMessage) -> io::Result<Vec<u8>> {
        self.send(question, NLM_F_REQUEST)?;
        Ok(self.0.recv_from_full()?.0)
    }

    /// Sends a question that has any number of answers, and hands over the payload of each.
    pub(super) fn dump(&self, question: RouteNetlinkMessage, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        self.send(question, NLM_F_REQUEST | NLM_F_DUMP)?;
        loop {
            let (bytes, _) = self.0.recv_from_full()?;
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let message = NetlinkBuffer::new_checked(rest).map_err(io::Error::other)?;
                match message.message_type() {
                    DONE => return Ok(()),
                    ERROR => return Err(refusal(message.payload())),
                    _ => each(message.payload()),
                }
                // Messages begin at multiples of four bytes.
                let length = (message.length() as usize).next_multiple_of(4);
                rest = rest.get(length..).unwrap_or_default();
            }
        }
    }

    fn send(&self, question: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::from(question));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.0.send(&bytes, 0).map(drop)
    }
}

/// The negative errno that an error message begins with.
fn refusal(payload: &[u8]) -> io::Error {
    let code = payload.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    io::Error::from_raw_os_error(code.saturating_neg())
}
