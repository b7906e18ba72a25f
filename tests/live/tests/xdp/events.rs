//! One record per packet, by both transports, and the account of what they lose.

use crate::scene::{Scene, complete, on, wait_for_packets};
use anyhow::ensure;
use plumb_live::machine::emulated;
use plumb_live::{PACKETS, TestResult};
use serde_json::Value;

const TRANSPORTS: [&str; 2] = ["ring", "perf"];
const LENGTH: usize = 77;

#[test]
fn every_packet_is_a_record() -> TestResult {
    let scene = Scene::new()?;
    for transport in TRANSPORTS {
        for wakeup in ["adaptive", "busy", "interval"] {
            let args =
                ["--action", "drop", "--events", "--time", "--transport", transport, "--wakeup", wakeup];
            let plumb = on(scene.receiver(), &args)?.start()?;
            scene.send(LENGTH, PACKETS)?;
            wait_for_packets(&plumb, PACKETS)?;
            let records = complete(&plumb.stop()?)?;
            let right = |packet: &&Value| {
                packet["action"] == "DROP"
                    && packet["length_bytes"] == LENGTH
                    && packet["interface"] == scene.receiver().interface
                    && packet["netns"] == scene.receiver().netns.inode()
                    && packet["processing_ns"].as_u64().is_some_and(|time| time > 0)
            };
            let packets = records.of("xdp_packet").filter(right).count() as u64;
            ensure!(packets == PACKETS, "{transport}, {wakeup}: {packets}: {records:#?}");
            let times: Vec<&str> =
                records.of("xdp_packet").filter_map(|packet| packet["time"].as_str()).collect();
            ensure!(times.is_sorted() || transport == "perf", "{times:?}");
        }
    }
    Ok(())
}

#[test]
fn without_time_it_is_unknown() -> TestResult {
    let scene = Scene::new()?;
    let plumb = on(scene.receiver(), &["--action", "pass", "--events", "--count", "3"])?.start()?;
    scene.send(LENGTH, PACKETS)?;
    let finished = plumb.wait()?;
    let records = finished.records()?;
    ensure!(records.of("xdp_packet").count() == 3, "{records:#?}");
    ensure!(records.of("xdp_packet").all(|packet| packet["processing_ns"].is_null()), "{records:#?}");
    Ok(())
}

/// Room for few events and a reader that looks seldom: what comes and what is lost is what was sent.
#[test]
fn what_a_small_buffer_loses_is_counted() -> TestResult {
    let packets = if emulated() { 20_000 } else { 500_000 };
    let scene = Scene::new()?;
    for transport in TRANSPORTS {
        let args = ["--action", "drop", "--events", "--transport", transport];
        let plumb =
            on(scene.receiver(), &[&args[..], &["--ring-size", "4096", "--wakeup", "interval"]].concat())?
                .start()?;
        scene.send(LENGTH, packets)?;
        let finished = plumb.stop()?;
        let records = finished.records()?;
        let (emitted, lost) = (records.account("emitted")?, records.account("lost_kernel")?);
        ensure!(
            emitted + lost == packets,
            "{transport}: {emitted} and {lost} of {packets}: {}",
            records.ledger()?
        );
        ensure!(lost > 0 && emitted > 0, "{transport}: {}", records.ledger()?);
        ensure!(records.ledger()?["complete"] == false, "{}", records.ledger()?);
    }
    Ok(())
}

#[test]
fn csv_has_packets_only() -> TestResult {
    let scene = Scene::new()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("packets.csv");
    let args = ["--action", "drop", "--events", "--count", "5", "-o", file.to_str().unwrap_or_default()];
    let plumb = on(scene.receiver(), &args)?.start()?;
    scene.send(LENGTH, PACKETS)?;
    plumb.wait()?;
    let text = std::fs::read_to_string(&file)?;
    let lines: Vec<&str> = text.lines().collect();
    ensure!(lines.len() == 6 && lines[0].starts_with("time,interface,netns,action,"), "{text}");
    ensure!(lines[1..].iter().all(|line| line.contains(",DROP,")), "{text}");
    Ok(())
}
