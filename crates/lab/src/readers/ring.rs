//! A packet socket's ring (TPACKET_V3): blocks of packets in shared memory, each with its time.

use super::{App, BLOCK_TIMEOUT, End, NAP, ROOM, Told};
use crate::{Error, Result};
use netring::{Capture, CaptureBuilder};

/// Bytes of a block.
const BLOCK: usize = 64 << 10;

pub(super) fn read(
    interface: &str,
    mut app: App,
    mut end: End<'_>,
    ready: impl FnOnce() -> Result<()>,
) -> Result<Told> {
    let timeout = u32::try_from(BLOCK_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
    let builder = CaptureBuilder::default().interface(interface).block_timeout_ms(timeout);
    let builder = builder.block_size(BLOCK).block_count(ROOM / BLOCK).ignore_outgoing(true);
    let mut capture: Capture = builder.build().map_err(|error| failed(&error))?;
    ready()?;
    loop {
        let batch = capture.next_batch_blocking(NAP).map_err(|error| failed(&error))?;
        let waiting = batch.is_some();
        for packet in batch.iter().flat_map(netring::PacketBatch::iter) {
            let time = packet.timestamp();
            app.packet(packet.data(), u64::from(time.sec) * 1_000_000_000 + u64::from(time.nsec));
        }
        drop(batch);
        if end.over(waiting) {
            return Ok(app.told());
        }
    }
}

fn failed(error: &netring::Error) -> Error {
    Error::Interface(format!("cannot read by a packet ring: {error}"))
}
