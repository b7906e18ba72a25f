//! Mutated frames through the real program, against etherparse: packet by packet, on all that both define.

use crate::frames::Frames;
use crate::headers::{Headers, Met, agree};
use anyhow::{Context, Result, ensure};
use plumb_kernel::probes::packets::{Config, Event, Fragment, Packets};
use plumb_kernel::session::Storage;
use plumb_live::TestResult;
use plumb_live::machine::emulated;
use std::cell::RefCell;

/// Frames between two looks at the ring, which has room for their records.
const BATCH: usize = 1000;

/// How many frames; PLUMB_MUTATED_FRAMES says otherwise.
fn frames() -> Result<usize> {
    match std::env::var("PLUMB_MUTATED_FRAMES") {
        Ok(count) => count.parse().context("PLUMB_MUTATED_FRAMES is no number"),
        Err(_) => Ok(if emulated() { 10_000 } else { 100_000 }),
    }
}

/// What the record says, in the shape of the reference.
fn headers(event: &Event) -> Headers {
    let flow = event.flow();
    Headers {
        addresses: flow.src.zip(flow.dst),
        protocol: event.protocol(),
        ports: flow.src_port.zip(flow.dst_port),
        vlan: event.vlan(),
        ip_length: event.ip_length(),
        network_header: u32::from(event.network_header()),
        transport_header: event.transport_header().map(u32::from),
        payload: event.payload(),
        ttl: event.ttl(),
        tos: event.tos(),
        ip_id: event.ip_id(),
        fragment: event.fragment().map(|fragment| fragment == Fragment::First),
        truncated: event.truncated(),
        icmp: event.icmp(),
        icmp_id: event.icmp_id(),
        tcp: event.tcp().map(|tcp| (tcp.flags, tcp.window, tcp.sequence, tcp.ack)),
        syn: None,
    }
}

#[test]
fn mutated_frames_agree_with_etherparse() -> TestResult {
    let count = frames()?;
    let mut storage = Storage::new();
    let packets = Packets::load(&mut storage, &Config { capture: true, ..Config::default() })?;
    let came = RefCell::new(Vec::with_capacity(BATCH));
    let mut ring = packets.ring(|event| came.borrow_mut().push(*event))?;
    let (mut met, mut records) = (Met::default(), 0);
    let mut series = Frames::seeded(11).take(count).enumerate().peekable();
    while series.peek().is_some() {
        let batch: Vec<_> = series.by_ref().take(BATCH).collect();
        for (number, frame) in &batch {
            // The number is the time, by which its record is found.
            packets.run(*number as u64, frame.len() as u32, frame)?;
        }
        ring.drain()?;
        let mut events = came.borrow_mut();
        records += events.len();
        let mut next = events.drain(..).peekable();
        for (number, frame) in &batch {
            let event = next.next_if(|event| event.monotonic_ns() == *number as u64);
            let length = event.map_or(frame.len(), |event| event.frame_length() as usize);
            ensure!(length == frame.len(), "frame {number}: {length} bytes of {}", frame.len());
            let told = event.as_ref().map(headers);
            if let Err(why) = agree(frame, told.as_ref(), &mut met) {
                anyhow::bail!("frame {number}: {why}\n{frame:02x?}\n{event:?}");
            }
        }
        ensure!(next.next().is_none(), "a record of no frame");
    }
    drop(ring);
    let ledger = packets.ledger();
    let others: u64 = packets.others()?.iter().map(|other| other.packets).sum();
    ensure!(ledger.seen == count as u64 && ledger.emitted == records as u64, "{ledger:?}");
    ensure!(ledger.passed_over == others && ledger.seen == ledger.emitted + ledger.passed_over, "{ledger:?}");
    met.assert_everything(count as u64 / 1000);
    Ok(())
}
