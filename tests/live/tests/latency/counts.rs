//! Every packet with data is followed once each way, and accounted for.

use crate::scene::{Over, Scene, samples, seen};
use anyhow::{Context, ensure};
use plumb_live::{Records, TestResult};
use std::time::Duration;

const EXCHANGES: usize = 200;

/// N exchanges are 2 N packets sent and 2 N received, and nothing else has data.
fn complete(records: &Records) -> TestResult {
    let expected = 2 * EXCHANGES as u64;
    for direction in ["rx", "tx"] {
        let came = samples(records, direction, "total", "total");
        ensure!(came == expected, "{came} of {expected} {direction}: {records:#?}");
    }
    let ledger = records.ledger()?;
    ensure!(records.account("aggregated")? == 2 * expected && ledger["complete"] == true, "{ledger}");
    Ok(())
}

#[test]
fn exchanges_are_followed_both_ways() -> TestResult {
    let scene = Scene::new()?;
    for over in [Over::Tcp, Over::Udp] {
        for v6 in [false, true] {
            let followed = seen(|| {
                let plumb = scene.plumb(&[])?.start()?;
                scene.exchange(over, v6, EXCHANGES, Duration::ZERO)?;
                complete(&plumb.stop()?.records()?)
            });
            followed.with_context(|| format!("{over:?}, IPv6: {v6}"))?;
        }
    }
    Ok(())
}

#[test]
fn a_sample_leaves_the_rest_out() -> TestResult {
    let scene = Scene::new()?;
    let plumb = scene.plumb(&["--sample", "4"])?.start()?;
    scene.exchange(Over::Udp, false, EXCHANGES, Duration::ZERO)?;
    let records = plumb.stop()?.records()?;
    let all = 4 * EXCHANGES as u64;
    let (out, kept) = (records.account("sampled_out")?, records.account("aggregated")?);
    ensure!(out > all / 2 && kept > all / 8, "{}", records.ledger()?);
    let told = samples(&records, "rx", "total", "total") + samples(&records, "tx", "total", "total");
    ensure!(told == kept, "{told} of {kept} are in stages: {}", records.ledger()?);
    Ok(())
}
