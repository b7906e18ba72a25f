//! Load at a set rate: frames made by number or taken from a capture, offered to an interface by XDP live frames or by
//! packet sockets.
//!
//! [`prepare`] does all that can fail before the first frame, in the network namespace of the sending interface;
//! [`Prepared::offer`] runs one thread per stream.

mod affinity;
pub mod capture;
mod craft;
mod dropped;
mod network;
mod pace;
mod plan;
mod progress;
mod queue;
mod rate;
mod shape;
mod size;
mod stamp;
mod stream;
pub mod target;
mod transport;

pub use capture::{Capture, Contents, Frame};
pub use craft::craft;
pub use network::Link;
pub use plan::{least_size, plan};
pub use progress::{Progress, Sum, Timing};
pub use rate::{Bandwidth, Rate, RateError};
pub use shape::{Shape, Transport};
pub use size::{SizeError, Sizes};
pub use stamp::Stamp;
pub use transport::Way;

use crate::{Error, Result};
use dropped::Account;
use pace::Pace;
use plumb_kernel::session::Storage;
use plumb_kernel::support;
use plumb_kernel::traffic::{Generator, LONGEST, Plan, Source};
use queue::Replay;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use stream::{Calls, Common, Stream, Work};

#[cfg(test)]
mod tests;

/// What is to be sent.
#[derive(Clone, Debug)]
pub enum What {
    /// Frames of this shape.
    Crafted(Shape),
    /// The frames of a capture file; at the times that it tells where no rate is given.
    Captured(PathBuf, Contents),
}

/// What is to be sent, where, how fast and how long.
#[derive(Clone, Debug)]
pub struct Order {
    /// Name of the sending interface.
    pub interface: String,
    /// Its index.
    pub ifindex: u32,
    /// A queueing discipline stands before its driver.
    pub queued: bool,
    /// It is one end of a veth pair.
    pub is_veth: bool,
    /// What is to be sent.
    pub what: What,
    /// All streams together; `None`: a capture, as it is timed.
    pub rate: Option<Rate>,
    /// No frame is due after this time; `None`: until `count`, or a capture's end.
    pub time: Option<Duration>,
    /// Frames to be sent, those that are refused not counted.
    pub count: Option<u64>,
    /// Threads, at least 1; a capture is sent by one.
    pub threads: u32,
    /// The way that frames have to take; `None`: live where it works.
    pub way: Option<Way>,
}

/// Everything is loaded and open, and where frames go live the first one has shown that it works.
pub struct Prepared<'obj> {
    order: Order,
    transports: Vec<transport::Transport>,
    // Programs stay attached while the transports send.
    _generators: Vec<Generator<'obj>>,
    /// Why live frames cannot be used, where they were tried.
    pub fell_back: Option<Refusal>,
}

/// Why the interface does not take live frames.
#[derive(Debug)]
pub enum Refusal {
    /// The kernel or our privileges.
    Kernel(plumb_kernel::Error),
    /// The interface or its driver, with this errno.
    Interface(i32),
    /// Frames of so many bytes are too long.
    TooLong(usize),
}

/// Rooms for the programs of so many threads.
pub fn storages(threads: u32) -> Vec<Storage> {
    (0..threads).map(|_| Storage::new()).collect()
}

/// Loads, opens and tries, in the calling thread's network namespace. An inner error is why frames cannot go live, where
/// they have to.
pub fn prepare<'obj>(
    order: Order,
    storages: &'obj mut [Storage],
) -> Result<std::result::Result<Prepared<'obj>, Refusal>> {
    let mut plan = order.plan()?;
    plan.ifindex = order.ifindex;
    plan.clock_offset_ns = support::clock_offset_ns().cast_unsigned();
    plan.streams = order.threads;
    let live = match order.way {
        Some(Way::Packet) => None,
        Some(Way::Live) | None => Some(live(&order, &plan, storages)?),
    };
    let (mut fell_back, found) = match live {
        Some(Ok((transports, generators))) => (None, Some((transports, generators))),
        Some(Err(refusal)) if order.way == Some(Way::Live) => return Ok(Err(refusal)),
        Some(Err(refusal)) => (Some(refusal), None),
        None => (None, None),
    };
    let (transports, generators) = match found {
        Some(found) => found,
        None => {
            let account = Account::open(order.ifindex, order.queued)?;
            let one =
                |stream| transport::Transport::packet(&order.interface, Plan { stream, ..plan }, &account);
            let opened = (0..order.threads).map(one).collect::<Result<_>>();
            match (opened, fell_back) {
                // What kept frames from going live is what has to be mended.
                (Err(_), Some(refusal)) => return Ok(Err(refusal)),
                (opened, unmoved) => {
                    fell_back = unmoved;
                    (opened?, Vec::new())
                }
            }
        }
    };
    Ok(Ok(Prepared { order, transports, _generators: generators, fell_back }))
}

type Live<'obj> = (Vec<transport::Transport>, Vec<Generator<'obj>>);

/// Live transports, once the first frame was taken.
fn live<'obj>(
    order: &Order,
    plan: &Plan,
    storages: &'obj mut [Storage],
) -> Result<std::result::Result<Live<'obj>, Refusal>> {
    if plan.largest as usize > LONGEST {
        return Ok(Err(Refusal::TooLong(plan.largest as usize)));
    }
    let source = if matches!(order.what, What::Crafted(_)) { Source::Crafted } else { Source::Slots };
    let (mut transports, mut generators) = (Vec::new(), Vec::new());
    for (storage, stream) in storages.iter_mut().zip(0..order.threads) {
        let loaded = Generator::load(storage, &Plan { stream, ..*plan }, source)
            .and_then(|generator| Ok((generator.sender()?, generator)));
        match loaded {
            Ok((sender, generator)) => {
                transports.push(transport::Transport::Live(sender));
                generators.push(generator);
            }
            Err(error) => return Ok(Err(Refusal::Kernel(error))),
        }
    }
    if let Some(first) = transports.first_mut() {
        let tried = match &order.what {
            What::Crafted(_) => first.craft(1),
            What::Captured(path, _) => match Capture::open(path)?.frame()? {
                Some(frame) => first.replay(&[frame]),
                None => Ok(()),
            },
        };
        match tried {
            Err(Error::Kernel(error)) => return Ok(Err(Refusal::Kernel(error))),
            other => other?,
        }
        // A frame that was dropped without an error met a full queue: that is no obstacle.
        let state = first.state();
        if state.refused > 0 && state.error > 0 {
            return Ok(Err(Refusal::Interface(state.error.cast_signed())));
        }
    }
    Ok(Ok((transports, generators)))
}

impl Order {
    fn plan(&self) -> Result<Plan> {
        match &self.what {
            What::Crafted(shape) => plan(shape),
            What::Captured(_, contents) => Ok(Plan { largest: contents.longest as u32, ..Plan::default() }),
        }
    }

    /// Frames of stream `stream`, where there is a count.
    fn share(&self, stream: u32) -> Option<u64> {
        let threads = u64::from(self.threads.max(1));
        self.count.map(|count| count / threads + u64::from(u64::from(stream) < count % threads))
    }
}

impl Prepared<'_> {
    /// The way that frames take.
    pub fn way(&self) -> Way {
        self.transports.first().map_or(Way::Packet, transport::Transport::way)
    }

    /// Sends, while `beside` runs in the calling thread; it is asked back when it returns, or sees `finished` become
    /// true. `progress` has one entry per thread.
    pub fn offer<T>(
        self,
        progress: &[Progress],
        stop: &AtomicBool,
        beside: impl FnOnce(&dyn Fn() -> bool) -> T,
    ) -> (T, Result<()>) {
        let Self { order, transports, .. } = self;
        let (order, start) = (&order, Instant::now());
        let common = Common { interface: (&order.interface, order.ifindex), start, stop };
        std::thread::scope(|scope| {
            let mut running = Vec::new();
            for ((transport, progress), number) in transports.into_iter().zip(progress).zip(0..) {
                let rate = order.rate.unwrap_or(Rate::Max);
                let pace = Pace::new(rate, number, order.threads, order.time);
                let (count, calls) = (order.share(number), Calls::none(start));
                let stream = Stream { common, transport, pace, number, count, progress, calls };
                let work = match &order.what {
                    What::Crafted(_) => Work::Craft,
                    What::Captured(path, _) => Work::Replay(Replay {
                        path: path.clone(),
                        as_timed: order.rate.is_none(),
                        again: order.time.is_some() || order.count.is_some(),
                    }),
                };
                running.push(scope.spawn(move || stream.run(work)));
            }
            let result = beside(&|| running.iter().all(std::thread::ScopedJoinHandle::is_finished));
            stop.store(true, Ordering::Relaxed);
            let ended = running
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            // All of them, then the first failure.
            let failures: Vec<Result<()>> = ended.filter(Result::is_err).collect();
            (result, failures.into_iter().next().unwrap_or(Ok(())))
        })
    }
}
