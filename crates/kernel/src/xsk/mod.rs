//! The XDP program that AF_XDP sockets need: for the bench's reader, which has its rings from a library.

use crate::error::Error;
use crate::session::{self, Storage};
use libbpf_rs::{MapCore, MapFlags};
use skeleton::{XskSkel, XskSkelBuilder};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

skeleton!("xsk");

/// The program, loaded: the caller attaches it.
pub struct Redirect<'obj> {
    skel: Box<XskSkel<'obj>>,
}

impl<'obj> Redirect<'obj> {
    /// Loads it, without a socket.
    pub fn load(storage: &'obj mut Storage) -> Result<Self, Error> {
        let open = session::open("xsk", XskSkelBuilder::default(), storage)?;
        Ok(Self { skel: Box::new(session::load("xsk", open)?) })
    }

    /// Lets `socket`, which is bound to receive queue `queue`, have its frames.
    pub fn give(&self, queue: u32, socket: BorrowedFd<'_>) -> Result<(), Error> {
        let (key, value) = (queue.to_ne_bytes(), socket.as_raw_fd().to_ne_bytes());
        let sockets = &self.skel.maps.xsk_sockets;
        let given = sockets.update(&key, &value, MapFlags::ANY);
        given.map_err(|error| session::failed("cannot give frames to an AF_XDP socket".into(), &error))
    }

    /// The program.
    pub fn program(&self) -> BorrowedFd<'_> {
        self.skel.progs.xsk_redirect.as_fd()
    }
}
