//! Interrupts, softirqs and NAPI polls beside the stages.

use crate::scene::{Over, PORT, Scene, seen};
use anyhow::{Context, Result, ensure};
use plumb_kernel::session::Storage;
use plumb_kernel::traffic::accept;
use plumb_live::{Plumb, Records, TestResult, wait_for};
use serde_json::Value;
use std::time::Duration;

const EXCHANGES: usize = 200;
/// Frames of a burst, and what one poll of a device takes at most (NAPI_POLL_WEIGHT of include/linux/netdevice.h).
const BURST: u64 = 5_000;
const WEIGHT: u64 = 64;

fn of<'a>(records: &'a Records, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    records.of("irq").filter(move |record| record["kind"] == kind)
}

/// How often a vector's softirq was timed; 0 where there is no record.
fn times(records: &Records, kind: &str, vector: &str) -> u64 {
    of(records, kind)
        .find(|record| record["name"] == vector)
        .and_then(|record| record["samples"].as_u64())
        .unwrap_or(0)
}

/// A number of all NAPI instances of a device.
fn polled(records: &Records, device: &str, number: &str) -> u64 {
    of(records, "napi").filter(|napi| napi["name"] == device).filter_map(|napi| napi[number].as_u64()).sum()
}

/// What is measured has its order, and no softirq waited that did not run.
fn consistent(records: &Records) -> TestResult {
    for record in records.of("irq").filter(|record| record["kind"] != "napi") {
        let ns = |name: &str| record[name].as_u64().with_context(|| format!("no {name} in {record}"));
        ensure!(ns("p50_ns")? <= ns("p99_ns")? && ns("mean_ns")? <= ns("max_ns")?, "{record}");
        // A percentile is the middle of its bucket.
        ensure!(ns("p999_ns")? <= ns("max_ns")? + ns("max_ns")? / 30, "{record}");
        ensure!(record["name"].is_string() && record["polls"].is_null(), "{record}");
    }
    for wait in of(records, "softirq_wait") {
        let vector = wait["name"].as_str().context("a name")?;
        let (waits, runs) = (times(records, "softirq_wait", vector), times(records, "softirq", vector));
        ensure!(waits <= runs, "{waits} of {runs} {vector} waited: {records:#?}");
    }
    for napi in of(records, "napi") {
        let number = |name: &str| napi[name].as_u64().with_context(|| format!("no {name} in {napi}"));
        ensure!(number("exhausted")? <= number("polls")? && napi["samples"].is_null(), "{napi}");
    }
    Ok(())
}

/// One thread sends a packet after the one before was read, so that no two are in one softirq.
#[test]
fn each_packet_through_the_backlog_is_counted() -> TestResult {
    let scene = Scene::new()?;
    seen(|| {
        let plumb = scene.plumb(&["--irq"])?.start()?;
        scene.exchange(Over::Udp, false, EXCHANGES, Duration::ZERO)?;
        let records = plumb.stop()?.records()?;
        consistent(&records)?;
        let sent = 2 * EXCHANGES as u64;
        let (runs, waits) = (times(&records, "softirq", "NET_RX"), times(&records, "softirq_wait", "NET_RX"));
        ensure!(runs >= sent && waits >= sent, "{runs} softirqs, {waits} waited, of {sent}: {records:#?}");
        let packets = polled(&records, "backlog", "packets");
        ensure!(packets >= sent, "{packets} of {sent} packets: {records:#?}");
        ensure!(times(&records, "softirq", "TIMER") > 0, "no timer: {records:#?}");
        Ok(())
    })
}

/// Live frames come to the receiver's device many at a time: its polls use their budgets up, and hold as many packets as
/// its statistics.
#[test]
fn a_busy_device_uses_its_budget_up() -> TestResult {
    let scene = Scene::new()?;
    let (sender, receiver) = (scene.lab.sender(), scene.lab.receiver());
    let mut storage = Storage::new();
    let _accepting = receiver.run(|| Ok(accept(&mut storage, receiver.ifindex)?))?;
    seen(|| {
        let plumb = scene.plumb(&["--irq"])?.start()?;
        let before = received(&scene)?;
        let (burst, to) = (BURST.to_string(), receiver.v4.to_string());
        let sent = Plumb::new(&[
            "traffic",
            "-i",
            sender.interface,
            "--netns",
            sender.netns.name(),
            "--transport",
            "live",
            "--dst",
            &to,
            "--count",
            &burst,
            "--rate",
            "max",
            "--format",
            "json",
        ])?;
        sent.finish()?.records()?;
        wait_for("the frames", || Ok(received(&scene)? >= before + BURST / 2))?;
        let came = received(&scene)? - before;
        let records = plumb.stop()?.records()?;
        consistent(&records)?;
        let of = |number| polled(&records, receiver.interface, number);
        let (packets, polls, exhausted) = (of("packets"), of("polls"), of("exhausted"));
        ensure!(packets >= came, "{packets} of {came} packets: {records:#?}");
        ensure!(packets <= polls * WEIGHT && exhausted * WEIGHT <= packets, "{records:#?}");
        ensure!(exhausted > 0, "no budget used up in {polls} polls of {packets}: {records:#?}");
        Ok(())
    })
}

/// Packets that the receiver's interface has received.
fn received(scene: &Scene) -> Result<u64> {
    let receiver = scene.lab.receiver();
    let text = receiver.run(|| {
        std::fs::read_to_string("/proc/thread-self/net/dev").map_err(plumb_lab::Error::io("/proc/net/dev"))
    })?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix(receiver.interface)?.strip_prefix(':'));
    let packets = line.context("the interface")?.split_whitespace().nth(1).context("packets")?;
    Ok(packets.parse()?)
}

#[test]
fn only_asked_for_it_is_there() -> TestResult {
    let scene = Scene::new()?;
    let records = scene.plumb(&["--for", "100ms"])?.finish()?.records()?;
    ensure!(records.of("irq").count() + records.of("irq_ledger").count() == 0, "{records:#?}");
    let session = records.of("session").next().context("a session")?;
    let hooks = ["irq_handler_entry", "softirq_raise", "softirq_entry", "napi_poll"];
    ensure!(hooks.iter().all(|hook| session["mechanisms"][hook].is_null()), "{session}");
    // Of packets alone, polls are not asked for.
    let records = scene.plumb(&["--irq", "--events", "--for", "100ms"])?.finish()?.records()?;
    let session = records.of("session").next().context("a session")?;
    ensure!(session["mechanisms"]["napi_poll"].is_null(), "{session}");
    ensure!(session["mechanisms"]["softirq_raise"] == "tp_btf", "{session}");
    ensure!(records.of("irq").count() == 0, "{records:#?}");
    let records = scene.plumb(&["--irq", "--for", "100ms"])?.finish()?.records()?;
    let session = records.of("session").next().context("a session")?;
    for hook in ["irq_handler_entry", "irq_handler_exit", "softirq_raise", "softirq_exit", "napi_poll"] {
        ensure!(session["mechanisms"][hook] == "tp_btf", "{session}");
    }
    let ledger = records.of("irq_ledger").next().context("what is missing")?;
    let counts =
        ["unmatched", "lost_irqs", "lost_polls", "lost_vectors", "skipped"].map(|name| &ledger[name]);
    ensure!(counts.iter().all(|count| count.is_u64()), "{ledger}");
    ensure!(ledger["complete"] == counts.iter().all(|count| **count == 0), "{ledger}");
    Ok(())
}

/// What was asked for is all there, though the stages' records have no place in it.
#[test]
fn a_file_of_one_kind_has_interrupts() -> TestResult {
    let scene = Scene::new()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("irqs.csv");
    seen(|| {
        let (port, path) = (PORT.to_string(), file.to_str().context("a path")?);
        let words = ["latency", "--irq", "--port", &port, "--mechanism", "tp_btf", "--strict", "-o", path];
        let plumb = Plumb::new(&words)?.start()?;
        scene.exchange(Over::Udp, false, EXCHANGES, Duration::ZERO)?;
        let finished = plumb.stop()?;
        ensure!(finished.status.success(), "{}: {}", finished.status, finished.stderr);
        let text = std::fs::read_to_string(&file)?;
        let heads = text.lines().next().context("a header line")?;
        ensure!(heads.split(',').any(|name| name == "kind") && text.contains("NET_RX"), "{text}");
        Ok(())
    })
}
