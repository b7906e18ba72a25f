//! One record per packet, with its whole way.

use crate::scene::{MESSAGE, Over, Scene, seen};
use anyhow::{Context, Result, ensure};
use plumb_live::{Records, TestResult};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::Duration;

const TIMES: usize = 30;

/// Names and times of a journey's hooks.
pub(crate) fn stages(journey: &Value) -> Result<Vec<(&str, u64)>> {
    let stages = journey["stages"].as_array().context("a list of stages")?;
    stages
        .iter()
        .map(|stage| Some((stage["name"].as_str()?, stage["at_ns"].as_u64()?)))
        .collect::<Option<_>>()
        .context("a name and a time")
}

/// Time does not run backwards, and the last hook is when the way ended.
pub(crate) fn in_order(records: &Records) -> TestResult {
    for journey in records.of("journey") {
        let stages = stages(journey)?;
        ensure!(stages.is_sorted_by_key(|(_, at)| *at), "{journey}");
        ensure!(stages[0].1 == 0, "{journey}");
        ensure!(journey["total_ns"].as_u64() == stages.last().map(|(_, at)| *at), "{journey}");
    }
    Ok(())
}

#[test]
fn every_packet_has_its_way() -> TestResult {
    let scene = Scene::new()?;
    for over in [Over::Tcp, Over::Udp] {
        seen(|| {
            let plumb = scene.plumb(&["--events"])?.start()?;
            scene.exchange(over, false, TIMES, Duration::ZERO)?;
            let records = plumb.stop()?.records()?;
            in_order(&records)?;
            let ids: BTreeSet<u64> =
                records.of("journey").filter_map(|journey| journey["packet_id"].as_u64()).collect();
            ensure!(ids.len() == 4 * TIMES, "{} packets: {}", ids.len(), records.ledger()?);
            for (ended, first, last) in
                [("delivered", "driver", "copied"), ("transmitted", "queue", "from_driver")]
            {
                let ways: Vec<&Value> =
                    records.of("journey").filter(|journey| journey["ended"] == ended).collect();
                ensure!(ways.len() == 2 * TIMES, "{} {ended}: {}", ways.len(), records.ledger()?);
                for way in ways {
                    let stages = stages(way)?;
                    let whole = stages.iter().any(|(name, _)| *name == first)
                        && stages.last().is_some_and(|(name, _)| *name == last);
                    ensure!(whole, "{way}");
                }
            }
            ensure!(records.ledger()?["complete"] == true, "{}", records.ledger()?);
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn only_slow_packets_are_written() -> TestResult {
    let scene = Scene::new()?;
    let wait = Duration::from_millis(50);
    seen(|| {
        let plumb = scene.plumb(&["--events", "--slower-than", "40ms"])?.start()?;
        scene.exchange(Over::Udp, false, 5, wait)?;
        let records = plumb.stop()?.records()?;
        in_order(&records)?;
        let slow: Vec<&Value> = records.of("journey").collect();
        ensure!(slow.len() >= 5, "{} of 5: {}", slow.len(), records.ledger()?);
        for journey in slow {
            ensure!(journey["total_ns"].as_u64() >= Some(40_000_000), "{journey}");
        }
        Ok(())
    })
}

#[test]
fn a_dropped_packet_says_why() -> TestResult {
    let scene = Scene::new()?;
    seen(|| {
        let socket = scene.lab.sender().run(|| Ok(UdpSocket::bind("0.0.0.0:0").expect("a port")))?;
        let at = scene.address(false);
        let plumb = scene.plumb(&["--events", "--dport", "7007"])?.start()?;
        for _ in 0..TIMES {
            // Nobody listens: the answer to an earlier datagram is the error of a later one.
            let _ = socket.send_to(&[7; MESSAGE], at);
        }
        let records = plumb.stop()?.records()?;
        let dropped = records.of("journey").filter(|way| way["ended"] == "dropped");
        let reasons: Vec<&Value> = dropped.map(|way| &way["reason"]).collect();
        ensure!(reasons.len() >= TIMES / 2, "{} of {TIMES}: {}", reasons.len(), records.ledger()?);
        ensure!(reasons.iter().all(|reason| **reason == "NO_SOCKET"), "{reasons:?}");
        let sent = records.of("journey").filter(|way| way["ended"] == "transmitted").count();
        ensure!(sent == reasons.len(), "{sent} sent: {}", records.ledger()?);
        Ok(())
    })
}
