//! AF_XDP: a program gives frames to a socket before the stack sees them, so that the stack never does.

use super::{App, End, NAP, Told, index_of};
use crate::{Error, Result, wait};
use netring::afxdp::{XdpMode, XdpSocket, XdpSocketBuilder};
use plumb_kernel::hook::xdp::{self, Mode};
use plumb_kernel::session::Storage;
use plumb_kernel::support::monotonic_ns;
use plumb_kernel::xsk::Redirect;
use std::os::fd::AsFd;

/// A lab's interface has one queue.
const QUEUE: u32 = 0;
/// Frames that may wait, 2 KiB each.
const FRAMES: usize = 4096;

pub(super) fn read(
    interface: &str,
    mut app: App,
    mut end: End<'_>,
    ready: impl FnOnce() -> Result<()>,
) -> Result<Told> {
    let mut socket = bound(interface)?;
    let mut storage = Storage::new();
    let redirect = Redirect::load(&mut storage)?;
    redirect.give(QUEUE, socket.as_fd())?;
    let _attached = xdp::attach(redirect.program(), index_of(interface)?, Some(Mode::Native))?;
    ready()?;
    loop {
        let mut waiting = false;
        while let Some(batch) = socket.next_batch() {
            waiting = true;
            for packet in batch.iter() {
                app.packet(packet.data(), monotonic_ns());
            }
        }
        if end.over(waiting) {
            return Ok(app.told());
        }
        socket.poll(NAP).map_err(|error| failed(&error))?;
    }
}

/// The kernel lets go of the queue some time after an earlier socket was closed (xp_put_pool in net/xdp/xsk_buff_pool.c).
fn bound(interface: &str) -> Result<XdpSocket> {
    wait::until("the receive queue to be free", wait::PATIENCE, || {
        let builder = XdpSocketBuilder::default().interface(interface).queue_id(QUEUE).mode(XdpMode::Rx);
        match builder.frame_size(2048).frame_count(FRAMES).build() {
            Ok(socket) => Ok(Some(socket)),
            Err(netring::Error::Bind(error)) if error.raw_os_error() == Some(libc::EBUSY) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    })
}

fn failed(error: &netring::Error) -> Error {
    Error::Interface(format!("cannot read by AF_XDP: {error}"))
}
