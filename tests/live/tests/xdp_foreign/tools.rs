//! Programs that xdp-loader of xdp-tools attaches: one alone, and libxdp's dispatcher with its components.

use crate::foreign::{Foreign, told, watch};
use crate::scene::{Scene, sum};
use anyhow::{Context, Result, ensure};
use plumb_kernel::support::Support;
use plumb_lab::Host;
use plumb_live::machine::emulated;
use plumb_live::{PACKETS, Plumb, Records, TestResult};
use serde_json::Value;
use std::process::Command;

const LENGTH: usize = 100;

/// What is attached to the host's interface.
fn listed(host: &Host) -> Result<Option<Value>> {
    let args = ["xdp", "list", "--format", "json", "--netns", host.netns.name()];
    let finished = Plumb::new(&args)?.finish()?;
    ensure!(finished.status.success(), "{}", finished.stderr);
    Ok(Records::parse(&finished.stdout)?.of("xdp_program").next().cloned())
}

/// xdp-loader, which attaches one program by itself where there is no dispatcher.
fn load(host: &Host, foreign: &Foreign, section: &str) -> Result<()> {
    let object = foreign.object();
    let words = ["xdp-loader", "load", "-m", "native", "-s", section, host.interface, &object];
    host.tool(&words).map(drop).context("xdp-loader")
}

/// libxdp keeps its links in the BPF file system.
fn mount_bpffs() -> TestResult {
    if !std::fs::read_to_string("/proc/mounts")?.contains(" /sys/fs/bpf bpf ") {
        let mounted = Command::new("mount").args(["-t", "bpf", "bpf", "/sys/fs/bpf"]).status()?;
        ensure!(mounted.success(), "mount: {mounted}");
    }
    Ok(())
}

#[test]
fn a_program_of_xdp_loader_is_counted() -> TestResult {
    let (scene, foreign) = (Scene::new()?, Foreign::compile()?);
    let host = scene.receiver();
    mount_bpffs()?;
    load(host, &foreign, "xdp.loop")?;
    let plumb = watch(host, "time", &[])?;
    scene.send(LENGTH, PACKETS)?;
    let (records, _) = told(&plumb.stop()?)?;
    let whole = |record: &Value| record["part_of"].is_null();
    ensure!(sum(&records, "xdp_action", "packets", whole) == PACKETS, "{records:#?}");
    // A dispatcher and its component need not be seen by the same mechanism.
    let dropped = |record: &Value| whole(record) && record["action"] == "DROP";
    let drops = sum(&records, "xdp_action", "packets", dropped) + sum(&records, "xdp_action", "drops", whole);
    ensure!(drops == PACKETS, "{records:#?}");
    Ok(())
}

/// The second component sees what the first one passes. Only kernels that allow freplace have a dispatcher.
#[test]
fn a_dispatcher_is_told_with_its_components() -> TestResult {
    let freplace = Support::probe().facts.into_iter().find(|fact| fact.name == "freplace");
    if freplace.is_some_and(|fact| !fact.usable) {
        // Without it there is no dispatcher, and a VM's kernel has it.
        ensure!(!emulated(), "the VM's kernel refuses freplace");
        return Ok(());
    }
    let (scene, foreign) = (Scene::new()?, Foreign::compile()?);
    let host = scene.receiver();
    mount_bpffs()?;
    for section in ["xdp", "xdp.pass"] {
        load(host, &foreign, section)?;
    }
    let dispatcher = listed(host)?.context("the dispatcher is attached")?;
    let components: Vec<&str> = dispatcher["components"]
        .as_object()
        .context("components")?
        .values()
        .filter_map(Value::as_str)
        .collect();
    ensure!(components == ["foreign_mix", "foreign_pass"], "{dispatcher}");
    let plumb = watch(host, "time", &[])?;
    scene.send(LENGTH, 4 * PACKETS)?;
    let (records, _) = told(&plumb.stop()?)?;
    let count = |program: &str, action: &str| {
        sum(&records, "xdp_action", "packets", |record| {
            record["program"] == program && record["action"] == action
        })
    };
    for verdict in ["DROP", "PASS", "TX", "ABORTED"] {
        for program in ["xdp_dispatcher", "foreign_mix"] {
            ensure!(count(program, verdict) == PACKETS, "{program} {verdict}: {records:#?}");
        }
    }
    ensure!(count("foreign_pass", "PASS") == PACKETS, "{records:#?}");
    let parts = records.of("xdp_action").filter(|record| record["program"] != "xdp_dispatcher");
    for part in parts {
        ensure!(part["part_of"] == dispatcher["program_id"], "{part}");
    }
    Ok(())
}
