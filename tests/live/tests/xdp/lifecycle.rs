//! From start to end: several interfaces, those that go away meanwhile, and an end that nobody asked for.

use crate::scene::{Scene, complete, on, sum, wait_for_packets};
use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use plumb_lab::{Host, tools};
use plumb_live::{PACKETS, Plumb, Running, TestResult, wait_for};

/// Whether a program is attached to an interface of the host.
pub(crate) fn attached(host: &Host, interface: &str) -> Result<Option<u64>> {
    let links = host.run(|| tools::run(&["ip", "-j", "-d", "link", "show", "dev", interface], ""))?;
    let links: serde_json::Value = serde_json::from_str(&links)?;
    Ok(links[0]["xdp"]["prog"]["id"].as_u64())
}

/// A second link between the two hosts.
fn second_link(scene: &Scene) -> Result<()> {
    let (near, far) = (scene.sender(), scene.receiver());
    far.ip(&[
        &format!("link add plumbtwo type veth peer name plumbtwo netns {}", near.netns.name()),
        "link set plumbtwo up",
    ])?;
    near.ip(&["link set plumbtwo up"])?;
    Ok(())
}

fn on_both(scene: &Scene) -> Result<Running> {
    let interfaces = format!("{},plumbtwo", scene.receiver().interface);
    let name = scene.receiver().netns.name();
    let args = ["xdp", "run", "-i", &interfaces, "--netns", name, "--action", "drop"];
    Plumb::new(&[&args[..], &["--format", "json", "--interval", "20ms"]].concat())?.start()
}

#[test]
fn two_interfaces_are_counted_apart() -> TestResult {
    let scene = Scene::new()?;
    second_link(&scene)?;
    let plumb = on_both(&scene)?;
    scene.send(60, PACKETS)?;
    let socket = scene.sender().run(|| plumb_lab::packet::PacketSocket::sender("plumbtwo"))?;
    socket.repeat(&scene.frame(100)?, 2 * PACKETS)?;
    let of = |running: &Running, length: u64| -> Result<u64> {
        let records = plumb_live::Records::parse(&running.lines_since(0)?)?;
        let interface = if length == 60 { scene.receiver().interface } else { "plumbtwo" };
        Ok(sum(&records, "xdp_action", "packets", |record| record["interface"] == interface))
    };
    wait_for("both to be counted", || Ok(of(&plumb, 60)? >= PACKETS && of(&plumb, 100)? >= 2 * PACKETS))?;
    let records = complete(&plumb.stop()?)?;
    let bytes =
        sum(&records, "xdp_action", "bytes", |record| record["interface"] == scene.receiver().interface);
    ensure!(bytes == 60 * PACKETS, "{bytes}");
    // The kernel greets on a link that comes up.
    let bytes = sum(&records, "xdp_action", "bytes", |record| record["interface"] == "plumbtwo");
    ensure!(bytes >= 200 * PACKETS, "{bytes}");
    Ok(())
}

#[test]
fn an_interface_that_is_deleted_is_told_and_the_others_go_on() -> TestResult {
    let scene = Scene::new()?;
    second_link(&scene)?;
    let plumb = on_both(&scene)?;
    scene.receiver().ip(&["link delete plumbtwo"])?;
    wait_for("the deletion to be told", || Ok(plumb.read("stderr").contains("plumbtwo is deleted")))?;
    scene.send(60, PACKETS)?;
    wait_for_packets(&plumb, PACKETS)?;
    let records = complete(&plumb.stop()?)?;
    let ours =
        sum(&records, "xdp_action", "packets", |record| record["interface"] == scene.receiver().interface);
    ensure!(ours == PACKETS, "{records:#?}");
    Ok(())
}

#[test]
fn the_run_ends_with_its_last_interface() -> TestResult {
    let scene = Scene::new()?;
    for mode in [&[][..], &["--events"]] {
        second_link(&scene)?;
        let args =
            ["xdp", "run", "-i", "plumbtwo", "--netns", scene.receiver().netns.name(), "--action", "pass"];
        let plumb = Plumb::new(&[&args[..], &["--format", "json"], mode].concat())?.start()?;
        scene.receiver().ip(&["link delete plumbtwo"])?;
        let finished = plumb.wait()?;
        complete(&finished)?;
        ensure!(finished.stderr.contains("plumbtwo is deleted"), "{}", finished.stderr);
    }
    Ok(())
}

#[test]
fn an_interface_that_moves_is_told_and_counted_on() -> TestResult {
    let scene = Scene::new()?;
    let plumb = on(scene.receiver(), &["--action", "drop", "--interval", "20ms"])?.start()?;
    scene.send(60, PACKETS)?;
    wait_for_packets(&plumb, PACKETS)?;
    let (near, far) = (scene.sender(), scene.receiver());
    far.ip(&[&format!("link set {} name plumbtwo netns {}", far.interface, near.netns.name())])?;
    wait_for("the move to be told", || Ok(plumb.read("stderr").contains("moved to another")))?;
    near.ip(&["link set plumbtwo up"])?;
    scene.send(60, PACKETS)?;
    wait_for_packets(&plumb, 2 * PACKETS)?;
    let records = plumb.stop()?.records()?;
    let ours = sum(&records, "xdp_action", "bytes", |record| record["bytes"] == 60 * PACKETS);
    ensure!(ours > 0, "{records:#?}");
    Ok(())
}

#[test]
fn kill_leaves_nothing_attached() -> TestResult {
    let scene = Scene::new()?;
    let host = scene.receiver();
    for mode in [&[][..], &["--events"], &["--mode", "generic"]] {
        let plumb = on(host, &[&["--action", "pass"], mode].concat())?.start()?;
        ensure!(attached(host, host.interface)?.is_some(), "it is not attached");
        plumb.signal(Signal::SIGKILL)?;
        plumb.wait()?;
        wait_for("the program to be gone", || Ok(attached(host, host.interface)?.is_none()))?;
    }
    Ok(())
}

#[test]
fn a_command_runs_beside_and_its_status_is_ours() -> TestResult {
    let scene = Scene::new()?;
    let finished = on(scene.receiver(), &["--action", "pass", "--", "sh", "-c", "exit 7"])?.finish()?;
    ensure!(finished.status.code() == Some(7), "{:?}: {}", finished.status, finished.stderr);
    Ok(())
}

#[test]
fn no_capability_is_left() -> TestResult {
    let scene = Scene::new()?;
    for mode in [&[][..], &["--events", "--transport", "perf"]] {
        let plumb = on(scene.receiver(), &[&["--action", "pass"], mode].concat())?.start()?;
        let status = format!("/proc/{}/status", plumb.pid());
        wait_for("plumb to drop its capabilities", || {
            let status = std::fs::read_to_string(&status)?;
            let held = status.lines().find_map(|line| line.strip_prefix("CapPrm:"));
            Ok(held.is_some_and(|held| held.trim() == "0000000000000000"))
        })?;
        scene.send(60, PACKETS)?;
        complete(&plumb.stop()?)?;
    }
    Ok(())
}
