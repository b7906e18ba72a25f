//! Bulk data over TCP, whose packets are merged and split on their way: each is accounted for.

use crate::scene::{Scene, samples, seen};
use anyhow::{Context, Result, ensure};
use plumb_lab::Host;
use plumb_live::machine::emulated;
use plumb_live::{Records, TestResult};
use std::io::{Read, Write};
use std::thread;

/// Packets without data at most that the sender sends meanwhile: its first acknowledgement and what multicast groups say.
const WITHOUT_DATA: u64 = 8;
/// What the sender and the receiver may leave to their devices, which then leave it to the stack.
const OFFLOADS: [&str; 3] = ["tso", "gso", "gro"];

fn bytes() -> usize {
    if emulated() { 1 << 20 } else { 16 << 20 }
}

/// Packets that the host's interface has sent: of what its device splits itself one.
fn sent(host: &Host) -> Result<u64> {
    let shown = host.tool(&["ip", "-s", "-j", "link", "show", "dev", host.interface])?;
    let links: serde_json::Value = serde_json::from_str(&shown)?;
    links[0]["stats64"]["tx"]["packets"].as_u64().context("the interface's packets")
}

/// What a run told, and how many packets the sender's interface sent meanwhile.
struct Told {
    records: Records,
    sentence: String,
    sent: u64,
}

impl Told {
    fn total(&self, direction: &str) -> u64 {
        samples(&self.records, direction, "total", "total")
    }

    /// Packets of an outcome, from the sentence that sums the run up.
    fn ended(&self, outcome: &str) -> u64 {
        let parts = self.sentence.split([';', '\n']).flat_map(|part| part.split(", "));
        let number = parts.filter_map(|part| part.trim().strip_suffix(outcome));
        number.last().and_then(|number| number.trim().replace(',', "").parse().ok()).unwrap_or(0)
    }

    /// As many packets as the interface sent, but for those without data.
    fn all(&self, packets: u64) -> TestResult {
        let whole = packets <= self.sent && packets + WITHOUT_DATA >= self.sent;
        ensure!(whole, "{packets} of {} packets: {}", self.sent, self.sentence);
        Ok(())
    }
}

/// Sends the bytes to a reader that waits for them.
fn send(scene: &Scene, v6: bool) -> Result<Told> {
    let (mut client, mut server) = scene.connect(v6)?;
    let plumb = scene.plumb(&["-v"])?.start()?;
    let before = sent(scene.lab.sender())?;
    let reader = thread::spawn(move || -> Result<usize> {
        let (mut read, mut buffer) = (0, vec![0; 1 << 16]);
        while read < bytes() {
            match server.read(&mut buffer)? {
                0 => break,
                some => read += some,
            }
        }
        Ok(read)
    });
    client.write_all(&vec![7; bytes()])?;
    let read = reader.join().expect("a reader")?;
    ensure!(read == bytes(), "{read} bytes came");
    let sent = sent(scene.lab.sender())? - before;
    let finished = plumb.stop()?;
    Ok(Told { records: finished.records()?, sentence: finished.stderr, sent })
}

/// The same with these offloads on and the others off.
fn with(offloads: &[&str], v6: bool, whole: impl Fn(&Told) -> TestResult) -> TestResult {
    let scene = Scene::new()?;
    for host in [scene.lab.sender(), scene.lab.receiver()] {
        let settings = OFFLOADS.map(|name| [name, if offloads.contains(&name) { "on" } else { "off" }]);
        host.tool(&[&["ethtool", "-K", host.interface], settings.as_flattened()].concat())?;
    }
    seen(|| whole(&send(&scene, v6)?)).with_context(|| format!("{offloads:?}, IPv6: {v6}"))
}

#[test]
fn what_a_device_splits_is_one_packet_each_way() -> TestResult {
    for v6 in [false, true] {
        with(&["tso", "gso"], v6, |told| {
            told.all(told.total("tx"))?;
            ensure!(told.total("rx") == told.total("tx"), "{}", told.sentence);
            ensure!(told.records.ledger()?["complete"] == true, "{}", told.sentence);
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn what_gro_merges_is_counted() -> TestResult {
    for (offloads, v6) in [(&["gro"][..], false), (&["gso", "gro"], true)] {
        with(offloads, v6, |told| {
            let (merged, delivered) = (told.ended("merged"), told.ended("delivered"));
            ensure!(merged > delivered && delivered == told.total("rx"), "{}", told.sentence);
            told.all(merged + delivered)?;
            ensure!(told.records.ledger()?["complete"] == true, "{}", told.sentence);
            Ok(())
        })?;
    }
    Ok(())
}

/// The receiver's socket merges what waits for its owner, and frees it unseen.
#[test]
fn many_small_packets_balance() -> TestResult {
    for (offloads, v6) in [(&[][..], true), (&["gso"], false)] {
        with(offloads, v6, |told| {
            ensure!(told.total("rx") > 0, "{}", told.sentence);
            let seen = told.records.account("seen")?;
            ensure!(seen >= told.sent, "{seen} of {} packets: {}", told.sent, told.sentence);
            Ok(())
        })?;
    }
    Ok(())
}
