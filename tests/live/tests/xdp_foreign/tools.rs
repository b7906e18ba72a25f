//! Programs that xdp-tools attach: one alone, and libxdp's dispatcher with its components.

use crate::foreign::{Foreign, action, told, watch};
use crate::scene::{Scene, sum};
use anyhow::{Context, Result, ensure};
use plumb_kernel::support::Support;
use plumb_lab::Host;
use plumb_live::machine::emulated;
use plumb_live::{PACKETS, Plumb, Records, TestResult, wait_for};
use serde_json::Value;
use std::io::Write;
use std::process::{Child, Command, Stdio};

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

/// libxdp puts one component in place of its dispatcher, which then does nothing itself.
#[test]
fn a_program_of_xdp_loader_is_counted() -> TestResult {
    let (scene, foreign) = (Scene::new()?, Foreign::compile()?);
    let host = scene.receiver();
    mount_bpffs()?;
    load(host, &foreign, "xdp.loop")?;
    let plumb = watch(host, "time", &[])?;
    scene.send(LENGTH, PACKETS)?;
    let finished = plumb.stop()?;
    let (records, fentry) = told(&finished)?;
    let record = action(&records, &if fentry { "DROP".into() } else { Value::Null })?;
    ensure!(record["packets"] == PACKETS && record["program"] == "foreign_loop", "{record}");
    ensure!(fentry || record["drops"] == PACKETS, "{record}");
    ensure!(record["part_of"].is_null() && records.account("seen")? == PACKETS, "{records:#?}");
    ensure!(!fentry || finished.stderr.contains("runs in its place"), "{}", finished.stderr);
    Ok(())
}

/// xdp-bench where it starts: its older versions want a tracepoint that newer kernels lack.
struct Bench(Child);

impl Bench {
    /// `None` where it ends by itself, with its reason on standard error.
    fn start(host: &Host) -> Result<Option<Self>> {
        let mut command = Command::new("xdp-bench");
        command.args(["drop", "-m", "native", "-i", "1", host.interface]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut bench = Self(host.spawn(&mut command).context("xdp-bench of xdp-tools")?);
        let mut ended = None;
        wait_for("xdp-bench to attach or to end", || {
            ended = bench.0.try_wait()?;
            Ok(ended.is_some() || listed(host)?.is_some())
        })?;
        Ok(ended.is_none().then_some(bench))
    }
}

impl Drop for Bench {
    /// It detaches when it is asked to end.
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(None)) {
            return;
        }
        let pid = nix::unistd::Pid::from_raw(self.0.id() as i32);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT);
        let _ = self.0.wait();
    }
}

#[test]
fn a_program_of_xdp_bench_is_counted() -> TestResult {
    let (scene, foreign) = (Scene::new()?, Foreign::compile()?);
    let host = scene.receiver();
    mount_bpffs()?;
    let bench = Bench::start(host)?;
    if bench.is_none() {
        // The VM's kernels have all that any version wants.
        ensure!(!emulated(), "xdp-bench does not start");
        // As xdp-bench's own reason does, this gets past the harness, which keeps what a test prints.
        writeln!(std::io::stderr(), "xdp-bench does not start here: xdp-loader attaches instead")?;
        load(host, &foreign, "xdp.loop")?;
    }
    let plumb = watch(host, "time", &[])?;
    scene.send(LENGTH, PACKETS)?;
    let (records, fentry) = told(&plumb.stop()?)?;
    let dropped = if fentry { "packets" } else { "drops" };
    let whole = |record: &Value| record["part_of"].is_null() && (!fentry || record["action"] == "DROP");
    ensure!(sum(&records, "xdp_action", dropped, whole) == PACKETS, "{records:#?}");
    let ours = records.of("xdp_action").any(|record| record["program"] == "foreign_loop");
    ensure!(ours == bench.is_none(), "{records:#?}");
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
