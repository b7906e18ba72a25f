//! Which hook serves, what is said of it, and what cannot be.

use crate::scene::{complete, on, tc};
use anyhow::{Context, Result, ensure};
use plumb_live::silent::Scene;
use plumb_live::{Finished, Plumb, TestResult};
use std::process::{Command, Stdio};

fn short(scene: &Scene, args: &[&str]) -> Result<Finished> {
    on(scene.receiver(), &[args, &["--for", "20ms"]].concat())?.finish()
}

#[test]
fn what_attaching_changes_is_said_and_auto_changes_nothing() -> TestResult {
    let scene = Scene::new()?;
    let finished = short(&scene, &[])?;
    let session = complete(&finished)?.of("session").next().cloned().context("a session")?;
    let mechanisms = &session["mechanisms"];
    ensure!(mechanisms["ingress/lab0"] == tc()? && mechanisms["egress/lab0"] == tc()?, "{session}");
    ensure!(finished.stderr.is_empty(), "{}", finished.stderr);
    let finished = short(&scene, &["--hook", "xdp"])?;
    ensure!(finished.stderr.contains("switches TSO of its peer off"), "{}", finished.stderr);
    let finished = short(&scene, &["--hook", "xdp", "--mode", "generic"])?;
    ensure!(finished.stderr.contains("generic XDP switches LRO"), "{}", finished.stderr);
    Ok(())
}

#[test]
fn what_contradicts_itself_is_refused() -> TestResult {
    let scene = Scene::new()?;
    short(&scene, &["--mode", "native"])?.failed_with(2, &["--hook xdp"])?;
    short(&scene, &["--hook", "xdp", "--direction", "both"])?.failed_with(2, &["--hook tc"])?;
    short(&scene, &["-o", "/tmp/plumb-none.pcapng"])?.failed_with(2, &["pcapng"])
}

/// An interface without Ethernet frames is named, and nothing is attached.
#[test]
fn a_tunnel_is_refused_by_name() -> TestResult {
    let scene = Scene::new()?;
    let host = scene.receiver();
    // A module in the VMs, where no device node asks for it; built in elsewhere.
    let _ = Command::new("modprobe").arg("tun").stderr(Stdio::null()).status();
    host.ip(&["tuntap add plumbtun mode tun"])?;
    let args = ["packets", "-i", "plumbtun", "--netns", host.netns.name()];
    Plumb::new(&args)?.finish()?.failed_with(2, &["plumbtun has no Ethernet frames"])
}

/// Another XDP program is left alone.
#[test]
fn another_xdp_program_is_in_the_way() -> TestResult {
    let scene = Scene::new()?;
    let host = scene.receiver();
    let other =
        Plumb::new(&["xdp", "run", "-i", host.interface, "--netns", host.netns.name(), "--action", "pass"])?
            .start()?;
    short(&scene, &["--hook", "xdp"])?.failed_with(1, &["lab0 has an XDP program already", "--hook tc"])?;
    complete(&short(&scene, &[])?)?;
    other.stop()?;
    Ok(())
}

/// CAP_NET_ADMIN and CAP_BPF are enough in one's own namespace.
#[test]
fn without_a_capability_it_is_named() -> TestResult {
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-net_admin", "--inh-caps=-net_admin"]);
    command.arg(plumb_live::binary()?);
    let finished = Plumb::through(command, &["packets", "-i", "lo", "--for", "20ms"])?.finish()?;
    finished.failed_with(4, &["CAP_NET_ADMIN"])
}

/// What `plumb doctor` says of the hooks.
#[test]
fn doctor_tries_tcx_and_clsact() -> TestResult {
    let finished = Plumb::new(&["doctor", "--json"])?.finish()?;
    let told: serde_json::Value = serde_json::from_str(&finished.stdout)?;
    let usable = |name: &str| {
        let facts = told["facts"].as_array().into_iter().flatten();
        facts.filter(|fact| fact["fact"] == name).any(|fact| fact["usable"] == true)
    };
    ensure!(usable("clsact") && usable("tcx") == (tc()? == "tcx"), "{told:#}");
    let runs = told["commands"].as_array().into_iter().flatten();
    let runs = runs.filter(|command| command["command"] == "packets").all(|command| command["runs"] == true);
    ensure!(runs, "{told:#}");
    Ok(())
}
