//! AF_XDP: a program gives frames to a socket before the stack sees them, so that the stack never does.

use super::{App, End, NAP, Told, index_of};
use crate::{Error, Result};
use netring::afxdp::{XdpMode, XdpSocketBuilder};
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
    let builder = XdpSocketBuilder::default().interface(interface).queue_id(QUEUE).mode(XdpMode::Rx);
    let mut socket = builder.frame_size(2048).frame_count(FRAMES).build().map_err(|error| failed(&error))?;
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

fn failed(error: &netring::Error) -> Error {
    Error::Interface(format!("cannot read by AF_XDP: {error}"))
}
