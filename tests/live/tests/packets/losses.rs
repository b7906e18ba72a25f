//! What is not written is counted.

use crate::scene::{complete, hooks, on};
use anyhow::ensure;
use plumb_live::TestResult;
use plumb_live::machine::emulated;
use plumb_live::silent::Scene;

/// A ring for few records and a reader that looks seldom: what comes and what is lost is what was sent.
#[test]
fn what_a_small_ring_loses_is_counted() -> TestResult {
    let packets = if emulated() { 20_000 } else { 300_000 };
    let scene = Scene::new()?;
    for (args, _) in hooks()? {
        let more = ["--direction", "ingress", "--ring-size", "4096", "--wakeup", "interval"];
        let plumb = on(scene.receiver(), &[args, &more].concat())?.start()?;
        scene.send(100, packets)?;
        let records = plumb.stop()?.records()?;
        let (emitted, lost) = (records.account("emitted")?, records.account("lost_kernel")?);
        ensure!(emitted + lost == packets, "{args:?}: {emitted} and {lost} of {packets}");
        ensure!(lost > 0 && emitted > 0, "{args:?}: {}", records.ledger()?);
        ensure!(records.ledger()?["complete"] == false, "{}", records.ledger()?);
    }
    Ok(())
}

#[test]
fn filters_and_samples_are_counted() -> TestResult {
    const PACKETS: u64 = 2000;
    let scene = Scene::new()?;
    let plumb = on(scene.receiver(), &["--direction", "ingress", "--port", "9"])?.start()?;
    scene.send(100, PACKETS)?;
    let records = complete(&plumb.stop()?)?;
    ensure!(records.account("filtered")? == PACKETS, "{}", records.ledger()?);
    let plumb = on(scene.receiver(), &["--direction", "ingress", "--sample", "4"])?.start()?;
    scene.send(100, PACKETS)?;
    let records = plumb.stop()?.records()?;
    let (out, kept) = (records.account("sampled_out")?, records.account("emitted")?);
    // A binomial share of a quarter: seven deviations of 19.4 to either side.
    ensure!(out + kept == PACKETS && kept.abs_diff(PACKETS / 4) < 140, "{kept} kept and {out} not");
    Ok(())
}

#[test]
fn count_ends_a_run() -> TestResult {
    let scene = Scene::new()?;
    let plumb = on(scene.receiver(), &["--direction", "ingress", "--count", "3"])?.start()?;
    scene.send(100, 50)?;
    let records = plumb.wait()?.records()?;
    ensure!(records.of("packet").count() == 3, "{records:#?}");
    Ok(())
}
