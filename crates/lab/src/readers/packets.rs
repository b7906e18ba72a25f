//! Plumb's `packets` as a program has it that takes the records themselves: read from the ring, decoded, and added up
//! field by field; nothing is written.

use super::app::is_sampled;
use super::features::{PORT, Totals};
use super::{App, End, NAP, Told, index_of};
use crate::Result;
use plumb_kernel::hook::xdp::{self, Mode};
use plumb_kernel::probes::packets::{Config, Event, Packets};
use plumb_kernel::session::Storage;
use plumb_kernel::support::monotonic_ns;
use std::cell::RefCell;
use std::time::Instant;

pub(super) fn read(
    interface: &str,
    app: App,
    mut end: End<'_>,
    ready: impl FnOnce() -> Result<()>,
) -> Result<Told> {
    let mut storage = Storage::new();
    let packets = Packets::load(&mut storage, &Config::default())?;
    let seen = RefCell::new(Seen { told: Told { flows: None, from_stamp: false, ..app.told() }, came: 0 });
    let mut ring = packets.ring(|event| seen.borrow_mut().take(event))?;
    let attached = xdp::attach(packets.programs().xdp()?, index_of(interface)?, Some(Mode::Native))?;
    ready()?;
    while !end.over(false) {
        ring.consume_until(Instant::now() + NAP, &mut |_| {
            end.stop.load(std::sync::atomic::Ordering::Relaxed)
        })?;
    }
    drop(attached);
    plumb_kernel::hook::quiesce();
    ring.drain()?;
    drop(ring);
    Ok(seen.into_inner().told)
}

struct Seen {
    told: Told,
    came: u64,
}

impl Seen {
    fn take(&mut self, event: &Event) {
        self.came += 1;
        let sampled = is_sampled(self.came);
        let begun = if sampled { monotonic_ns() } else { 0 };
        if event.flow().dst_port == Some(PORT) {
            self.told.totals.add(event);
        }
        if sampled {
            let ended = monotonic_ns();
            self.told.inside.add(ended - begun);
            self.told.delays.add(ended.saturating_sub(event.monotonic_ns()));
        }
    }
}

impl Totals {
    fn add(&mut self, event: &Event) {
        let length = u64::from(event.ip_length());
        self.packets += u64::from(event.segments());
        self.frame_bytes += u64::from(event.frame_length());
        self.ip_bytes += length;
        self.payload_bytes += u64::from(event.payload());
        self.ip_squares += length * length;
    }
}
