//! Interrupts and softirqs joined to the packets that they delivered.

use crate::delays::{near, nowhere_else};
use crate::journeys::{in_order, stages};
use crate::scene::{Over, Scene, samples, seen, stage};
use anyhow::{Context, Result, ensure};
use plumb_kernel::session::Storage;
use plumb_kernel::traffic::accept;
use plumb_live::{Object, Records, TestResult};
use std::time::Duration;

const TIMES: usize = 30;
/// `BUSY_NS` of busy.bpf.c.
const BUSY: Duration = Duration::from_millis(1);

/// The hooks of each received packet, up to where the stack begins with it.
fn beginnings(records: &Records) -> Result<Vec<Vec<&str>>> {
    let received = records.of("journey").filter(|journey| journey["direction"] == "rx");
    let beginning = received.map(|journey| {
        let names: Vec<&str> = stages(journey)?.into_iter().map(|(name, _)| name).collect();
        let receive = names.iter().position(|name| *name == "receive").context("no receive")?;
        Ok(names[..=receive].to_vec())
    });
    beginning.collect()
}

/// Every packet of so many exchanges, all of them begun alike.
fn all_begin(records: &Records, expected: &[&str]) -> TestResult {
    in_order(records)?;
    let begun = beginnings(records)?;
    ensure!(begun.len() == 2 * TIMES, "{} received: {}", begun.len(), records.ledger()?);
    let other = begun.iter().find(|hooks| hooks.as_slice() != expected);
    ensure!(other.is_none(), "{other:?}, not {expected:?}");
    Ok(())
}

/// A veth without NAPI hands packets to the backlog of the CPU where they are sent, and that raises its softirq.
#[test]
fn what_waits_in_the_backlog_waits_for_its_softirq() -> TestResult {
    let scene = Scene::new()?;
    for over in [Over::Udp, Over::Tcp] {
        seen(|| {
            let plumb = scene.plumb(&["--events", "--irq"])?.start()?;
            scene.exchange(over, false, TIMES, Duration::ZERO)?;
            let records = plumb.stop()?.records()?;
            all_begin(&records, &["driver", "raised", "softirq", "receive"])?;
            let ledger = records.of("irq_ledger").next().context("an account of interrupts")?;
            ensure!(ledger["skipped"] == 0, "{ledger}");
            ensure!(records.of("irq").count() == 0, "{records:#?}");
            Ok(())
        })?;
    }
    Ok(())
}

/// A veth with NAPI is polled in a softirq, and hands packets over there.
#[test]
fn what_is_polled_comes_after_its_softirq() -> TestResult {
    let scene = Scene::new()?;
    let (sender, receiver) = (scene.lab.sender(), scene.lab.receiver());
    let (mut one, mut other) = (Storage::new(), Storage::new());
    let _sender = sender.run(|| Ok(accept(&mut one, sender.ifindex)?))?;
    let _receiver = receiver.run(|| Ok(accept(&mut other, receiver.ifindex)?))?;
    for over in [Over::Udp, Over::Tcp] {
        seen(|| {
            let plumb = scene.plumb(&["--events", "--irq"])?.start()?;
            scene.exchange(over, true, TIMES, Duration::ZERO)?;
            all_begin(&plumb.stop()?.records()?, &["raised", "softirq", "driver", "receive"])
        })?;
        seen(|| {
            let plumb = scene.plumb(&["--events"])?.start()?;
            scene.exchange(over, true, TIMES, Duration::ZERO)?;
            all_begin(&plumb.stop()?.records()?, &["driver", "receive"])
        })?;
    }
    Ok(())
}

/// Requests wait for that long between these two hooks, and nowhere else.
fn waits(scene: &Scene, from: &str, to: &str) -> TestResult {
    let plumb = scene.plumb(&["--irq", "--dport", "7007"])?.start()?;
    scene.exchange(Over::Udp, false, TIMES, Duration::ZERO)?;
    let records = plumb.stop()?.records()?;
    let waited = stage(&records, "rx", from, to)?;
    ensure!(samples(&records, "rx", from, to) == TIMES as u64, "{waited}");
    let median = Duration::from_nanos(waited["p50_ns"].as_u64().context("a median")?);
    ensure!(near(median, BUSY), "{waited}, not {BUSY:?}");
    nowhere_else(&records, "rx", from, to, BUSY)?;
    nowhere_else(&records, "tx", "", "", BUSY)
}

#[test]
fn a_busy_softirq_is_a_wait_before_the_driver() -> TestResult {
    let (scene, object) = (Scene::new()?, Object::compile("tests/latency/busy.bpf.c")?);
    let receiver = scene.lab.receiver();
    receiver.ip(&[&format!("link set dev {} xdpdrv obj {} sec xdp", receiver.interface, object.path())])?;
    seen(|| waits(&scene, "softirq", "driver"))
}

#[test]
fn a_softirq_that_is_kept_off_is_a_wait_since_it_was_raised() -> TestResult {
    let (scene, object) = (Scene::new()?, Object::compile("tests/latency/busy.bpf.c")?);
    let sender = scene.lab.sender();
    let device = sender.interface;
    sender.tc(&[
        &format!("qdisc add dev {device} clsact"),
        &format!("filter add dev {device} egress bpf da obj {} sec tc", object.path()),
    ])?;
    seen(|| waits(&scene, "raised", "softirq"))
}
