//! Bulk data over TCP, whose packets are merged and split on their way: each is accounted for.

use crate::scene::{Scene, samples, seen};
use anyhow::{Context, Result, ensure};
use plumb_lab::Host;
use plumb_live::machine::{emulated, hides_pid_1};
use plumb_live::{Records, TestResult, wait_for};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;

/// Packets without data at most that the sender sends meanwhile: its first acknowledgement and what multicast groups say.
const WITHOUT_DATA: u64 = 8;
/// What the sender and the receiver may leave to their devices, which then leave it to the stack.
const OFFLOADS: [&str; 3] = ["tso", "gso", "gro"];

/// One packet in so many may be lost sight of, where others have its address before it is found again.
const LOST_ONE_IN: u64 = 50;
/// Bytes of data in a packet at most that TCP gives to the stack: GSO_MAX_SIZE of a veth.
const LARGEST: u64 = 1 << 16;
/// Bytes of TCP's header with time stamps.
const TCP_HEADER: u64 = 32;

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
fn send(scene: &Scene, v6: bool, args: &[&str]) -> Result<Told> {
    let (mut client, mut server) = scene.connect(v6)?;
    let plumb = scene.plumb(&[&["-v"], args].concat())?.start()?;
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
    run(offloads, v6, &[], whole)
}

fn run(offloads: &[&str], v6: bool, args: &[&str], whole: impl Fn(&Told) -> TestResult) -> TestResult {
    let scene = Scene::new()?;
    for host in [scene.lab.sender(), scene.lab.receiver()] {
        let settings = OFFLOADS.map(|name| [name, if offloads.contains(&name) { "on" } else { "off" }]);
        host.tool(&[&["ethtool", "-K", host.interface], settings.as_flattened()].concat())?;
    }
    seen(|| whole(&send(&scene, v6, args)?)).with_context(|| format!("{offloads:?}, IPv6: {v6}"))
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
            // A full socket drops what comes, which is sent again.
            told.all(merged + delivered + told.ended("dropped"))?;
            ensure!(told.records.ledger()?["complete"] == true, "{}", told.sentence);
            Ok(())
        })?;
    }
    Ok(())
}

/// The sender's stack splits what a device cannot, and the receiver's socket merges what waits for its owner: unseen, both.
#[test]
fn many_small_packets_balance() -> TestResult {
    for (offloads, v6) in [(&[][..], true), (&["gso"], false), (&["gso"], true)] {
        with(offloads, v6, |told| {
            let (sent, lost) = (told.ended("transmitted"), told.ended("lost sight of"));
            ensure!(lost <= told.sent / LOST_ONE_IN, "{}", told.sentence);
            ensure!(told.ended("delivered") == told.total("rx"), "{}", told.sentence);
            // Some of those lost sight of may have been dropped, acknowledgements or sent.
            let received = told.total("rx") + told.ended("merged") + told.ended("dropped");
            ensure!(received <= told.sent, "{} of {}: {}", received, told.sent, told.sentence);
            ensure!(received + lost + WITHOUT_DATA >= told.sent, "{} sent: {}", told.sent, told.sentence);
            // The sender's packets are large: none ends where it is split.
            let large = sent == told.total("tx") && told.ended("consumed") == 0 && 2 * sent < told.sent;
            ensure!(large && (sent + lost) * LARGEST >= bytes() as u64, "{}", told.sentence);
            told.records.check_balance()
        })?;
    }
    Ok(())
}

/// All bytes of data come to the driver, in packets that were split on their way.
#[test]
fn what_the_stack_splits_is_followed_to_the_driver() -> TestResult {
    for v6 in [false, true] {
        let headers = if v6 { 40 } else { 20 } + TCP_HEADER;
        run(&["gso"], v6, &["--events"], |told| {
            let mut data = 0;
            for journey in told.records.of("journey").filter(|journey| journey["direction"] == "tx") {
                let hooks = journey["stages"].as_array().context("stages")?;
                let last = hooks.last().context("a hook")?;
                ensure!(journey["ended"] == "transmitted" && last["name"] == "from_driver", "{journey}");
                data += journey["length_bytes"].as_u64().context("a length")? - headers;
            }
            let (lost, all) = (told.ended("lost sight of"), bytes() as u64);
            ensure!(data + lost * LARGEST >= all, "{data} of {all} bytes: {}", told.sentence);
            told.records.check_balance()
        })?;
    }
    Ok(())
}

/// Runs that end in the middle of it.
const RUNS: usize = 8;

/// The programs at the beginnings of ways go before those at their ends.
#[test]
fn what_begins_during_a_run_is_seen_to_its_end() -> TestResult {
    let scene = Scene::new()?;
    let ledgers: Vec<_> = (0..RUNS).map(|_| interrupted(&scene)).collect::<Result<_>>()?;
    let lossy: Vec<_> = ledgers.iter().filter(|ledger| ledger["lost_kernel"] != 0).collect();
    ensure!(lossy.len() <= usize::from(hides_pid_1()?), "{lossy:#?}");
    Ok(())
}

/// The ledger of a run that is stopped in the middle of a transfer.
fn interrupted(scene: &Scene) -> Result<serde_json::Value> {
    let (mut client, mut server) = scene.connect(false)?;
    let plumb = scene.plumb(&[])?.start()?;
    let end = client.try_clone()?;
    let reader = thread::spawn(move || while server.read(&mut [0; 1 << 16]).is_ok_and(|read| read > 0) {});
    let writer = thread::spawn(move || while client.write_all(&[7; 1 << 16]).is_ok() {});
    let before = sent(scene.lab.sender())?;
    wait_for("packets", || Ok(sent(scene.lab.sender())? > before + 1000))?;
    let finished = plumb.stop();
    end.shutdown(Shutdown::Both)?;
    writer.join().expect("no panic");
    reader.join().expect("no panic");
    let records = finished?.records()?;
    ensure!(records.account("aggregated")? > 0, "{}", records.ledger()?);
    Ok(records.ledger()?.clone())
}
