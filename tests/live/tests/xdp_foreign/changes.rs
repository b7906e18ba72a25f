//! Programs that are replaced or detached while they are watched: what came to others is not told as theirs.

use crate::counts::ETHERNET;
use crate::foreign::{Foreign, action, id, told, watch};
use crate::scene::{Scene, sum, wait_for_packets};
use anyhow::{Result, ensure};
use plumb_kernel::probes::xdp;
use plumb_live::{PACKETS, Plumb, TestResult, wait_for};
use serde_json::Value;

const LENGTH: usize = 100;

/// The second program drops or aborts half of what comes; the first one passes everything.
fn swap(scene: &Scene, foreign: &Foreign) -> Result<String> {
    let host = scene.receiver();
    let first = id(host)?;
    let words = format!("link set dev {} xdpdrv obj {} sec xdp", host.interface, foreign.object());
    let words: Vec<&str> = ["ip", "-force"].into_iter().chain(words.split(' ')).collect();
    host.tool(&words)?;
    scene.send(LENGTH, PACKETS)?;
    Ok(format!("foreign_pass {first} was replaced by foreign_mix {} at ", id(host)?))
}

#[test]
fn a_program_that_is_replaced_is_told_and_counted_no_more() -> TestResult {
    let (scene, foreign) = (Scene::new()?, Foreign::compile()?);
    for more in [&["--interval", "20ms"][..], &["--interval", "20ms", "--ledger"]] {
        scene.receiver().ip(&[&format!("link set {} xdpdrv off", scene.receiver().interface)])?;
        foreign.attach(scene.receiver(), "xdpdrv", "xdp.pass")?;
        let plumb = watch(scene.receiver(), "time", more)?;
        scene.send(LENGTH, PACKETS)?;
        wait_for_packets(&plumb, PACKETS)?;
        let news = swap(&scene, &foreign)?;
        // Nothing is left to watch.
        let finished = plumb.wait()?;
        let (records, fentry) = told(&finished)?;
        ensure!(finished.stderr.contains(&news), "{news}: {}", finished.stderr);
        let count = |name| sum(&records, "xdp_action", name, |_| true);
        ensure!(count("packets") == PACKETS, "{}: {records:#?}", count("packets"));
        let each = if fentry { LENGTH } else { LENGTH - ETHERNET };
        ensure!(count("bytes") == PACKETS * each as u64, "of intervals before: {records:#?}");
        ensure!(count("drops") == 0, "it drops nothing: {records:#?}");
    }
    Ok(())
}

/// In a total there is no interval that ended before: what the driver has counted is of both programs.
#[test]
fn what_the_driver_counts_of_two_programs_is_unknown() -> TestResult {
    let (scene, foreign) = (Scene::new()?, Foreign::compile()?);
    foreign.attach(scene.receiver(), "xdpdrv", "xdp.pass")?;
    let plumb = watch(scene.receiver(), "stats", &[])?;
    let before = scene.receiver().nstat("UdpNoPorts")?;
    scene.send(LENGTH, PACKETS)?;
    wait_for("the packets", || Ok(scene.receiver().nstat("UdpNoPorts")? - before == PACKETS))?;
    swap(&scene, &foreign)?;
    let (records, fentry) = told(&plumb.wait()?)?;
    let record = action(&records, &if fentry { "PASS".into() } else { Value::Null })?;
    ensure!(record["packets"] == PACKETS, "{record}");
    ensure!(fentry || record["bytes"].is_null(), "{record}");
    ensure!(record["drops"].is_null(), "{record}");
    Ok(())
}

#[test]
fn a_program_that_is_detached_is_told_and_the_others_are_counted() -> TestResult {
    let (scene, foreign) = (Scene::new()?, Foreign::compile()?);
    let (near, far) = (scene.sender(), scene.receiver());
    for host in [near, far] {
        foreign.attach(host, "xdpdrv", "xdp.pass")?;
    }
    let ids = [id(near)?, id(far)?].map(|id| id.to_string());
    let selected = ["--prog-id", &ids[0], "--prog-id", &ids[1]];
    let common = ["xdp", "stats", "--format", "json", "--interval", "20ms"];
    let plumb = Plumb::new(&[&common[..], &selected].concat())?.start()?;
    near.ip(&[&format!("link set {} xdpdrv off", near.interface)])?;
    let news = format!("{} in {}: foreign_pass {} was detached", near.interface, near.netns.name(), ids[0]);
    wait_for("what was detached to be told", || Ok(plumb.read("stderr").contains(&news)))?;
    scene.send(LENGTH, PACKETS)?;
    wait_for_packets(&plumb, PACKETS)?;
    far.ip(&[&format!("link set {} xdpdrv off", far.interface)])?;
    let finished = plumb.wait()?;
    let (records, _) = told(&finished)?;
    let of_far = |record: &Value| ids[1].parse().is_ok_and(|id: u64| record["program_id"] == id);
    ensure!(sum(&records, "xdp_action", "packets", of_far) == PACKETS, "{records:#?}");
    ensure!(
        finished.stderr.contains(&format!("foreign_pass {} was detached", ids[1])),
        "{}",
        finished.stderr
    );
    Ok(())
}

/// What statistics add is measured against their absence.
#[test]
fn the_cost_of_statistics_that_are_on_is_unknown() -> TestResult {
    let (on, _) = xdp::statistics_cost()?;
    let (_again, told) = xdp::statistics_cost()?;
    ensure!(told.added_ns.is_none() && told.empty_ns > 0.0, "{told:?}");
    let (scene, foreign) = (Scene::new()?, Foreign::compile()?);
    foreign.attach(scene.receiver(), "xdpdrv", "xdp.untyped")?;
    let finished = watch(scene.receiver(), "time", &[])?.stop()?;
    ensure!(finished.stderr.contains("on, as they were already"), "{}", finished.stderr);
    drop(on);
    Ok(())
}
