//! Each mechanism gives the hooks that it is for.

use crate::scene::{Over, Scene, seen};
use anyhow::{Context, Result, ensure};
use plumb_lab::KernelVersion;
use plumb_live::machine::emulated;
use plumb_live::{Plumb, Records, TestResult};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

const EXCHANGES: usize = 10;
const FUNCTIONS: [&str; 2] = ["fentry", "kprobe"];

/// Words for records of packets, with a hook where their socket can be read: before 6.3 only fentry has one.
pub(crate) fn with_readable() -> Result<[&'static str; 3]> {
    Ok(["--events", "--mechanism", if given("fentry")? { "fentry" } else { "tp_btf" }])
}

#[test]
fn each_mechanism_gives_its_hooks() -> TestResult {
    let scene = Scene::new()?;
    for mechanism in ["tp_btf", "fentry", "kprobe"] {
        if !given(mechanism)? {
            continue;
        }
        seen(|| hooks(&scene, mechanism)).context(mechanism)?;
    }
    Ok(())
}

/// Whether functions are reached by it. A kernel that refuses that ends the run: one in lockdown, as this machine's may be, and
/// not those of the VMs.
pub(crate) fn given(mechanism: &str) -> Result<bool> {
    if !FUNCTIONS.contains(&mechanism) || emulated() {
        return Ok(true);
    }
    let finished = Plumb::new(&["latency", "--mechanism", mechanism, "--for", "1ms"])?.finish()?;
    if finished.status.success() {
        return Ok(true);
    }
    let words =
        [&format!("cannot hook functions by {mechanism}: "), "this kernel refuses", "without --mechanism"];
    finished.failed_with(3, &words)?;
    println!("not tested here: this kernel refuses {mechanism}");
    Ok(false)
}

fn hooks(scene: &Scene, mechanism: &str) -> TestResult {
    let plumb = scene.plumb(&["--events", "--mechanism", mechanism])?.start()?;
    for over in [Over::Tcp, Over::Udp] {
        for v6 in [false, true] {
            scene.exchange(over, v6, EXCHANGES, Duration::ZERO)?;
        }
    }
    let finished = plumb.stop()?;
    let records = finished.records()?;
    let session = records.of("session").next().context("a session")?;
    let attached = session["mechanisms"].as_object().context("mechanisms")?;
    ensure!(attached.values().any(|by| *by == mechanism), "{}", finished.stderr);
    for over in [Over::Tcp, Over::Udp] {
        for v6 in [false, true] {
            for direction in ["rx", "tx"] {
                let mut there = passed(&records, over, v6, direction)?;
                // Of TCP's slow path, which a packet may take or not.
                there.remove("data_queue");
                let wanted = wanted(mechanism, over, direction)?;
                ensure!(there == wanted, "{over:?}, IPv6: {v6}, {direction}: {there:?}, not {wanted:?}");
            }
        }
    }
    Ok(())
}

/// Hooks that all packets of a kind came by.
fn passed(records: &Records, over: Over, v6: bool, direction: &str) -> Result<BTreeSet<String>> {
    let protocol = if over == Over::Tcp { 6 } else { 17 };
    let of_it = |way: &&Value| {
        let version = way["src_ip"].as_str().is_some_and(|address| address.contains(':'));
        way["protocol"] == protocol && version == v6 && way["direction"] == direction
    };
    let ways: Vec<&Value> = records.of("journey").filter(of_it).collect();
    ensure!(ways.len() == 2 * EXCHANGES, "{} {direction}: {}", ways.len(), records.ledger()?);
    let mut all: Option<BTreeSet<String>> = None;
    for way in ways {
        let stages = way["stages"].as_array().context("stages")?;
        let names: BTreeSet<String> =
            stages.iter().filter_map(|stage| Some(stage["name"].as_str()?.to_owned())).collect();
        all = Some(all.map_or(names.clone(), |all| all.intersection(&names).cloned().collect()));
    }
    all.context("a packet")
}

/// Hooks of docs/latency.md that a packet cannot miss where its reader does not sleep and its device has no queue.
fn wanted(functions: &str, over: Over, direction: &str) -> Result<BTreeSet<String>> {
    let (kernel, tcp) = (KernelVersion::running()?, over == Over::Tcp);
    let hooked = FUNCTIONS.contains(&functions);
    // These are tracepoints of newer kernels and by fentry alone before.
    let readable = kernel >= KernelVersion(6, 3) || functions == "fentry";
    let send = if tcp { kernel >= KernelVersion(6, 14) || functions == "fentry" } else { hooked };
    let hooks: &[(&str, bool)] = match direction {
        "rx" => &[
            ("driver", true),
            ("receive", true),
            ("ip", hooked),
            ("local", hooked),
            ("transport", hooked),
            ("socket", tcp || hooked),
            ("readable", readable),
            ("copied", true),
        ],
        _ => &[
            ("send", send),
            ("transport_out", hooked),
            ("ip_out", hooked),
            ("queue", true),
            ("to_driver", true),
            ("from_driver", true),
        ],
    };
    Ok(hooks.iter().filter(|(_, there)| *there).map(|(name, _)| (*name).to_owned()).collect())
}
