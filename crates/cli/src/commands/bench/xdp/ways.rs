//! The ways to drop packets that are compared: two floors, ours with this and that, and a rival.

use super::super::{CPU, failed};
use super::rival::Rival;
use crate::failure::{Failure, Outcome};
use crate::text::note;
use plumb_kernel::probes::flows::{self, Flows};
use plumb_kernel::probes::packets::{self, Packets};
use plumb_kernel::probes::xdp::{self, Action, Attachment, Config, Floor, Mode, Shared, Transport, Xdp};
use plumb_kernel::ring::Ring;
use plumb_kernel::session::Storage;
use plumb_lab::Lab;
use plumb_lab::flood::pin;
use plumb_records::flow::Level;
use std::cell::Cell;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// One way.
#[derive(Debug)]
pub struct Way {
    /// Name in the output.
    pub name: &'static str,
    how: How,
}

#[derive(Clone, Copy, Debug)]
enum How {
    Floor(Floor),
    /// `plumb xdp run --action drop`, with times and with events.
    Ours(bool, Option<Transport>),
    /// `plumb flows` that drops, at a level.
    Flows(Level),
    /// `plumb packets` that drops.
    Packets,
    /// xdp-bench of xdp-tools.
    XdpBench,
}

/// Every way; the first is what the others are measured against.
pub const WAYS: &[Way] = &[
    Way { name: "bare", how: How::Floor(Floor::Drop) },
    Way { name: "two-clock-readings", how: How::Floor(Floor::Clock) },
    Way { name: "plumb", how: How::Ours(false, None) },
    Way { name: "plumb-time", how: How::Ours(true, None) },
    Way { name: "plumb-events", how: How::Ours(false, Some(Transport::Ring)) },
    Way { name: "plumb-events-time", how: How::Ours(true, Some(Transport::Ring)) },
    Way { name: "plumb-events-perf", how: How::Ours(false, Some(Transport::Perf)) },
    Way { name: "xdp-bench", how: How::XdpBench },
];

/// Ways to make feature records; the first is what the others are measured against.
pub const FEATURES: &[Way] = &[
    Way { name: "bare", how: How::Floor(Floor::Drop) },
    Way { name: "flows-basic", how: How::Flows(Level::Basic) },
    Way { name: "flows-stats", how: How::Flows(Level::Stats) },
    Way { name: "flows-full", how: How::Flows(Level::Full) },
    Way { name: "packets", how: How::Packets },
];

/// Room for more flows than a bench offers.
const TABLE: u32 = 1 << 18;

/// What a program of ours tells of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Account {
    /// Packets counted, or events that came to the counting sink; `None` for the others.
    pub received: Option<u64>,
    /// Events that found no room, and those that never came.
    pub lost: Option<u64>,
}

/// A way while its program is attached.
pub struct Running<'a> {
    lab: &'a Lab,
    ring: Option<Ring<'a>>,
}

impl Running<'_> {
    /// Does `work` on another thread while this one, on another CPU, takes the events.
    pub fn during<T: Send>(&mut self, work: impl FnOnce() -> Outcome<T> + Send) -> Outcome<T> {
        let Some(ring) = &mut self.ring else { return work() };
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let result = work();
                done.store(true, Ordering::Release);
                result
            });
            while !done.load(Ordering::Acquire) {
                let mut stop = |_| done.load(Ordering::Acquire);
                ring.consume_until(Instant::now() + Duration::from_secs(1), &mut stop)?;
            }
            worker
                .join()
                .unwrap_or_else(|_| Err(Failure::failed("the thread that offers packets ended early")))
        })
    }

    /// Run time and runs of the attached program.
    pub fn statistics(&self) -> Outcome<(u64, u64)> {
        let index = self.lab.receiver().ifindex;
        let occupant = self.lab.receiver().run(|| Ok(xdp::occupant(index)?)).map_err(failed)?;
        Ok(occupant.and_then(|occupant| occupant.statistics()).unwrap_or_default())
    }
}

/// Does `work` while a way's program drops what comes to the lab's receiver; its own account is read at the end. `rival`
/// is where xdp-bench is.
pub fn with<T>(
    lab: &Lab,
    rival: &Path,
    way: &Way,
    work: impl FnOnce(&mut Running<'_>) -> Outcome<T>,
) -> Outcome<(T, Account)> {
    let mut storage = Storage::new();
    match way.how {
        How::Floor(floor) => {
            let floor = floor.load(&mut storage)?;
            let _attached = attach(lab, floor.program())?;
            Ok((work(&mut Running { lab, ring: None })?, Account::default()))
        }
        How::XdpBench => {
            let running = Rival::start(lab, rival)?
                .ok_or_else(|| Failure::failed("xdp-bench started before and does not now"))?;
            let worked = work(&mut Running { lab, ring: None });
            running.end(lab)?;
            Ok((worked?, Account::default()))
        }
        How::Flows(level) => flows(lab, &mut storage, level, work),
        How::Packets => packets(lab, &mut storage, work),
        How::Ours(time, events) => {
            let config = Config { time, events, ..Config::of(Action::Drop) };
            let program = Xdp::load(&mut storage, &config, 0, None)?;
            let shared = program.share(&config)?;
            ours(lab, &program, &shared, events.is_some(), work)
        }
    }
}

/// Flows that end when the run does, into a sink that adds their packets up.
fn flows<T>(
    lab: &Lab,
    storage: &mut Storage,
    level: Level,
    work: impl FnOnce(&mut Running<'_>) -> Outcome<T>,
) -> Outcome<(T, Account)> {
    let config = flows::Config { level, drop: true, table_size: TABLE, ..flows::Config::default() };
    let program = Flows::load(storage, &config)?;
    let attached = attach(lab, program.programs().xdp()?)?;
    let worked = work(&mut Running { lab, ring: None })?;
    drop(attached);
    xdp::quiesce();
    let mut packets = 0;
    program.finish(|entry, end| {
        let numbers = entry.numbers(end);
        packets += numbers.sides.iter().map(|side| side.packets).sum::<u64>();
    });
    let counters = program.counters();
    let lost = counters.table_full + counters.lock_timeout + counters.ended_lost;
    if packets + lost + counters.passed_over != counters.seen {
        return Err(Failure::failed(format!(
            "the flows do not add up to the counted packets: {packets} {counters:?}"
        )));
    }
    Ok((worked, Account { received: Some(packets), lost: Some(lost) }))
}

/// A record per packet, into a sink that decodes them and adds their lengths up.
fn packets<T>(
    lab: &Lab,
    storage: &mut Storage,
    work: impl FnOnce(&mut Running<'_>) -> Outcome<T>,
) -> Outcome<(T, Account)> {
    let (came, bytes) = (Cell::new(0_u64), Cell::new(0_u64));
    let program = Packets::load(storage, &packets::Config { drop: true, ..packets::Config::default() })?;
    let ring = program.ring(|event| {
        came.set(came.get() + 1);
        bytes.set(bytes.get() + u64::from(event.frame_length()));
    })?;
    let worked = streamed(lab, program.programs().xdp()?, Some(ring), work)?;
    let ledger = program.ledger();
    let none_came = came.get() > 0 && bytes.get() == 0;
    if none_came || came.get() + ledger.lost_kernel + ledger.lost_user + ledger.passed_over != ledger.seen {
        return Err(Failure::failed(format!(
            "the records do not add up to the counted packets: {} {ledger:?}",
            came.get()
        )));
    }
    Ok((worked, Account { received: Some(came.get()), lost: Some(ledger.lost_kernel + ledger.lost_user) }))
}

/// Does `work` while a program drops and this thread reads its ring, where it has one, to the last record.
fn streamed<T>(
    lab: &Lab,
    program: BorrowedFd<'_>,
    ring: Option<Ring<'_>>,
    work: impl FnOnce(&mut Running<'_>) -> Outcome<T>,
) -> Outcome<T> {
    // What is offered and dropped is on another CPU.
    pin(reading_cpu()).map_err(failed)?;
    let attached = attach(lab, program)?;
    let mut running = Running { lab, ring };
    let worked = work(&mut running)?;
    drop(attached);
    xdp::quiesce();
    if let Some(mut ring) = running.ring {
        ring.drain()?;
    }
    Ok(worked)
}

fn ours<T>(
    lab: &Lab,
    program: &Xdp<'_>,
    shared: &Shared,
    events: bool,
    work: impl FnOnce(&mut Running<'_>) -> Outcome<T>,
) -> Outcome<(T, Account)> {
    // The sink: it decodes, looks at what was decoded and counts.
    let (came, bytes) = (Cell::new(0_u64), Cell::new(0_u64));
    let count = |event: xdp::Event| {
        came.set(came.get() + 1);
        bytes.set(bytes.get() + u64::from(event.length));
    };
    let ring = if events { Some(shared.reader(count)?) } else { None };
    let worked = streamed(lab, program.program(), ring, work)?;
    let counts = program.counts()?;
    let all = counts.iter().flatten();
    let (packets, size, lost) =
        all.fold((0, 0, 0), |sum, count| (sum.0 + count.packets, sum.1 + count.bytes, sum.2 + count.lost));
    let account = if events {
        if lost == 0 && bytes.get() != size {
            return Err(Failure::failed("the events do not add up to the counted bytes"));
        }
        Account { received: Some(came.get()), lost: Some(packets - came.get().min(packets)) }
    } else {
        Account { received: Some(packets), lost: Some(0) }
    };
    Ok((worked, account))
}

/// A CPU beside the one that packets are dropped on, where there is one.
fn reading_cpu() -> usize {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    (CPU + 1) % cpus
}

fn attach(lab: &Lab, program: BorrowedFd<'_>) -> Outcome<Attachment> {
    let receiver = lab.receiver();
    receiver.run(|| Ok(xdp::attach(program, receiver.ifindex, Some(Mode::Native))?)).map_err(failed)
}

/// Whether a way works on this machine. A rival that does not is told.
pub fn starts(lab: &Lab, rival: &Path, way: &Way) -> Outcome<bool> {
    let How::XdpBench = way.how else { return Ok(true) };
    match Rival::start(lab, rival)? {
        Some(running) => running.end(lab).map(|()| true),
        None => {
            note("xdp-bench is not installed, or does not start here: it is left out");
            Ok(false)
        }
    }
}
