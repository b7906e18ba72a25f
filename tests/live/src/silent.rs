//! A lab whose hosts keep silent, so that every packet that comes is one of ours.

use crate::wait_for;
use anyhow::{Result, ensure};
use plumb_lab::frames::{Family, Path};
use plumb_lab::packet::PacketSocket;
use plumb_lab::{Host, Lab};
use std::time::{Duration, Instant};

/// Bytes of a frame without payload: Ethernet, IPv4 and UDP headers.
const HEADERS: usize = 42;

/// How long nothing may come before a host counts as silent.
const CALM: Duration = Duration::from_millis(100);

/// Two silent hosts.
pub struct Scene {
    /// The lab.
    pub lab: Lab,
    socket: PacketSocket,
}

impl Scene {
    /// Builds it.
    pub fn new() -> Result<Self> {
        Self::with_mtu(1500)
    }

    /// Both ends of the link take packets of `mtu` bytes.
    pub fn with_mtu(mtu: u32) -> Result<Self> {
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

    /// The host that packets come from.
    pub fn sender(&self) -> &Host {
        self.lab.sender()
    }

    /// The host that they go to.
    pub fn receiver(&self) -> &Host {
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
    pub fn frame(&self, length: usize) -> Result<Vec<u8>> {
        let path = Path::between(self.sender(), self.receiver());
        Ok(path.udp(Family::V4, (40_000, 40_001), &vec![0x5a; length - HEADERS])?)
    }

    /// Sends frames of this length. Where the link's queue is full, as on a slow machine, it is tried again: the kernel
    /// says so, and the frame was not taken.
    pub fn send(&self, length: usize, times: u64) -> Result<()> {
        let frame = self.frame(length)?;
        self.send_frame(&frame, times)
    }

    /// The same with a frame of the caller's.
    pub fn send_frame(&self, frame: &[u8], times: u64) -> Result<()> {
        for _ in 0..times {
            while let Err(error) = self.socket.send(frame) {
                ensure!(error.raw_os_error() == Some(nix::libc::ENOBUFS), "cannot send a frame: {error}");
                std::thread::yield_now();
            }
        }
        Ok(())
    }
}
