//! The classic way: a packet socket, one recv() per packet, and a reading of the clock for its time.

use super::{App, End, NAP, ROOM, Told};
use crate::packet::PacketSocket;
use crate::{Error, Result};
use plumb_kernel::support::monotonic_ns;
use std::io::ErrorKind::{Interrupted, WouldBlock};

/// Longest packet that is read whole.
const LONGEST: usize = 1 << 16;

pub(super) fn read(
    interface: &str,
    mut app: App,
    mut end: End<'_>,
    ready: impl FnOnce() -> Result<()>,
) -> Result<Told> {
    let socket = PacketSocket::listener(interface)?;
    socket.set_room(ROOM)?;
    socket.set_patience(NAP)?;
    ready()?;
    let mut frame = vec![0; LONGEST];
    loop {
        match socket.next(&mut frame) {
            Ok(length) => {
                app.packet(&frame[..length], monotonic_ns());
                if end.over(true) {
                    break;
                }
            }
            Err(error) if matches!(error.kind(), WouldBlock | Interrupted) => {
                if end.over(error.kind() == Interrupted) {
                    break;
                }
            }
            Err(error) => return Err(Error::io("receive a packet")(error)),
        }
    }
    Ok(app.told())
}
