//! Datagrams at their socket: many that wait, some that nobody reads, and two CPUs that deliver at once.

use crate::journeys::in_order;
use crate::scene::{MESSAGE, Scene, seen};
use anyhow::{Result, ensure};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use plumb_live::machine::{emulated, two_cpus};
use plumb_live::{Records, TestResult};
use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// More than one event looks at.
const DEEP: usize = 200;
const UNREAD: usize = 10;

fn receiver(scene: &Scene) -> Result<UdpSocket> {
    let at = scene.address(false);
    let socket = scene.lab.receiver().run(|| Ok(UdpSocket::bind(at).expect("a port")))?;
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok(socket)
}

fn sender(scene: &Scene) -> Result<UdpSocket> {
    let at = scene.address(false);
    Ok(scene.lab.sender().run(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a port");
        socket.connect(at).expect("a route");
        Ok(socket)
    })?)
}

/// Packets that ended so.
fn ended(records: &Records, outcomes: &[&str]) -> usize {
    records.of("journey").filter(|way| outcomes.iter().any(|outcome| way["ended"] == *outcome)).count()
}

/// Nothing is lost or told twice, and no time runs backwards.
fn sound(records: &Records) -> TestResult {
    in_order(records)?;
    records.check_balance()?;
    let ids: BTreeSet<u64> = records.of("journey").filter_map(|way| way["packet_id"].as_u64()).collect();
    ensure!(ids.len() == records.of("journey").count(), "{} packets: {}", ids.len(), records.ledger()?);
    Ok(())
}

/// When a call began and when it was over.
fn timed<T>(call: impl FnOnce() -> std::io::Result<T>) -> Result<[Instant; 2]> {
    let start = Instant::now();
    call()?;
    Ok([start, Instant::now()])
}

/// This thread runs on one CPU alone.
fn stay_on(cpu: usize) -> TestResult {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

#[test]
fn each_of_many_that_wait_is_read_in_its_time() -> TestResult {
    let scene = Scene::new()?;
    let each = Duration::from_millis(1);
    seen(|| {
        let (server, client) = (receiver(&scene)?, sender(&scene)?);
        let plumb = scene.plumb(&["--events"])?.start()?;
        let sent: Vec<_> = (0..DEEP).map(|_| timed(|| client.send(&[7; MESSAGE]))).collect::<Result<_>>()?;
        let read = |_| {
            let read = timed(|| server.recv(&mut [0; MESSAGE]));
            thread::sleep(each);
            read
        };
        let read: Vec<_> = (0..DEEP).map(read).collect::<Result<_>>()?;
        let records = plumb.stop()?.records()?;
        sound(&records)?;
        let ways = records.of("journey").filter(|way| way["ended"] == "delivered");
        let totals: Vec<u64> = ways.filter_map(|way| way["total_ns"].as_u64()).collect();
        ensure!(totals.len() == DEEP, "{} of {DEEP}: {}", totals.len(), records.ledger()?);
        // Within the send call a datagram comes to the receiver, and within recv it leaves the socket.
        for ((sent, read), total) in sent.iter().zip(&read).zip(totals) {
            let (least, most) = (read[0].saturating_duration_since(sent[1]), read[1] - sent[0]);
            let total = Duration::from_nanos(total);
            ensure!(least <= total && total <= most, "{total:?}, not {least:?} to {most:?}");
        }
        ensure!(records.ledger()?["complete"] == true, "{}", records.ledger()?);
        Ok(())
    })
}

#[test]
fn what_nobody_reads_is_no_later_sockets() -> TestResult {
    let scene = Scene::new()?;
    seen(|| {
        let client = sender(&scene)?;
        // A socket's queue is emptied later (SOCK_RCU_FREE): until all have come to their end.
        let packets = (4 * UNREAD).to_string();
        let plumb = scene.plumb(&["--events", "--count", &packets, "--for", "10s"])?.start()?;
        let unread = receiver(&scene)?;
        for _ in 0..UNREAD {
            client.send(&[7; MESSAGE])?;
        }
        drop(unread);
        for _ in 0..UNREAD {
            let later = receiver(&scene)?;
            client.send(&[7; MESSAGE])?;
            later.recv(&mut [0; MESSAGE])?;
        }
        let records = plumb.wait()?.records()?;
        sound(&records)?;
        // Without a hook where a socket can be read (before 6.3) all that is known is that they were freed.
        let (unread, read) = (ended(&records, &["unread", "dropped"]), ended(&records, &["delivered"]));
        ensure!((unread, read) == (UNREAD, UNREAD), "{unread} unread, {read} read: {}", records.ledger()?);
        Ok(())
    })
}

#[test]
fn two_cpus_that_deliver_to_one_socket_count_each_once() -> TestResult {
    two_cpus()?;
    let scene = Scene::new()?;
    let each = if emulated() { 300 } else { 5000 };
    seen(|| {
        let server = receiver(&scene)?;
        let clients = [sender(&scene)?, sender(&scene)?];
        // Enough for all of them: what a ring has no room for is lost, and that is another test's matter.
        let plumb = scene.plumb(&["--events", "--ring-size", "64M"])?.start()?;
        let read = thread::spawn(move || -> Result<usize> {
            let mut read = 0;
            server.set_read_timeout(Some(Duration::from_secs(1)))?;
            while server.recv(&mut [0; MESSAGE]).is_ok() {
                read += 1;
            }
            Ok(read)
        });
        let senders = clients.into_iter().enumerate().map(|(cpu, client)| {
            thread::spawn(move || -> TestResult {
                stay_on(cpu)?;
                (0..each).try_for_each(|_| client.send(&[7; MESSAGE]).map(drop)).map_err(Into::into)
            })
        });
        let senders: Vec<_> = senders.collect();
        senders.into_iter().try_for_each(|sender| sender.join().expect("no panic"))?;
        let read = read.join().expect("no panic")?;
        let records = plumb.stop()?.records()?;
        sound(&records)?;
        // A reader on the other CPU may have a datagram before its socket is told to be readable; what it frees there may be
        // another packet's address before it is known: one in thousands.
        let (delivered, consumed) = (ended(&records, &["delivered"]), ended(&records, &["consumed"]));
        ensure!(consumed <= each / 1000, "{consumed} were consumed: {}", records.ledger()?);
        let all = delivered <= read && delivered + read / 20 >= read;
        ensure!(all, "{delivered} of {read}: {}", records.ledger()?);
        Ok(())
    })
}

/// One that asks all the time has datagrams before the other CPU tells that there are any.
#[test]
fn what_is_read_before_it_is_told_of_is_delivered() -> TestResult {
    two_cpus()?;
    let scene = Scene::new()?;
    let times = if emulated() { 300 } else { 5000 };
    seen(|| {
        let (server, client) = (receiver(&scene)?, sender(&scene)?);
        server.set_nonblocking(true)?;
        let plumb = scene.plumb(&["--events", "--ring-size", "64M"])?.start()?;
        let read = Arc::new(AtomicUsize::new(0));
        let counted = read.clone();
        let reader = thread::spawn(move || -> TestResult {
            stay_on(1)?;
            let end = Instant::now() + Duration::from_secs(20);
            while counted.load(Relaxed) < times {
                ensure!(Instant::now() < end, "{} of {times} were read", counted.load(Relaxed));
                counted.fetch_add(usize::from(server.recv(&mut [0; MESSAGE]).is_ok()), Relaxed);
            }
            Ok(())
        });
        stay_on(0)?;
        for sent in 0..times {
            client.send(&[7; MESSAGE])?;
            // None finds the queue full.
            while !reader.is_finished() && sent - read.load(Relaxed).min(sent) > 20 {
                thread::yield_now();
            }
        }
        reader.join().expect("no panic")?;
        let records = plumb.stop()?.records()?;
        sound(&records)?;
        let (delivered, consumed) = (ended(&records, &["delivered"]), ended(&records, &["consumed"]));
        ensure!(consumed == 0 && delivered <= times, "{delivered} and {consumed}: {}", records.ledger()?);
        ensure!(delivered + times / 100 >= times, "{delivered} of {times}: {}", records.ledger()?);
        Ok(())
    })
}
