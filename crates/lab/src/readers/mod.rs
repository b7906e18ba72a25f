//! Readers of packets, as programs had them before and beside Plumb: each takes every packet of an interface and computes
//! features of its flow in user space. For benches.
//!
//! They differ in how a packet comes to them, and in nothing else: see [`App`]. Each is meant to have a process of its own,
//! whose CPU time is then the reader's.

mod app;
mod features;
mod packets;
#[cfg(feature = "libpcap")]
mod pcap;
mod recv;
mod ring;
mod told;
mod xsk;

pub use app::{App, Proof};
pub use features::{Entry, Features, Key, PORT, Totals};
pub use told::Told;

use crate::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Bytes of packets that may wait for a reader, its bookkeeping included: what libpcap's users ask for rather than the
/// system's default of 208 KiB, which holds a few hundred packets.
const ROOM: usize = 4 << 20;
/// How long a ring keeps packets back to hand over more at once. libpcap's users mostly have 100 ms to 1 s; this is kinder
/// to delays.
const BLOCK_TIMEOUT: Duration = Duration::from_millis(10);
/// How long a reader sleeps at most before it looks whether it is to end.
const NAP: Duration = Duration::from_millis(50);
/// How long a reader that is to end takes what still waits, at most.
const REST: Duration = Duration::from_secs(5);
/// And how long it waits for a block that is handed over late: a timer of the kernel does that, which comes when its CPU is
/// free.
const LATE: Duration = Duration::from_millis(300);

/// How packets come to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A packet socket, one recv() per packet.
    Recv,
    /// A packet socket's ring of blocks (TPACKET_V3).
    Ring,
    /// libpcap, which uses such a ring.
    Libpcap,
    /// An AF_XDP socket.
    AfXdp,
    /// Records of Plumb's `packets` probe.
    Packets,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Recv, Self::Ring, Self::Libpcap, Self::AfXdp, Self::Packets];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recv => "af_packet_recv",
            Self::Ring => "af_packet_ring",
            Self::Libpcap => "libpcap",
            Self::AfXdp => "af_xdp",
            Self::Packets => "packets",
        }
    }

    /// Whether this build has it.
    pub fn built(self) -> bool {
        self != Self::Libpcap || cfg!(feature = "libpcap")
    }
}

/// Reads what `interface`, of the calling thread's network namespace, receives until `stop`; `ready` is called once, when
/// every packet from then on comes to the reader.
pub fn read(
    way: Way,
    interface: &str,
    app: App,
    stop: &AtomicBool,
    ready: impl FnOnce() -> Result<()>,
) -> Result<Told> {
    let late = if matches!(way, Way::Ring | Way::Libpcap) { LATE } else { Duration::ZERO };
    let end = End { stop, asked: None, late };
    match way {
        Way::Recv => recv::read(interface, app, end, ready),
        Way::Ring => ring::read(interface, app, end, ready),
        #[cfg(feature = "libpcap")]
        Way::Libpcap => pcap::read(interface, app, end, ready),
        #[cfg(not(feature = "libpcap"))]
        Way::Libpcap => Err(Error::Interface("plumb was built without libpcap".to_owned())),
        Way::AfXdp => xsk::read(interface, app, end, ready),
        Way::Packets => packets::read(interface, app, end, ready),
    }
}

/// When a reader ends: once it was asked to and nothing waits, or after a while.
struct End<'a> {
    stop: &'a AtomicBool,
    asked: Option<Instant>,
    late: Duration,
}

impl End<'_> {
    /// Whether it is over; `waiting` is whether there may be more to read.
    fn over(&mut self, waiting: bool) -> bool {
        if !self.stop.load(Ordering::Relaxed) {
            return false;
        }
        let asked = *self.asked.get_or_insert_with(Instant::now);
        asked.elapsed() > if waiting { REST } else { self.late }
    }
}

fn index_of(interface: &str) -> Result<u32> {
    nix::net::if_::if_nametoindex(interface).map_err(Error::io(format!("index of {interface}")))
}
