//! A lab whose hosts keep silent, so that every packet that comes is one of ours.

use anyhow::{Context, Result, ensure};
use plumb_lab::frames::{Family, Path};
use plumb_lab::packet::PacketSocket;
use plumb_lab::{Host, Lab};
use plumb_live::{Finished, Plumb, Records, Running, wait_for};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Bytes of a frame without payload: Ethernet, IPv4 and UDP headers.
pub(crate) const HEADERS: usize = 42;

/// How long nothing may come before a host counts as silent.
const CALM: Duration = Duration::from_millis(100);

/// Two silent hosts.
pub(crate) struct Scene {
    pub(crate) lab: Lab,
    socket: PacketSocket,
}

impl Scene {
    pub(crate) fn new() -> Result<Self> {
        Self::with_mtu(1500)
    }

    /// Both ends of the link take packets of `mtu` bytes.
    pub(crate) fn with_mtu(mtu: u32) -> Result<Self> {
        let lab = Lab::new()?;
        for host in [lab.sender(), lab.receiver()] {
            host.sysctl(&format!("net.ipv6.conf.{}.disable_ipv6", host.interface), "1")?;
            host.ip(&[&format!("link set {} mtu {mtu}", host.interface)])?;
        }
        let socket = lab.sender().packet_sender()?;
        let scene = Self { lab, socket };
        scene.settle()?;
        Ok(scene)
    }

    pub(crate) fn sender(&self) -> &Host {
        self.lab.sender()
    }

    pub(crate) fn receiver(&self) -> &Host {
        self.lab.receiver()
    }

    /// Waits until both hosts have long received nothing.
    fn settle(&self) -> Result<()> {
        let (mut last, mut since) = (0, Instant::now());
        wait_for("the hosts to be silent", || {
            let now = self.sender().received()? + self.receiver().received()?;
            if now != last {
                (last, since) = (now, Instant::now());
            }
            Ok(since.elapsed() > CALM)
        })
    }

    /// A frame to the receiver, so many bytes long.
    pub(crate) fn frame(&self, length: usize) -> Result<Vec<u8>> {
        let path = Path::between(self.sender(), self.receiver());
        Ok(path.udp(Family::V4, (40_000, 40_001), &vec![0x5a; length - HEADERS])?)
    }

    /// Sends frames of this length. Where the link's queue is full, as on a slow machine, it is tried again: the kernel
    /// says so, and the frame was not taken.
    pub(crate) fn send(&self, length: usize, times: u64) -> Result<()> {
        let frame = self.frame(length)?;
        for _ in 0..times {
            while let Err(error) = self.socket.send(&frame) {
                ensure!(error.raw_os_error() == Some(nix::libc::ENOBUFS), "cannot send a frame: {error}");
                std::thread::yield_now();
            }
        }
        Ok(())
    }
}

/// `plumb xdp run` on a host's interface, from outside of its namespace.
pub(crate) fn on(host: &Host, args: &[&str]) -> Result<Plumb> {
    let common = ["xdp", "run", "-i", host.interface, "--netns", host.netns.name(), "--format", "json"];
    Plumb::new(&[&common, args].concat())
}

/// Sum of a number over the records of a kind that `wanted` accepts.
pub(crate) fn sum(records: &Records, kind: &str, number: &str, wanted: impl Fn(&Value) -> bool) -> u64 {
    records.of(kind).filter(|record| wanted(record)).filter_map(|record| record[number].as_u64()).sum()
}

/// Waits until so many packets are written, by a run with a short --interval or with --events.
pub(crate) fn wait_for_packets(running: &Running, packets: u64) -> Result<()> {
    let mut came = 0;
    let waited = wait_for("packets to be counted", || {
        let records = Records::parse(&running.lines_since(0)?)?;
        let counted = sum(&records, "xdp_action", "packets", |_| true);
        came = counted + records.of("xdp_packet").count() as u64;
        Ok(came >= packets)
    });
    waited.with_context(|| format!("{came} of {packets} came"))
}

/// Its records; nothing may have been lost.
pub(crate) fn complete(finished: &Finished) -> Result<Records> {
    let records = finished.records()?;
    ensure!(records.ledger()?["complete"] == true, "{}", records.ledger()?);
    Ok(records)
}
