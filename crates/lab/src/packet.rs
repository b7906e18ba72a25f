//! Packet sockets: frames out as they are written, and frames in as they passed the interface.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    time::Duration,
};

use nix::{
    errno::Errno,
    ifaddrs::getifaddrs,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, sendto, setsockopt,
        socket, sockopt::RcvBufForce,
    },
};

use socket2::{SockFilter, SockRef};

use crate::{Error, Result};

/// A packet socket on one interface.
#[derive(Debug)]
pub struct PacketSocket {
    socket: OwnedFd,
    address: LinkAddr,
}

impl PacketSocket {
    /// Opens a socket that only sends, on `interface` of the calling thread's namespace.
    pub fn sender(interface: &str) -> Result<Self> {
        Self::open(interface, None)
    }

    /// Opens a socket that also hears every frame that `interface` receives and sends.
    ///
    /// What is left unread at its end is freed by the kernel as drops (QUEUE_PURGE).
    pub fn listener(interface: &str) -> Result<Self> {
        let listener = Self::open(interface, Some(SockProtocol::EthAll))?;
        // The address of getifaddrs carries protocol 0, which bind takes as "keep the socket's".
        bind(listener.socket.as_raw_fd(), &listener.address).map_err(Error::io("bind a packet socket"))?;
        Ok(listener)
    }

    /// Keeps up to so many bytes of frames that wait to be read, their bookkeeping included; needs CAP_NET_ADMIN.
    pub fn set_room(&self, bytes: usize) -> Result<()> {
        setsockopt(&self.socket, RcvBufForce, &bytes).map_err(Error::io("enlarge a packet socket's queue"))
    }

    /// Hears only frames of this many bytes from now on; a VLAN tag does not count.
    pub fn hear_only(&self, length: usize) -> Result<()> {
        // Load the length; equal: keep the whole frame; else: keep no byte, which frees it without a drop.
        let filter = [
            SockFilter::new((libc::BPF_LD | libc::BPF_W | libc::BPF_LEN) as u16, 0, 0, 0),
            SockFilter::new((libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, 0, 1, length as u32),
            SockFilter::new((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, u32::MAX),
            SockFilter::new((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, 0),
        ];
        SockRef::from(&self.socket).attach_filter(&filter).map_err(Error::io("filter a packet socket"))
    }

    fn open(interface: &str, protocol: Option<SockProtocol>) -> Result<Self> {
        let address = link_address(interface)?;
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)
            .map_err(Error::io("open a packet socket"))?;
        Ok(Self { socket, address })
    }

    /// A read that has nothing to take ends after so long.
    pub fn set_patience(&self, time: Duration) -> Result<()> {
        let set = SockRef::from(&self.socket).set_read_timeout(Some(time));
        set.map_err(Error::io("limit the time that a packet socket waits"))
    }

    /// The next frame that passed the interface, cut at the room for it: its length. An error of kind `WouldBlock` where
    /// none came in time.
    pub fn next(&self, room: &mut [u8]) -> io::Result<usize> {
        Ok(recv(self.socket.as_raw_fd(), room, MsgFlags::empty())?)
    }

    /// Sends one whole frame, starting with its Ethernet header.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        let sent = sendto(self.socket.as_raw_fd(), frame, &self.address, MsgFlags::empty())?;
        if sent == frame.len() { Ok(()) } else { Err(io::Error::from(io::ErrorKind::WriteZero)) }
    }

    /// Sends `frame` `times` times.
    pub fn repeat(&self, frame: &[u8], times: u64) -> Result<()> {
        for _ in 0..times {
            self.send(frame).map_err(Error::io("send a frame"))?;
        }
        Ok(())
    }

    /// The next frame that passed the interface, cut at 64 KiB; `None` when none came within `limit`.
    pub fn receive(&self, limit: Duration) -> Result<Option<Vec<u8>>> {
        let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        let mut waiting = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut waiting, timeout) {
            Ok(0) | Err(Errno::EINTR) => return Ok(None),
            Ok(_) => {}
            Err(errno) => return Err(Error::io("wait for a frame")(errno)),
        }
        let mut frame = vec![0; 1 << 16];
        let length = recv(self.socket.as_raw_fd(), &mut frame, MsgFlags::MSG_DONTWAIT)
            .map_err(Error::io("receive a frame"))?;
        frame.truncate(length);
        Ok(Some(frame))
    }
}

/// A packet socket on `interface` of the calling thread's namespace that sends without an address and hears nothing.
pub(crate) fn bound_socket(interface: &str) -> Result<OwnedFd> {
    let PacketSocket { socket, address } = PacketSocket::sender(interface)?;
    // Protocol 0, which getifaddrs gives and bind keeps, is none that a frame has.
    bind(socket.as_raw_fd(), &address).map_err(Error::io("bind a packet socket"))?;
    Ok(socket)
}

fn link_address(interface: &str) -> Result<LinkAddr> {
    getifaddrs()
        .map_err(Error::io("getifaddrs"))?
        .filter(|entry| entry.interface_name == interface)
        .find_map(|entry| entry.address?.as_link_addr().copied())
        .ok_or_else(|| Error::io(format!("interface {interface}"))(Errno::ENODEV))
}
