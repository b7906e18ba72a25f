//! UDP datagrams to a port where nobody listens, at the highest rate that the lab's link takes.

use crate::traffic::{Shape, Sizes, Transport, plan};
use crate::{Error, Host, Lab, Result, wait};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use plumb_kernel::session::Storage;
use plumb_kernel::traffic::{Generator, Sender, Source, accept};
use plumb_records::filter::{PortRange, Prefix};
use std::time::{Duration, Instant};

/// Source port of the first flow.
const FIRST_PORT: u16 = 20_000;
/// Discard (RFC 863): nobody listens in a lab.
const CLOSED: u16 = 9;
/// Length of a frame.
const SIZE: u32 = 60;
/// Frames of one call: it ends in a millisecond or so.
const CALL: u32 = 4096;
/// A flood whose drops stop growing for this long has ended.
const CALM: Duration = Duration::from_millis(200);

/// A lab whose link takes injected frames, which its receiver drops.
pub struct Flood<'a> {
    offers: Offers<'a>,
}

/// A lab whose sender offers frames to whatever XDP program runs on the receiver.
pub struct Offers<'a> {
    lab: &'a Lab,
    sender: Sender,
}

/// Lets `work` flood the lab's receiver with datagrams of so many flows, which differ in the source port.
pub fn flood<T>(lab: &Lab, flows: u32, work: impl FnOnce(&Flood<'_>) -> T) -> Result<T> {
    let receiver = lab.receiver();
    // One answer a second, rather than an ICMP error for each datagram: type 3 is limited, at most one in 1000 ms.
    receiver.sysctl("net.ipv4.icmp_ratemask", "8")?;
    receiver.sysctl("net.ipv4.icmp_ratelimit", "1000")?;
    let mut accepting = Storage::new();
    let _accepting = receiver.run(|| Ok(accept(&mut accepting, receiver.ifindex)?))?;
    offers(lab, flows, |offers| work(&Flood { offers }))
}

/// Lets `work` offer the same frames to an XDP program that it attaches itself: native XDP makes veth take them.
pub fn offers<T>(lab: &Lab, flows: u32, work: impl FnOnce(Offers<'_>) -> T) -> Result<T> {
    let shape = shape(lab, flows)?;
    let mut plan = plan(&shape)?;
    plan.ifindex = lab.sender().ifindex;
    let mut storage = Storage::new();
    // The index is one of the sender's namespace.
    let room = &mut storage;
    let generator = lab.sender().netns.visit(move || Ok(Generator::load(room, &plan, Source::Crafted)?))?;
    Ok(work(Offers { lab, sender: generator.sender()? }))
}

fn shape(lab: &Lab, flows: u32) -> Result<Shape> {
    let (source, destination) = (lab.sender(), lab.receiver());
    let prefix = |address, length| {
        Prefix::containing(address, length).ok_or_else(|| Error::Frame("no address".to_owned()))
    };
    // Where ports do not suffice, addresses beside the sender's are taken too.
    let source_length = if flows > u32::from(u16::MAX - FIRST_PORT) { 24 } else { 32 };
    Ok(Shape {
        mac: (source.mac, destination.mac),
        vlan: None,
        source: prefix(source.v4.into(), source_length)?,
        destination: prefix(destination.v4.into(), 32)?,
        transport: Transport::Udp,
        source_ports: PortRange::between(FIRST_PORT, u16::MAX),
        destination_ports: PortRange::between(CLOSED, CLOSED),
        flows: Some(flows),
        sizes: Sizes::Fixed(SIZE),
        seed: None,
        stamp: false,
    })
}

impl Offers<'_> {
    /// Offers so many frames on `cpu`; returns when the last one was handed to the link, with the time that took.
    pub fn send(&self, times: u32, cpu: usize) -> Result<Duration> {
        let start = Instant::now();
        self.lab.sender().run(|| {
            pin(cpu)?;
            let end = self.sender.state().offered + u64::from(times);
            while let left @ 1.. = end.saturating_sub(self.sender.state().offered) {
                self.sender.send(CALL.min(u32::try_from(left).unwrap_or(CALL)))?;
            }
            Ok(())
        })?;
        Ok(start.elapsed())
    }
}

impl Flood<'_> {
    /// Offers so many frames on `cpu`; returns when the receiver has dropped them, with the time that took. Frames that
    /// the link does not take drop nowhere in the stack: [`dropped`] tells how many came.
    pub fn send(&self, times: u32, cpu: usize) -> Result<Duration> {
        let before = dropped(self.offers.lab.receiver())?;
        let start = Instant::now();
        self.offers.send(times, cpu)?;
        self.settle(before + u64::from(times))?;
        Ok(start.elapsed())
    }

    /// Waits until the receiver has dropped as many, or drops no more.
    fn settle(&self, wanted: u64) -> Result<()> {
        let (mut last, mut since) = (dropped(self.offers.lab.receiver())?, Instant::now());
        wait::until("the flood to be dropped", wait::PATIENCE, || {
            let now = dropped(self.offers.lab.receiver())?;
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
