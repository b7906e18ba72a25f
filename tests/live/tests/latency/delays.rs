//! Delays of known size appear in the right stage and in no other.

use crate::scene::{MESSAGE, Over, Scene, samples, seen, stage};
use anyhow::{Context, Result, ensure};
use plumb_live::machine::emulated;
use plumb_live::{Records, TestResult};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_millis(20);
const TIMES: usize = 15;

pub(crate) fn median(stage: &serde_json::Value) -> Result<Duration> {
    Ok(Duration::from_nanos(stage["p50_ns"].as_u64().context("a median")?))
}

/// Within 5 %, or 50 us; an emulated machine stops now and then between the two ends of what is measured.
pub(crate) fn near(told: Duration, real: Duration) -> bool {
    let off = if emulated() { real / 2 } else { (real / 20).max(Duration::from_micros(50)) };
    told.abs_diff(real) <= off
}

/// In no other stage of this direction half of the packets waited that long.
pub(crate) fn nowhere_else(
    records: &Records,
    direction: &str,
    from: &str,
    to: &str,
    delay: Duration,
) -> TestResult {
    let all = samples(records, direction, "total", "total");
    for other in records.of("stage").filter(|other| other["direction"] == direction) {
        let here = other["from"] == from && other["to"] == to || other["from"] == "total";
        let few = other["samples"].as_u64().is_some_and(|samples| samples < all.div_ceil(2));
        ensure!(here || few || median(other)? < delay / 2, "{other} is as slow");
    }
    Ok(())
}

#[test]
fn a_reader_that_sleeps_is_a_wait_in_the_socket() -> TestResult {
    let scene = Scene::new()?;
    seen(|| sleeps(&scene, Over::Tcp))?;
    seen(|| sleeps(&scene, Over::Udp))
}

fn sleeps(scene: &Scene, over: Over) -> TestResult {
    let plumb = scene.plumb(&["--dport", "7007"])?.start()?;
    let mut waited = scene.exchange(over, false, TIMES, WAIT)?;
    let records = plumb.stop()?.records()?;
    waited.sort();
    let real = waited[TIMES / 2];
    // Before 6.3 nothing tells when a socket can be read, and its wait is part of the stage before.
    let known = samples(&records, "rx", "readable", "copied") > 0;
    let from = match (known, over) {
        (true, _) => "readable",
        (false, Over::Tcp) => "socket",
        (false, Over::Udp) => "receive",
    };
    let waiting = stage(&records, "rx", from, "copied")?;
    ensure!(waiting["samples"] == TIMES, "{waiting}");
    ensure!(near(median(waiting)?, real), "{over:?}: {waiting}, not {real:?}");
    nowhere_else(&records, "rx", from, "copied", real)?;
    nowhere_else(&records, "tx", "", "", real)
}

/// Bits a second of the slow link, and what a datagram takes there with its headers (UDP, IPv4 and Ethernet: 42).
const SLOW: u64 = 400_000;
const PIECE: Duration = Duration::from_nanos((MESSAGE as u64 + 42) * 8 * 1_000_000_000 / SLOW);
const BURST: u64 = 200;

#[test]
fn a_token_bucket_is_a_wait_in_the_queue() -> TestResult {
    let scene = Scene::new()?;
    let sender = scene.lab.sender();
    let shape =
        format!("qdisc add dev {} root tbf rate {SLOW}bit burst {BURST} limit 100000", sender.interface);
    sender.tc(&[&shape])?;
    let socket = sender.run(|| Ok(UdpSocket::bind("0.0.0.0:0").expect("a port")))?;
    let at = scene.address(false);
    let server = scene.lab.receiver().run(|| Ok(UdpSocket::bind(at).expect("a port")))?;
    server.set_read_timeout(Some(Duration::from_secs(10)))?;
    // The neighbour is resolved before.
    socket.send_to(&[7; MESSAGE], at)?;
    server.recv(&mut [0; MESSAGE])?;
    seen(|| queues(&scene, &socket, &server))
}

fn queues(scene: &Scene, socket: &UdpSocket, server: &UdpSocket) -> TestResult {
    let at = scene.address(false);
    let plumb = scene.plumb(&[])?.start()?;
    let (pieces, begun) = (2 * TIMES as u32, Instant::now());
    for _ in 0..pieces {
        socket.send_to(&[7; MESSAGE], at)?;
    }
    let (sent, sending) = (Instant::now(), begun.elapsed());
    for _ in 0..pieces {
        server.recv(&mut [0; MESSAGE])?;
    }
    // The last one was sent last and came last.
    let real = sent.elapsed();
    let records = plumb.stop()?.records()?;
    let queued = stage(&records, "tx", "enqueue", "dequeue")?;
    ensure!(queued["samples"] == pieces, "{queued}");
    let longest = Duration::from_nanos(queued["max_ns"].as_u64().context("a maximum")?);
    ensure!(near(longest, real), "{queued}, but the last one came after {real:?}");
    ensure!(longest + sending > PIECE * (pieces - 2), "{queued}: faster than the link");
    nowhere_else(&records, "tx", "enqueue", "dequeue", real / 2)
}
