//! Packets and bytes of each action, exactly, natively and in the stack, by action and by CPU.

use crate::scene::{Scene, complete, on, sum, wait_for_packets};
use anyhow::{Context, Result, ensure};
use plumb_live::machine::emulated;
use plumb_live::{PACKETS, Records, TestResult};
use serde_json::Value;

/// Frames and their lengths: the smallest, one in between, the largest.
const LENGTHS: [usize; 3] = [60, 333, 1514];
const INTERVAL: [&str; 2] = ["--interval", "20ms"];

/// Runs one action while frames of every length come; its records.
fn count(scene: &Scene, args: &[&str]) -> Result<Records> {
    let plumb = on(scene.receiver(), &[args, &INTERVAL].concat())?.start()?;
    for length in LENGTHS {
        scene.send(length, PACKETS)?;
    }
    wait_for_packets(&plumb, PACKETS * LENGTHS.len() as u64)?;
    complete(&plumb.stop()?)
}

fn bytes() -> u64 {
    LENGTHS.iter().map(|length| *length as u64 * PACKETS).sum()
}

/// All packets have this action, and their number and bytes are right.
fn all_are(records: &Records, action: &str, mode: &str) -> TestResult {
    let wanted = |record: &Value| record["action"] == action && record["mode"] == mode;
    let (packets, size) =
        (sum(records, "xdp_action", "packets", wanted), sum(records, "xdp_action", "bytes", wanted));
    let expected = (PACKETS * LENGTHS.len() as u64, bytes());
    ensure!(
        (packets, size) == expected,
        "{packets} packets and {size} bytes, not {expected:?}: {records:#?}"
    );
    ensure!(records.account("seen")? == expected.0, "{}", records.ledger()?);
    Ok(())
}

#[test]
fn every_action_is_counted_exactly_in_both_modes() -> TestResult {
    let scene = Scene::new()?;
    for mode in ["native", "generic"] {
        for (action, name) in [("pass", "PASS"), ("drop", "DROP"), ("abort", "ABORTED"), ("tx", "TX")] {
            let records = count(&scene, &["--action", action, "--mode", mode])
                .with_context(|| format!("{action}, {mode}"))?;
            all_are(&records, name, mode).with_context(|| format!("{action} in {mode} mode"))?;
        }
    }
    Ok(())
}

#[test]
fn cpus_add_up_and_times_have_as_many_packets() -> TestResult {
    let scene = Scene::new()?;
    let records = count(&scene, &["--action", "pass", "--by", "cpu", "--time"])?;
    all_are(&records, "PASS", "native")?;
    for record in records.of("xdp_action") {
        ensure!(record["cpu"].is_u64(), "{record}");
        let time = |name: &str| record[name].as_u64().with_context(|| format!("{name} in {record}"));
        let order = [time("p50_ns")?, time("p90_ns")?, time("p99_ns")?, time("p999_ns")?, time("max_ns")?];
        ensure!(order.is_sorted(), "{record}");
        ensure!(time("mean_ns")? <= time("max_ns")? && time("clock_cost_ns")? > 0, "{record}");
    }
    Ok(())
}

#[test]
fn what_passes_arrives_and_what_is_dropped_does_not() -> TestResult {
    let scene = Scene::new()?;
    for (action, arrives) in [("pass", PACKETS), ("drop", 0)] {
        let before = scene.receiver().nstat("UdpNoPorts")?;
        let plumb = on(scene.receiver(), &[&["--action", action], &INTERVAL[..]].concat())?.start()?;
        scene.send(LENGTHS[0], PACKETS)?;
        wait_for_packets(&plumb, PACKETS)?;
        complete(&plumb.stop()?)?;
        let came = scene.receiver().nstat("UdpNoPorts")? - before;
        ensure!(came == arrives, "{action}: {came} arrived");
    }
    Ok(())
}

#[test]
fn an_abort_is_an_exception() -> TestResult {
    let scene = Scene::new()?;
    for (action, exceptions) in [("abort", PACKETS * LENGTHS.len() as u64), ("drop", 0)] {
        let records = count(&scene, &["--action", action])?;
        let ours = |record: &Value| {
            record["kind"] == "exception"
                && record["cause"] == "ABORTED"
                && record["interface"] == scene.receiver().interface
                && record["netns"] == scene.receiver().netns.inode()
        };
        let told = sum(&records, "xdp_fault", "packets", ours);
        ensure!(told == exceptions, "{action}: {told} exceptions: {records:#?}");
    }
    Ok(())
}

/// The sender's own program counts what comes back. It also makes the sender take frames that XDP sends.
#[test]
fn tx_comes_back() -> TestResult {
    let scene = Scene::new()?;
    for mode in ["native", "generic"] {
        let back = on(scene.sender(), &["--action", "drop", "--interval", "20ms"])?.start()?;
        let records = count(&scene, &["--action", "tx", "--mode", mode]).with_context(|| mode.to_owned())?;
        all_are(&records, "TX", mode)?;
        wait_for_packets(&back, PACKETS * LENGTHS.len() as u64)?;
        all_are(&complete(&back.stop()?)?, "DROP", "native").with_context(|| format!("back, {mode}"))?;
    }
    Ok(())
}

/// Six standard deviations: a right generator fails once in half a billion runs.
#[test]
fn drops_at_random_follow_the_binomial_distribution() -> TestResult {
    let packets = if emulated() { 20_000 } else { 1_000_000 };
    let scene = Scene::new()?;
    for percent in [50.0, 2.5] {
        let args = ["--action", "pass", "--drop-percent", &percent.to_string(), "--interval", "50ms"];
        let plumb = on(scene.receiver(), &args)?.start()?;
        scene.send(60, packets)?;
        wait_for_packets(&plumb, packets)?;
        let records = complete(&plumb.stop()?)?;
        let of = |action: &str| sum(&records, "xdp_action", "packets", |record| record["action"] == action);
        let (dropped, passed) = (of("DROP"), of("PASS"));
        ensure!(dropped + passed == packets, "{dropped} and {passed} of {packets}");
        let (share, n) = (percent / 100.0, packets as f64);
        let bound = 6.0 * (n * share * (1.0 - share)).sqrt();
        ensure!((dropped as f64 - n * share).abs() <= bound, "{dropped} of {packets} at {percent} %");
    }
    Ok(())
}

#[test]
fn none_and_all_are_shares_too() -> TestResult {
    let scene = Scene::new()?;
    for (percent, action) in [("0", "PASS"), ("100", "DROP")] {
        all_are(&count(&scene, &["--drop-percent", percent])?, action, "native")?;
    }
    Ok(())
}

/// Frames of this size come in fragments, whose lengths count as well.
#[test]
fn jumbo_frames_work() -> TestResult {
    const LENGTH: usize = 9014;
    let scene = Scene::with_mtu(9000)?;
    for mode in ["native", "generic"] {
        for action in ["pass", "drop", "tx"] {
            let args = ["--action", action, "--mode", mode, "--interval", "20ms"];
            let plumb = on(scene.receiver(), &args)?.start()?;
            scene.send(LENGTH, PACKETS)?;
            wait_for_packets(&plumb, PACKETS)?;
            let records = complete(&plumb.stop()?)?;
            let bytes = sum(&records, "xdp_action", "bytes", |_| true);
            ensure!(bytes == PACKETS * LENGTH as u64, "{action} in {mode} mode: {bytes} bytes: {records:#?}");
        }
    }
    Ok(())
}
