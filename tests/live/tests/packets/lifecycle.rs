//! Nothing of ours stays, and nothing of others goes.

use crate::scene::{complete, filters, hooks, on, tc, wait_for_records};
use anyhow::ensure;
use nix::sys::signal::Signal;
use plumb_kernel::support::programs;
use plumb_live::silent::Scene;
use plumb_live::{Object, TestResult, wait_for};

/// Whether one of our programs is loaded: what is attached nowhere and held by nobody is gone.
fn attached() -> bool {
    programs().iter().any(|program| program.name.starts_with("packets_"))
}

#[test]
fn kill_leaves_nothing_attached() -> TestResult {
    let scene = Scene::new()?;
    let host = scene.receiver();
    let before = filters(host)?;
    for (args, _) in hooks()? {
        let plumb = on(host, args)?.start()?;
        ensure!(attached(), "{args:?}: nothing is attached");
        plumb.signal(Signal::SIGKILL)?;
        plumb.wait()?;
        wait_for("everything to be gone", || Ok(!attached() && filters(host)? == before))?;
    }
    Ok(())
}

#[test]
fn an_end_leaves_nothing_attached() -> TestResult {
    let scene = Scene::new()?;
    let host = scene.receiver();
    let before = filters(host)?;
    for (args, _) in hooks()? {
        let plumb = on(host, args)?.start()?;
        scene.send(60, 3)?;
        wait_for_records(&plumb, 3)?;
        complete(&plumb.stop()?)?;
        ensure!(!attached() && filters(host)? == before, "{args:?}: {}", filters(host)?);
    }
    Ok(())
}

/// Filters of others, one that drops everything and one that ends the search, see the same packets as before, and we
/// see them first.
#[test]
fn filters_of_others_stay_and_see_what_they_saw() -> TestResult {
    let scene = Scene::new()?;
    let host = scene.receiver();
    let object = Object::compile("tests/packets/others.bpf.c")?;
    let path = object.path();
    host.tc(&[
        &format!("qdisc add dev {} clsact", host.interface),
        &format!("filter add dev {} ingress prio 1 handle 7 bpf da obj {path} sec tc/drop", host.interface),
        &format!("filter add dev {} egress prio 3 bpf da obj {path} sec tc/drop", host.interface),
    ])?;
    let before = filters(host)?;
    let plumb = on(host, &["--hook", "tc"])?.start()?;
    if tc()? == "clsact" {
        ensure!(filters(host)?.contains("packets_ingress"), "{}", filters(host)?);
    }
    scene.send(60, 10)?;
    wait_for_records(&plumb, 10)?;
    complete(&plumb.stop()?)?;
    ensure!(filters(host)? == before, "{before} became {}", filters(host)?);
    Ok(())
}

/// Two runs see the same packets, and the one that ends first takes nothing from the other.
#[test]
fn two_runs_on_one_interface() -> TestResult {
    let scene = Scene::new()?;
    let host = scene.receiver();
    let before = filters(host)?;
    let (first, second) = (on(host, &["--hook", "tc"])?.start()?, on(host, &["--hook", "tc"])?.start()?);
    scene.send(60, 5)?;
    wait_for_records(&first, 5)?;
    complete(&first.stop()?)?;
    scene.send(60, 5)?;
    wait_for_records(&second, 10)?;
    complete(&second.stop()?)?;
    ensure!(!attached(), "{before} became {}", filters(host)?);
    Ok(())
}

#[test]
fn an_interface_that_is_deleted_ends_the_run() -> TestResult {
    for (args, _) in hooks()? {
        let scene = Scene::new()?;
        let host = scene.receiver();
        let plumb = on(host, args)?.start()?;
        scene.send(60, 5)?;
        wait_for_records(&plumb, 5)?;
        host.ip(&[&format!("link delete {}", host.interface)])?;
        let finished = plumb.wait()?;
        complete(&finished)?;
        ensure!(finished.stderr.contains("is deleted"), "{args:?}: {}", finished.stderr);
    }
    Ok(())
}

#[test]
fn no_capability_is_left() -> TestResult {
    let scene = Scene::new()?;
    for (args, _) in hooks()? {
        let plumb = on(scene.receiver(), args)?.start()?;
        let status = format!("/proc/{}/status", plumb.pid());
        wait_for("plumb to drop its capabilities", || {
            let status = std::fs::read_to_string(&status)?;
            let held = status.lines().find_map(|line| line.strip_prefix("CapPrm:"));
            Ok(held.is_some_and(|held| held.trim() == "0000000000000000"))
        })?;
        scene.send(60, 5)?;
        wait_for_records(&plumb, 5)?;
        complete(&plumb.stop()?)?;
    }
    Ok(())
}

#[test]
fn a_command_runs_beside_and_its_status_is_ours() -> TestResult {
    let scene = Scene::new()?;
    let finished = on(scene.receiver(), &["--", "sh", "-c", "exit 7"])?.finish()?;
    ensure!(finished.status.code() == Some(7), "{:?}: {}", finished.status, finished.stderr);
    Ok(())
}
