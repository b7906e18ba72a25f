//! Timeouts cut live flows with their reasons, and no packet is lost or in two records.

use crate::scene::{complete, on, packets};
use anyhow::{Context, Result, ensure};
use plumb_live::silent::Scene;
use plumb_live::{Records, TestResult, wait_for};
use serde_json::Value;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Records of the one flow, by segment, with a sum that is checked.
fn segments(records: &Records, sent: u64) -> Result<Vec<Value>> {
    ensure!(packets(records) == sent, "{} of {sent} packets: {}", packets(records), records.ledger()?);
    ensure!(records.account("seen")? == sent && records.account("aggregated")? == sent);
    let mut flows: Vec<Value> = records.of("flow").cloned().collect();
    flows.sort_by_key(|flow| flow["time"].as_str().unwrap_or_default().to_owned());
    Ok(flows)
}

#[test]
fn an_active_flow_is_cut_and_keeps_every_packet() -> TestResult {
    let scene = Scene::new()?;
    let times = ["--active", "400ms", "--idle", "20s", "--direction", "ingress"];
    let plumb = on(scene.receiver(), &times)?.start()?;
    let (begun, mut sent) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_millis(1500) {
        scene.send(100, 5)?;
        sent += 5;
        sleep(Duration::from_millis(5));
    }
    let records = complete(&plumb.stop()?)?;
    let flows = segments(&records, sent)?;
    ensure!((3..=4).contains(&flows.len()), "{} segments", flows.len());
    let (last, cut) = flows.split_last().context("no flow")?;
    ensure!(last["end_reason"] == 4 && last["final"] == true, "{last}");
    for (number, flow) in cut.iter().enumerate() {
        ensure!(flow["end_reason"] == 2 && flow["final"] == false && flow["segment"] == number, "{flow}");
        // It is cut at the first packet behind 400 ms.
        ensure!(flow["duration_us"].as_u64() <= Some(400_000), "{flow}");
    }
    ensure!(last["segment"] == cut.len(), "{last}");
    let same = |name: &str| flows.iter().all(|flow| flow[name] == flows[0][name]);
    ensure!(same("src_ip") && same("src_port") && same("community_id"), "{flows:#?}");
    Ok(())
}

#[test]
fn a_silent_flow_ends_and_its_next_packet_begins_another() -> TestResult {
    let scene = Scene::new()?;
    let times = ["--idle", "300ms", "--active", "20s", "--direction", "ingress"];
    let plumb = on(scene.receiver(), &times)?.start()?;
    for count in [3, 4] {
        scene.send(100, count)?;
        let before = Records::parse(&plumb.lines_since(0)?)?.of("flow").count();
        wait_for("the flow to end", || {
            Ok(Records::parse(&plumb.lines_since(0)?)?.of("flow").count() > before)
        })?;
    }
    scene.send(100, 5)?;
    let records = complete(&plumb.stop()?)?;
    let flows = segments(&records, 12)?;
    let told: Vec<_> =
        flows.iter().map(|flow| (flow["packets"].as_u64(), flow["end_reason"].as_u64())).collect();
    ensure!(told == [(Some(3), Some(1)), (Some(4), Some(1)), (Some(5), Some(4))], "{told:?}");
    ensure!(flows.iter().all(|flow| flow["segment"] == 0 && flow["final"] == true), "{flows:#?}");
    Ok(())
}

/// XDP sees what comes, TC both ways: records say which of them counted.
#[test]
fn records_say_which_hooks_counted() -> TestResult {
    let scene = Scene::new()?;
    for (arguments, hooks) in [
        (&["--hook", "xdp", "--mode", "generic"][..], 1),
        (&["--hook", "tc", "--direction", "ingress"], 2),
        (&["--hook", "tc", "--direction", "both"], 2),
    ] {
        let plumb = on(scene.receiver(), arguments)?.start()?;
        scene.send(100, 7)?;
        let records = complete(&plumb.stop()?)?;
        let ours = records.of("flow").find(|flow| flow["dst_port"] == 40_001).context("no flow")?;
        ensure!(ours["hooks"] == hooks && ours["packets"] == 7, "{arguments:?}: {ours}");
    }
    Ok(())
}
