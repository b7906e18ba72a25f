//! How a watch ends: nothing of it stays, and an interface that goes is told.

use crate::foreign::{Foreign, action, told, watch};
use crate::scene::Scene;
use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use plumb_kernel::probes::xdp::{Foreign as Opened, Inventory};
use plumb_kernel::support;
use plumb_live::{PACKETS, TestResult, wait_for};

#[test]
fn kill_leaves_nothing_behind() -> TestResult {
    let (scene, foreign) = (Scene::new()?, Foreign::compile()?);
    foreign.attach(scene.receiver(), "xdpdrv", "xdp.pass")?;
    let inventory = Inventory::read();
    let theirs = inventory.named("foreign_pass").last().context("the program is loaded")?;
    let theirs = Opened::open(theirs)?;
    let plumb = watch(scene.receiver(), "time", &[])?;
    plumb.signal(Signal::SIGKILL)?;
    plumb.wait()?;
    wait_for("our programs to be gone", || {
        Ok(support::programs().iter().all(|program| !program.name.starts_with("watch_e")))
    })?;
    // With the kernel's statistics off no run is counted.
    let before = theirs.runs();
    scene.send(60, PACKETS)?;
    ensure!(theirs.runs() == before, "the statistics are on: {before:?}, {:?}", theirs.runs());
    Ok(())
}

#[test]
fn an_interface_that_is_deleted_ends_the_run() -> TestResult {
    let (scene, foreign) = (Scene::new()?, Foreign::compile()?);
    let host = scene.receiver();
    foreign.attach(host, "xdpdrv", "xdp.pass")?;
    let plumb = watch(host, "stats", &[])?;
    scene.send(60, PACKETS)?;
    host.ip(&[&format!("link delete {}", host.interface)])?;
    let finished = plumb.wait()?;
    let (records, fentry) = told(&finished)?;
    ensure!(finished.stderr.contains("is deleted or was moved"), "{}", finished.stderr);
    let verdict = if fentry { "PASS".into() } else { serde_json::Value::Null };
    let record = action(&records, &verdict)?;
    ensure!(record["packets"] == PACKETS, "{record}");
    // The driver's counters went with it.
    ensure!(fentry || record["bytes"].is_null(), "{record}");
    Ok(())
}

/// A watched program does what it did before.
#[test]
fn the_verdict_stays_what_it_is() -> TestResult {
    let (scene, foreign) = (Scene::new()?, Foreign::compile()?);
    for (section, arrives) in [("xdp.pass", PACKETS), ("xdp.loop", 0)] {
        scene.receiver().ip(&[&format!("link set {} xdpdrv off", scene.receiver().interface)])?;
        foreign.attach(scene.receiver(), "xdpdrv", section)?;
        let before = scene.receiver().nstat("UdpNoPorts")?;
        let plumb = watch(scene.receiver(), "time", &[])?;
        scene.send(60, PACKETS)?;
        told(&plumb.stop()?)?;
        let came = scene.receiver().nstat("UdpNoPorts")? - before;
        ensure!(came == arrives, "{section}: {came} arrived");
    }
    Ok(())
}
