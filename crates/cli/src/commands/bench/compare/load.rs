//! The load: packets of many flows at a rate, from one host of the lab to the other, on a CPU of its own.

use super::super::{CPU, failed};
use crate::args::compare::Compare;
use crate::failure::{Failure, Outcome};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use plumb_kernel::session::Storage;
use plumb_kernel::traffic::accept;
use plumb_lab::flood::pin;
use plumb_lab::readers::PORT;
use plumb_lab::traffic::{self, Order, Progress, Rate, Shape, Sizes, Sum, Transport, Way, What};
use plumb_lab::{Lab, machine, wait};
use plumb_records::filter::{PortRange, Prefix};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Source port of the first flow.
const FIRST_PORT: u16 = 20_000;
/// An interface that took no frame for so long takes none any more.
const CALM: Duration = Duration::from_millis(50);

/// The lab, and what is sent through it.
pub struct Network<'a> {
    pub lab: &'a Lab,
    shape: Shape,
    /// CPUs that are not the generator's.
    pub others: CpuSet,
}

/// The load while it is offered.
pub struct Load<'a> {
    progress: &'a [Progress],
}

/// What was offered in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Packets that the interface took.
    pub packets: u64,
    /// Packets that it did not take: its ring was full.
    pub refused: u64,
}

impl Load<'_> {
    /// Packets that the interface took so far, and when that was.
    pub fn sent(&self) -> (Instant, u64) {
        let sum = self.sum();
        (Instant::now(), sum.offered - sum.refused)
    }

    fn sum(&self) -> Sum {
        let mut sum = Sum::default();
        self.progress.iter().for_each(|progress| progress.add_to(&mut sum));
        sum
    }
}

impl<'a> Network<'a> {
    /// Makes the receiving host quiet.
    pub fn new(lab: &'a Lab, asked: &Compare) -> Outcome<Self> {
        let receiver = lab.receiver();
        // One answer a second, rather than an ICMP error for each datagram: type 3 is limited, at most one in 1000 ms.
        for (name, value) in [("net.ipv4.icmp_ratemask", "8"), ("net.ipv4.icmp_ratelimit", "1000")] {
            receiver.sysctl(name, value).map_err(failed)?;
        }
        let others = others().map_err(|error| Failure::failed("cannot find out our CPUs").because(error))?;
        Ok(Self { lab, shape: shape(lab, asked)?, others })
    }

    /// Does `work` where packets are let in to the stack, though no reader's program does that.
    pub fn accepting<T>(&self, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        let receiver = self.lab.receiver();
        let mut storage = Storage::new();
        let _accepting = receiver.run(|| Ok(accept(&mut storage, receiver.ifindex)?)).map_err(failed)?;
        work()
    }

    /// Offers packets at this rate while `work` runs, on another thread; returns once the interface has taken them all.
    pub fn offer<T: Send>(
        &self,
        rate: Rate,
        work: impl FnOnce(&Load<'_>) -> Outcome<T> + Send,
    ) -> Outcome<(T, Sent)> {
        let (sender, receiver) = (self.lab.sender(), self.lab.receiver());
        let before = receiver.received().map_err(failed)?;
        let order = Order {
            interface: sender.interface.to_owned(),
            ifindex: sender.ifindex,
            queued: false,
            is_veth: true,
            what: What::Crafted(self.shape),
            rate: Some(rate),
            time: None,
            count: None,
            threads: 1,
            way: Some(Way::Live),
        };
        let (worked, sent) = sender.run(|| Ok(offer(order, &self.others, work))).map_err(failed)??;
        let (mut last, mut since) = (0, Instant::now());
        let arrived = wait::until("the packets to arrive", wait::PATIENCE, || {
            let now = receiver.received()? - before;
            if now != last {
                (last, since) = (now, Instant::now());
            }
            Ok((now >= sent.packets && since.elapsed() > CALM).then_some(()))
        });
        arrived.map_err(failed)?;
        Ok((worked, sent))
    }
}

/// In the sender's namespace, on a thread of its own.
fn offer<T>(order: Order, others: &CpuSet, work: impl FnOnce(&Load<'_>) -> Outcome<T>) -> Outcome<(T, Sent)> {
    // Threads stay where the one is that starts them, and interrupts of the link come where its sender is.
    pin(CPU).map_err(failed)?;
    let mut storages = traffic::storages(order.threads);
    let prepared = traffic::prepare(order, &mut storages).map_err(failed)?;
    let prepared = prepared.map_err(|refusal| {
        Failure::failed("the lab's link takes no live frames").because(format!("{refusal:?}"))
    })?;
    let (progress, stop) = ([Progress::default()], AtomicBool::new(false));
    let (worked, sent) = prepared.offer(&progress, &stop, |_| {
        // Who measures is not in the generator's way.
        let _ = sched_setaffinity(Pid::from_raw(0), others);
        work(&Load { progress: &progress })
    });
    sent.map_err(failed)?;
    let sum = Load { progress: &progress }.sum();
    Ok((worked?, Sent { packets: sum.offered - sum.refused, refused: sum.refused }))
}

/// All CPUs that we may use but the generator's; that one where there is no other.
fn others() -> nix::Result<CpuSet> {
    let all = sched_getaffinity(Pid::from_raw(0))?;
    let mut others = all;
    others.unset(CPU)?;
    Ok(if machine::cpus(&others).is_empty() { all } else { others })
}

fn shape(lab: &Lab, asked: &Compare) -> Outcome<Shape> {
    let (source, destination) = (lab.sender(), lab.receiver());
    let whole = |address| {
        Prefix::containing(address, 32).ok_or_else(|| Failure::failed("the lab has no IPv4 address"))
    };
    Ok(Shape {
        mac: (source.mac, destination.mac),
        vlan: None,
        source: whole(source.v4.into())?,
        destination: whole(destination.v4.into())?,
        transport: Transport::Udp,
        source_ports: PortRange::between(FIRST_PORT, u16::MAX),
        destination_ports: PortRange::between(PORT, PORT),
        flows: Some(asked.flows),
        sizes: Sizes::Fixed(asked.size),
        seed: None,
        stamp: true,
    })
}
