//! UDP datagrams to a port where nobody listens, at the highest rate that the lab's link takes.

use crate::frames::{Family, Path, TRANSPORT_V4, patch};
use crate::{Error, Host, Lab, Result, wait};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use plumb_kernel::inject::{Injector, Variation};
use plumb_kernel::session::Storage;
use std::time::{Duration, Instant};

/// Source port of the first flow.
const FIRST_PORT: u16 = 20_000;
/// Discard (RFC 863): nobody listens in a lab.
const CLOSED: u16 = 9;
/// Offset of the checksum in a UDP header; 0 stands for "none".
const CHECKSUM: usize = 6;
/// A flood whose drops stop growing for this long has ended.
const CALM: Duration = Duration::from_millis(200);

/// A lab whose link takes injected frames.
pub struct Flood<'a> {
    lab: &'a Lab,
    injector: &'a Injector<'a>,
    frame: Vec<u8>,
}

/// Lets `work` flood the lab's receiver with datagrams of so many flows, which differ in the source port.
pub fn flood<T>(lab: &Lab, flows: u32, work: impl FnOnce(&Flood<'_>) -> T) -> Result<T> {
    let receiver = lab.receiver();
    // One answer a second, rather than an ICMP error for each datagram: type 3 is limited, at most one in 1000 ms.
    receiver.sysctl("net.ipv4.icmp_ratemask", "8")?;
    receiver.sysctl("net.ipv4.icmp_ratelimit", "1000")?;
    let mut frame = Path::between(lab.sender(), receiver).udp(Family::V4, (FIRST_PORT, CLOSED), b"flood")?;
    patch(&mut frame, TRANSPORT_V4 + CHECKSUM, &[0, 0])?;
    let variation = Variation { port_offset: TRANSPORT_V4 as u32, first_port: FIRST_PORT, flows };
    let mut storage = Storage::new();
    let injector = Injector::load(&mut storage, lab.sender().ifindex, variation)?;
    let _accepting = receiver.run(|| Ok(injector.accept(receiver.ifindex)?))?;
    Ok(work(&Flood { lab, injector: &injector, frame }))
}

impl Flood<'_> {
    /// Offers so many frames on `cpu`; returns when the receiver has dropped them, with the time that took. Frames that
    /// the link does not take drop nowhere in the stack: [`dropped`] tells how many came.
    pub fn send(&self, times: u32, cpu: usize) -> Result<Duration> {
        let before = dropped(self.lab.receiver())?;
        let start = Instant::now();
        self.lab.sender().run(|| {
            pin(cpu)?;
            Ok(self.injector.send(&self.frame, times)?)
        })?;
        self.settle(before + u64::from(times))?;
        Ok(start.elapsed())
    }

    /// Waits until the receiver has dropped as many, or drops no more.
    fn settle(&self, wanted: u64) -> Result<()> {
        let (mut last, mut since) = (dropped(self.lab.receiver())?, Instant::now());
        wait::until("the flood to be dropped", wait::PATIENCE, || {
            let now = dropped(self.lab.receiver())?;
            if now != last {
                (last, since) = (now, Instant::now());
            }
            Ok((now >= wanted || since.elapsed() > CALM).then_some(()))
        })
    }
}

/// Datagrams that `host` dropped because nobody listens: the oracle.
pub fn dropped(host: &Host) -> Result<u64> {
    host.nstat("UdpNoPorts")
}

/// Keeps the calling thread on one CPU.
pub fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu).map_err(Error::io("choose a CPU"))?;
    sched_setaffinity(Pid::from_raw(0), &set).map_err(Error::io("stay on a CPU"))
}
