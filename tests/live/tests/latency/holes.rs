//! Waiting behind a hole in TCP's data is told apart from a slow reader.

use crate::delays::{median, near, nowhere_else};
use crate::mechanisms::given;
use crate::scene::{MESSAGE, Over, Scene, samples, seen, stage};
use anyhow::{Context, ensure};
use plumb_live::{Records, TestResult};
use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

/// Messages behind the hole: with the lost one as many as a new connection sends at once (RFC 6928).
const BEHIND: usize = 9;
/// Bytes of the message that is lost: the rule knows it by its size, and its retransmissions too.
const LOST: usize = 4 * MESSAGE;
const HELD: Duration = Duration::from_millis(30);

/// Packets that waited for order, by whatever they were seen at before.
fn ordered(records: &Records) -> u64 {
    let stages = records.of("stage").filter(|stage| stage["to"] == "in_order");
    stages.filter_map(|stage| stage["samples"].as_u64()).sum()
}

#[test]
fn data_behind_a_hole_waits_for_order() -> TestResult {
    let scene = Scene::new()?;
    // Else the first packet behind the hole makes the sender try again at once, and send little beside that.
    for (setting, value) in [("net.ipv4.tcp_sack", "0"), ("net.ipv4.tcp_reordering", "100")] {
        scene.lab.sender().sysctl(setting, value)?;
    }
    for (v6, mechanism) in [(false, "tp_btf"), (true, "tp_btf"), (false, "fentry"), (true, "kprobe")] {
        if !given(mechanism)? {
            continue;
        }
        seen(|| holds(&scene, v6, mechanism)).with_context(|| format!("IPv6: {v6}, {mechanism}"))?;
    }
    Ok(())
}

fn holds(scene: &Scene, v6: bool, mechanism: &str) -> TestResult {
    let receiver = scene.lab.receiver();
    let (mut client, mut server) = scene.connect(v6)?;
    let plumb = scene.plumb(&["--dport", "7007", "--mechanism", mechanism])?.start()?;
    let reader = thread::spawn(move || {
        let read = server.read_exact(&mut [0; LOST + BEHIND * MESSAGE]);
        read.map(|()| Instant::now())
    });
    let length = LOST;
    receiver.nft(&format!(
        "table inet hole {{ chain in {{ type filter hook prerouting priority 0; tcp dport 7007 meta length > {length} drop; }}; }}"
    ))?;
    client.write_all(&[7; LOST])?;
    let mut sent = Vec::new();
    for _ in 0..BEHIND {
        sent.push(Instant::now());
        client.write_all(&[7; MESSAGE])?;
    }
    thread::sleep(HELD);
    receiver.nft("delete table inet hole")?;
    // The sender tries again once its timer is over: 200 ms at least (RFC 6298, with the kernel's minimum).
    let read = reader.join().expect("a reader")?;
    let records = plumb.stop()?.records()?;
    let real = read - sent[BEHIND / 2];
    ensure!(real > HELD, "the hole was filled after {real:?}");
    // Before 6.3 no tracepoint tells when a socket can be read.
    let session = records.of("session").next().context("a session")?;
    let known =
        ["sk_data_ready", "sock_def_readable"].iter().any(|hook| session["mechanisms"][hook].is_string());
    let to = if known { "in_order" } else { "copied" };
    // Tracepoints do not tell when TCP's slow path begins.
    let from = if mechanism == "tp_btf" { "socket" } else { "data_queue" };
    let waiting = stage(&records, "rx", from, to)?;
    ensure!(!known || waiting["samples"] == BEHIND, "{waiting}, of {BEHIND}: {records:#?}");
    ensure!(near(median(waiting)?, real), "{waiting}, not {real:?}");
    nowhere_else(&records, "rx", from, to, real)?;
    nowhere_else(&records, "tx", "", "", real)?;
    ensure!(records.ledger()?["complete"] == true, "{}", records.ledger()?);
    Ok(())
}

#[test]
fn a_slow_reader_without_a_hole_waits_for_no_order() -> TestResult {
    let scene = Scene::new()?;
    let wait = Duration::from_millis(20);
    seen(|| {
        let plumb = scene.plumb(&["--dport", "7007"])?.start()?;
        scene.exchange(Over::Tcp, false, 5, wait)?;
        let records = plumb.stop()?.records()?;
        ensure!(samples(&records, "rx", "total", "total") == 5, "{records:#?}");
        ensure!(ordered(&records) == 0, "{records:#?}");
        Ok(())
    })
}
