//! Clients of Arrow Flight read live flows, as Python does it.

use crate::scene::on;
use anyhow::{Context, Result, ensure};
use plumb_live::TestResult;
use plumb_live::machine::emulated;
use plumb_live::silent::Scene;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The Python that has pyarrow and scikit-learn.
fn python() -> Result<PathBuf> {
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("readers").join("bin/python");
    ensure!(python.exists(), "there is no {}: run cargo xtask setup", python.display());
    Ok(python)
}

/// Sends packets, two for each flow, until a client has enough. Flows that ended before it came are not for it.
fn feed(scene: &Scene, client: &mut Child) -> Result<()> {
    // Where CPUs are emulated, importing the libraries takes most of it.
    let deadline = Instant::now() + Duration::from_secs(if emulated() { 300 } else { 60 });
    while client.try_wait()?.is_none() {
        ensure!(Instant::now() < deadline, "a client waited in vain for flows");
        scene.send(100, 2)?;
        sleep(Duration::from_millis(300));
    }
    Ok(())
}

/// An address that was free a moment ago.
fn address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// A client of each feed gets every flow under its names; scikit-learn is trained on them and scores them, but for emulated CPUs,
/// where importing it alone takes minutes.
#[test]
fn a_model_is_applied_to_live_flows() -> TestResult {
    const FLOWS: u64 = 6;
    let python = python()?;
    let scene = Scene::new()?;
    let at = address()?;
    let serving = ["--serve", &at, "--direction", "ingress", "--idle", "200ms"];
    let plumb = on(scene.receiver(), &serving)?.start()?;
    let script = if emulated() { "tests/flows/read.py" } else { "../../examples/live_flows.py" };
    let read = |ticket: &str| {
        let mut command = Command::new(&python);
        command
            .args(["-B", script, &at, ticket, &FLOWS.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().context("cannot start Python")
    };
    let clients = [read("flows")?, read("flows?profile=nfstream")?];
    for mut client in clients {
        feed(&scene, &mut client)?;
        let output = client.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        ensure!(said.lines().count() as u64 >= FLOWS && said.contains("packets=2 "), "{said}");
    }
    plumb.stop()?.records()?;
    Ok(())
}

#[test]
fn what_everybody_could_read_is_not_served() -> TestResult {
    let scene = Scene::new()?;
    let refused = on(scene.receiver(), &["--serve", "0.0.0.0:0"])?.finish()?;
    refused.failed_with(2, &["not a loopback address", "--token-file"])?;
    Ok(())
}
