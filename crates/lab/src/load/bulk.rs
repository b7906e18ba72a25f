//! Datagrams in bulk: offered by the generator of `plumb traffic`, read by a service that throws them away.

use super::Worker;
use crate::traffic::{Order, Progress, Rate, Shape, Sizes, Sum, Transport, What, prepare, storages};
use crate::{Error, Host, Lab, Result};
use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};
use plumb_records::filter::{PortRange, Prefix};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Where they go.
const SINK: u16 = 5001;
/// Where they come from.
const PORTS: (u16, u16) = (10_000, 10_999);
/// How long either side may go on after the end.
const NAP: Duration = Duration::from_millis(10);
/// Queue of the service: a reader that is held up for a while loses nothing.
const QUEUE: usize = 32 << 20;

/// Datagrams that were sent and read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Taken by the sender's interface.
    pub sent: u64,
    /// Read by the receiver's service.
    pub read: u64,
}

/// Bulk traffic that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Bulk {
    // Dropped in this order: the service reads until the sender has ended.
    sender: Worker<u64>,
    sink: Worker<()>,
    read: Arc<AtomicU64>,
}

impl Bulk {
    /// Starts to send at `rate` once the service of the receiver listens.
    pub fn start(lab: &Lab, rate: Rate) -> Result<Self> {
        let (sender, receiver) = (lab.sender(), lab.receiver());
        let socket = receiver.run(open)?;
        let read = Arc::new(AtomicU64::new(0));
        let count = read.clone();
        let sink = Worker::start(&receiver.netns, move |stop| drain(&socket, &count, stop))?;
        let order = order(sender, receiver, rate)?;
        let sender = Worker::start(&sender.netns, move |stop| send(order, stop))?;
        Ok(Self { sender, sink, read })
    }

    /// Stops, and says what was moved.
    pub fn stop(mut self) -> Result<Moved> {
        let sent = self.sender.end()?;
        self.sink.end()?;
        Ok(Moved { sent, read: self.read.load(Ordering::Relaxed) })
    }
}

fn order(sender: &Host, receiver: &Host, rate: Rate) -> Result<Order> {
    let single = |address: Ipv4Addr| {
        Prefix::containing(address.into(), 32).ok_or_else(|| Error::Frame("no address".to_owned()))
    };
    let shape = Shape {
        mac: (sender.mac, receiver.mac),
        vlan: None,
        source: single(sender.v4)?,
        destination: single(receiver.v4)?,
        transport: Transport::Udp,
        source_ports: PortRange::between(PORTS.0, PORTS.1),
        destination_ports: PortRange::between(SINK, SINK),
        flows: None,
        sizes: Sizes::Imix,
        seed: None,
        stamp: false,
    };
    Ok(Order {
        interface: sender.interface.to_owned(),
        ifindex: sender.ifindex,
        queued: false,
        is_veth: true,
        what: What::Crafted(shape),
        rate: Some(rate),
        time: None,
        count: None,
        threads: 1,
        way: None,
    })
}

fn open() -> Result<UdpSocket> {
    let socket =
        UdpSocket::bind((Ipv4Addr::UNSPECIFIED, SINK)).map_err(Error::io("open the discard service"))?;
    setsockopt(&socket, RcvBufForce, &QUEUE).map_err(Error::io("enlarge the discard service's queue"))?;
    socket.set_read_timeout(Some(NAP)).map_err(Error::io("set up the discard service"))?;
    Ok(socket)
}

/// Reads until `stop`, and then what is there.
fn drain(socket: &UdpSocket, count: &AtomicU64, stop: &AtomicBool) -> Result<()> {
    let mut buffer = [0; 2048];
    loop {
        match socket.recv(&mut buffer) {
            Ok(_) => {
                count.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read the discard service")(error)),
        }
    }
}

/// Sends until `stop`; how many frames the interface took.
fn send(order: Order, stop: &AtomicBool) -> Result<u64> {
    let mut rooms = storages(order.threads);
    let prepared = prepare(order, &mut rooms)?
        .map_err(|refusal| Error::Frame(format!("the lab's link takes no frames: {refusal:?}")))?;
    let progress = [Progress::default()];
    let ended = AtomicBool::new(false);
    let ((), sent) = prepared.offer(&progress, &ended, |finished| {
        while !stop.load(Ordering::Relaxed) && !finished() {
            thread::sleep(NAP);
        }
    });
    sent?;
    let mut sum = Sum::default();
    progress[0].add_to(&mut sum);
    Ok(sum.offered - sum.refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_reads_what_is_there_before_it_ends() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(NAP)).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..5 {
            sender.send_to(b"x", socket.local_addr().unwrap()).unwrap();
        }
        let (count, stop) = (AtomicU64::new(0), AtomicBool::new(true));
        drain(&socket, &count, &stop).unwrap();
        assert_eq!(count.load(Ordering::Relaxed), 5);
    }
}
