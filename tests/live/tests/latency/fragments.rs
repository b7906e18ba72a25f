//! Datagrams that are larger than the link's packets.

use crate::scene::{Scene, samples, seen};
use anyhow::{Context, ensure};
use plumb_live::TestResult;
use std::net::UdpSocket;
use std::time::Duration;

/// Three fragments of 1,500 bytes at most.
const LARGE: usize = 4000;
const FRAGMENTS: u64 = 3;
const TIMES: u64 = 50;

#[test]
fn a_datagram_in_fragments_is_one_journey_each_way() -> TestResult {
    let scene = Scene::new()?;
    for v6 in [false, true] {
        seen(|| fragments(&scene, v6)).with_context(|| format!("IPv6: {v6}"))?;
    }
    Ok(())
}

fn fragments(scene: &Scene, v6: bool) -> TestResult {
    let at = scene.address(v6);
    let from = if v6 { "[::]:0" } else { "0.0.0.0:0" };
    let client = scene.lab.sender().run(|| Ok(UdpSocket::bind(from).expect("a port")))?;
    let server = scene.lab.receiver().run(|| Ok(UdpSocket::bind(at).expect("a port")))?;
    server.set_read_timeout(Some(Duration::from_secs(20)))?;
    let plumb = scene.plumb(&["-v"])?.start()?;
    for _ in 0..TIMES {
        client.send_to(&[7; LARGE], at)?;
        let read = server.recv(&mut [0; 2 * LARGE])?;
        ensure!(read == LARGE, "{read} bytes");
    }
    let finished = plumb.stop()?;
    let records = finished.records()?;
    for direction in ["tx", "rx"] {
        let came = samples(&records, direction, "total", "total");
        ensure!(came == TIMES, "{came} of {TIMES} {direction}: {} {records:#?}", finished.stderr);
    }
    ensure!(records.account("aggregated")? == 2 * TIMES, "{}", finished.stderr);
    // Later fragments have no ports.
    let filtered = records.account("filtered")?;
    ensure!(filtered >= 2 * TIMES * (FRAGMENTS - 1), "{filtered}: {}", finished.stderr);
    ensure!(records.ledger()?["complete"] == true, "{}", finished.stderr);
    Ok(())
}
