//! libpcap, as its users have it: pcap_next_ex() per packet.

use super::{App, BLOCK_TIMEOUT, End, NAP, ROOM, Told};
use crate::{Error, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pcap::{Capture, Direction};
use std::os::fd::AsFd;

/// Longest packet that is read whole.
const LONGEST: i32 = 1 << 16;

pub(super) fn read(
    interface: &str,
    mut app: App,
    mut end: End<'_>,
    ready: impl FnOnce() -> Result<()>,
) -> Result<Told> {
    let inactive = Capture::from_device(interface).map_err(|error| failed(&error))?;
    let timeout = i32::try_from(BLOCK_TIMEOUT.as_millis()).unwrap_or(i32::MAX);
    let inactive = inactive.snaplen(LONGEST).timeout(timeout).buffer_size(ROOM as i32);
    let capture = inactive.open().and_then(pcap::Capture::setnonblock);
    let mut capture = capture.map_err(|error| failed(&error))?;
    capture.direction(Direction::In).map_err(|error| failed(&error))?;
    ready()?;
    loop {
        let waiting = match capture.next_packet() {
            Ok(packet) => {
                let time = packet.header.ts;
                app.packet(packet.data, (time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64) * 1000);
                true
            }
            Err(pcap::Error::TimeoutExpired) => false,
            Err(error) => return Err(failed(&error)),
        };
        if end.over(waiting) {
            return Ok(app.told());
        }
        if !waiting {
            // Not by pcap_next_ex(), which waits for ever where nothing comes (pcap_wait_for_frames_mmap in pcap-linux.c).
            let timeout = PollTimeout::try_from(NAP).unwrap_or(PollTimeout::MAX);
            let _ = poll(&mut [PollFd::new(capture.as_fd(), PollFlags::POLLIN)], timeout);
        }
    }
}

fn failed(error: &pcap::Error) -> Error {
    Error::Interface(format!("cannot read by libpcap: {error}"))
}
