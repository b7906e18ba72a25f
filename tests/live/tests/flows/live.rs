//! What passes is counted exactly, at each hook and level, and what finds no room is told.

use crate::scene::{HOOKS, complete, on, packets, send};
use anyhow::ensure;
use plumb_live::TestResult;
use plumb_live::machine::emulated;
use plumb_live::silent::Scene;
use std::collections::HashSet;

#[test]
fn every_packet_of_every_flow_is_counted() -> TestResult {
    let (flows, sent) = if emulated() { (100, 2_000) } else { (1000, 20_000) };
    let scene = Scene::new()?;
    // Emulated CPUs are slow, and the levels are one program's.
    let levels: &[&str] = if emulated() { &["full"] } else { &["basic", "stats", "full"] };
    for hook in HOOKS {
        for level in levels.iter().copied() {
            let more = ["--level", level, "--direction", "ingress"];
            let plumb = on(scene.receiver(), &[hook, &more].concat())?.start()?;
            send(&scene, flows, sent)?;
            let records = complete(&plumb.stop()?)?;
            ensure!(packets(&records) == sent, "{hook:?} {level}: {} of {sent}", packets(&records));
            let ports: HashSet<_> = records.of("flow").filter_map(|flow| flow["src_port"].as_u64()).collect();
            let written = records.of("flow").count();
            ensure!(
                ports.len() == written && written == usize::from(flows),
                "{hook:?} {level}: {written} flows"
            );
            let full = records.of("flow").all(|flow| flow.get("splt_dir").is_some() == (level == "full"));
            let stats = records.of("flow").all(|flow| flow.get("iat_std_us").is_some() == (level != "basic"));
            ensure!(full && stats, "{level} has other columns");
        }
    }
    Ok(())
}

#[test]
fn what_a_full_table_has_no_room_for_is_told() -> TestResult {
    let (flows, sent) = if emulated() { (4_000, 4_000) } else { (10_000, 30_000) };
    let scene = Scene::new()?;
    let plumb =
        on(scene.receiver(), &["--table-size", "1000", "--hook", "xdp", "--mode", "native"])?.start()?;
    send(&scene, flows, sent)?;
    let records = plumb.stop()?.records()?;
    let (counted, lost) = (records.account("aggregated")?, records.account("lost_table_full")?);
    ensure!(counted + lost == sent && counted == packets(&records), "{counted} and {lost} of {sent}");
    let written = records.of("flow").count();
    ensure!((1000..2000).contains(&written) && lost > 0, "{written} flows, {lost} lost");
    ensure!(records.ledger()?["complete"] == false, "{}", records.ledger()?);
    Ok(())
}

#[test]
fn filters_and_samples_are_counted() -> TestResult {
    let sent = 3_000;
    let scene = Scene::new()?;
    let plumb = on(scene.receiver(), &["--direction", "ingress", "--sport", "20000-20009"])?.start()?;
    send(&scene, 100, sent)?;
    let records = complete(&plumb.stop()?)?;
    ensure!(records.of("flow").count() == 10, "{}", records.ledger()?);
    ensure!(records.account("filtered")? == sent * 9 / 10, "{}", records.ledger()?);
    let plumb = on(scene.receiver(), &["--direction", "ingress", "--sample", "4"])?.start()?;
    send(&scene, 1000, sent)?;
    let records = plumb.stop()?.records()?;
    let kept = records.of("flow").count();
    let per_flow = records.of("flow").all(|flow| flow["packets"] == 3 && flow["sampling"] == 4);
    // A binomial share of a quarter: seven deviations of 13.7 to either side.
    ensure!(per_flow && kept.abs_diff(250) < 96, "{kept} flows were kept whole");
    Ok(())
}
