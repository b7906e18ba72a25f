//! What is told beside the counts: what attaching changes, what did not go out, lines of the trace pipe, sizes.

use crate::lifecycle::attached;
use crate::scene::{Scene, complete, on, sum, wait_for_packets};
use anyhow::{Result, ensure};
use plumb_lab::tools;
use plumb_live::{PACKETS, Plumb, TestResult, wait_for};
use std::path::Path;

const TRACE: &str = "/sys/kernel/tracing/trace";

/// As long as no other frame here.
const LENGTH: usize = 1237;

/// Lines of the trace that end so. Reading takes none away.
fn traced(end: &str) -> Result<usize> {
    if !Path::new(TRACE).exists() {
        tools::run(&["mount", "-t", "tracefs", "tracefs", "/sys/kernel/tracing"], "")?;
    }
    let trace = String::from_utf8_lossy(&std::fs::read(TRACE)?).into_owned();
    Ok(trace.lines().filter(|line| line.contains("plumb: ") && line.trim_end().ends_with(end)).count())
}

#[test]
fn the_trace_pipe_has_a_line_per_packet() -> TestResult {
    let scene = Scene::new()?;
    // Time is told where it was measured, and is never zero then.
    for (time, end) in [(&[][..], "plumb: DROP, 1237 bytes"), (&["--time"], " ns")] {
        let before = traced(end)?;
        let args = ["--action", "drop", "--trace-printk", "--interval", "20ms"];
        let plumb = on(scene.receiver(), &[&args[..], time].concat())?.start()?;
        scene.send(LENGTH, 5)?;
        wait_for_packets(&plumb, 5)?;
        complete(&plumb.stop()?)?;
        wait_for("the trace to have the lines", || Ok(traced(end)? >= before + 5))?;
        ensure!(traced(", 0 ns")? == 0, "a packet took no time");
    }
    Ok(())
}

#[test]
fn what_attaching_changes_is_said_before() -> TestResult {
    let scene = Scene::new()?;
    let host = scene.receiver();
    for (mode, words) in [("native", "switches TSO of its peer off"), ("generic", "switches LRO and GRO")] {
        let plumb = on(host, &["--action", "pass", "--mode", mode])?.spawn()?;
        wait_for("plumb to attach", || {
            let is_attached = attached(host, host.interface)?.is_some();
            // Asked in this order, what is attached and not yet told was not told before.
            ensure!(!is_attached || plumb.read("stderr").contains(words), "{}", plumb.read("stderr"));
            Ok(is_attached)
        })?;
        drop(plumb);
        wait_for("the program to be gone", || Ok(attached(host, host.interface)?.is_none()))?;
    }
    Ok(())
}

/// A veth whose other end has neither a program nor GRO takes no frames of XDP.
#[test]
fn what_is_not_sent_back_is_told() -> TestResult {
    let scene = Scene::new()?;
    scene.sender().tool(&["ethtool", "-K", scene.sender().interface, "gro", "off"])?;
    let plumb =
        on(scene.receiver(), &["--action", "tx", "--mode", "native", "--interval", "20ms"])?.start()?;
    scene.send(60, PACKETS)?;
    wait_for_packets(&plumb, PACKETS)?;
    let finished = plumb.stop()?;
    let records = complete(&finished)?;
    let lost =
        sum(&records, "xdp_fault", "packets", |fault| fault["kind"] == "tx" && fault["cause"] == "ENXIO");
    ensure!(lost == PACKETS, "{records:#?}");
    let told = records.of("xdp_action").count() + records.of("xdp_fault").count();
    ensure!(records.ledger()?["records"] == told, "{records:#?}");
    // Kernels before 6.3 do not tell before.
    let said = ["nothing that is sent back will arrive", "is not known before"];
    ensure!(said.iter().any(|words| finished.stderr.contains(words)), "{}", finished.stderr);
    Ok(())
}

#[test]
fn with_v_the_size_of_buffers_is_told() -> TestResult {
    let scene = Scene::new()?;
    let name = scene.receiver().netns.name();
    for (args, words) in [
        (&["--ring-size", "5000"][..], "ring: 8192 bytes"),
        (&["--transport", "perf", "--ring-size", "20000"], "perf buffers: 16384 bytes for each CPU"),
    ] {
        let common = ["-v", "xdp", "run", "-i", "lo", "--netns", name, "--action", "pass", "--events"];
        let finished = Plumb::new(&[&common[..], args, &["--for", "10ms"]].concat())?.finish()?;
        ensure!(finished.stderr.contains(words), "{}", finished.stderr);
    }
    Ok(())
}
