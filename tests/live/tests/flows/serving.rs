//! Clients of Arrow Flight read live flows, as Python does it.

use crate::scene::{on, send};
use anyhow::{Context, Result, ensure};
use plumb_live::features::{readers, text};
use plumb_live::machine::emulated;
use plumb_live::silent::Scene;
use plumb_live::{Plumb, TestResult, wait_for};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

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
    let python = readers(env!("CARGO_TARGET_TMPDIR"))?;
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

/// A certificate for localhost, its key, and a token, in files.
fn secrets(folder: &Path) -> Result<[String; 3]> {
    let [certificate, key, token] = ["cert.pem", "key.pem", "token"].map(|name| text(&folder.join(name)));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-keyout", &key, "-out", &certificate])
        .output()?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::write(&token, "s3cret\n")?;
    Ok([certificate, key, token])
}

/// A client of guarded.py that has the schema.
struct Client {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Client {
    fn start(port: &str, certificate: &str, pace: &str) -> Result<Self> {
        let mut child = Command::new(readers(env!("CARGO_TARGET_TMPDIR"))?)
            .args(["-B", "tests/flows/guarded.py", port, certificate, "s3cret", pace])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = BufReader::new(child.stdout.take().context("no output")?);
        let mut client = Self { child, said };
        let line = client.line()?;
        ensure!(line == "begun\n", "{line:?}");
        Ok(client)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        Ok(line)
    }

    /// Lets a slow one go on.
    fn go_on(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Flows that came, that it missed, and that the ledger has.
    fn end(mut self) -> Result<[u64; 3]> {
        let line = self.line()?;
        ensure!(self.child.wait()?.success(), "a client failed: {line:?}");
        let numbers = line.split_whitespace().map(str::parse).collect::<Result<Vec<_>, _>>()?;
        numbers.try_into().map_err(|_| anyhow::anyhow!("{line:?}"))
    }
}

/// Beside what it may be behind, buffers of connections have some MiB: too much for emulated CPUs.
#[test]
fn a_slow_client_misses_its_own_flows_and_others_none() -> TestResult {
    const WAVES: usize = 18;
    const FLOWS: u16 = 3_000;
    if emulated() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let [certificate, key, token] = secrets(folder.path())?;
    let scene = Scene::new()?;
    let at = address()?;
    let port = at.rsplit(':').next().context("a port")?;
    let keeping = ["--level", "full", "--idle", "200ms", "--table-size", "100000", "--direction", "ingress"];
    let serving = [
        "--serve",
        &at,
        "--tls-cert",
        &certificate,
        "--tls-key",
        &key,
        "--token-file",
        &token,
        "--serve-behind",
        "24M",
    ];
    let host = scene.receiver();
    let flows = ["flows", "-i", host.interface, "--netns", host.netns.name()];
    let plumb = Plumb::new(&[&flows[..], &keeping, &serving].concat())?.start()?;
    let client = |pace| Client::start(port, &certificate, pace);
    let (fast, also_fast, mut slow) = (client("fast")?, client("fast")?, client("slow")?);
    for wave in 1..=WAVES {
        send(&scene, FLOWS, FLOWS.into())?;
        wait_for("all flows to be written", || {
            let written = plumb.lines_since(0)?;
            Ok(written.lines().filter(|line| line.contains(" udp ")).count() >= wave * usize::from(FLOWS))
        })?;
    }
    slow.go_on();
    let finished = plumb.stop()?;
    ensure!(finished.status.success(), "{}: {}", finished.status, finished.stderr);
    let all = WAVES as u64 * u64::from(FLOWS);
    ensure!(fast.end()? == [all, 0, all] && also_fast.end()? == [all, 0, all], "{}", finished.stderr);
    let [came, missed, records] = slow.end()?;
    ensure!(
        missed > 0 && came + missed == all && records == all,
        "{came} came, {missed} missed of {records}"
    );
    let told: Vec<_> = finished.stderr.lines().filter(|line| line.contains("read too slowly")).collect();
    let counted = told.len() == 1 && told[0].contains(&format!("missed {missed} records"));
    ensure!(counted, "{}", finished.stderr);
    Ok(())
}

#[test]
fn what_everybody_could_read_is_not_served() -> TestResult {
    let scene = Scene::new()?;
    let refused = on(scene.receiver(), &["--serve", "0.0.0.0:0"])?.finish()?;
    refused.failed_with(2, &["not a loopback address", "--token-file"])?;
    Ok(())
}
