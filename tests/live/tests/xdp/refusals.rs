//! What cannot be is one clear line, and attaches nothing.

use crate::scene::{Scene, on};
use anyhow::{Result, ensure};
use plumb_live::{Finished, Plumb, TestResult, binary};
use std::fs::{Permissions, copy, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

fn run(args: &[&str]) -> Result<Plumb> {
    Plumb::new(&[&["xdp", "run"], args].concat())
}

#[test]
fn an_interface_that_is_not_there() -> TestResult {
    run(&["-i", "plumb-none", "--action", "pass"])?.finish()?.failed_with(2, &["plumb-none", "lo"])
}

#[test]
fn native_mode_where_the_driver_has_none() -> TestResult {
    run(&["-i", "lo", "--action", "pass", "--mode", "native"])?
        .finish()?
        .failed_with(3, &["lo: ", "native", "--mode generic"])
}

#[test]
fn generic_and_automatic_mode_work_there() -> TestResult {
    let scene = Scene::new()?;
    for mode in ["generic", "auto"] {
        let args = ["xdp", "run", "-i", "lo", "--netns", scene.receiver().netns.name()];
        let more = ["--action", "pass", "--mode", mode, "--for", "50ms", "--format", "json"];
        let finished = Plumb::new(&[&args[..], &more].concat())?.finish()?;
        let session = finished.records()?.of("session").next().cloned().unwrap_or_default();
        ensure!(session["mechanisms"]["xdp/lo"] == "generic", "{session}");
    }
    Ok(())
}

/// `plumb xdp run` on `lo` as nobody, with these capabilities.
fn holding(held: &[&str], args: &[&str]) -> Result<Finished> {
    let folder = tempfile::tempdir()?;
    copy(binary()?, folder.path().join("plumb"))?;
    set_permissions(folder.path(), Permissions::from_mode(0o777))?;
    let set = held.iter().fold("-all".to_owned(), |set, name| format!("{set},+{name}"));
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.args([format!("--inh-caps={set}"), format!("--ambient-caps={set}")]);
    command.arg(folder.path().join("plumb"));
    let common = ["xdp", "run", "-i", "lo", "--action", "pass"];
    let plumb = Plumb::through(command, &[&common[..], args].concat())?;
    set_permissions(plumb.folder(), Permissions::from_mode(0o777))?;
    plumb.finish()
}

#[test]
fn without_privileges() -> TestResult {
    let granted = "setcap cap_net_admin,cap_bpf,cap_perfmon+ep";
    holding(&[], &[])?.failed_with(4, &["CAP_BPF", granted])?;
    holding(&["bpf", "perfmon"], &[])?.failed_with(4, &["CAP_NET_ADMIN", granted])
}

/// Exceptions are not counted then, for that reason.
#[test]
fn without_the_privilege_to_trace() -> TestResult {
    let finished = holding(&["bpf", "net_admin"], &["--for", "20ms"])?;
    if !finished.status.success() {
        // Without it older verifiers also follow what a CPU may do in speculation, into code that is never run.
        return finished.failed_with(4, &["lacks CAP_PERFMON", "grant it"]);
    }
    ensure!(
        finished.stderr.contains("not counted") && finished.stderr.contains("lacks CAP_PERFMON"),
        "{}",
        finished.stderr
    );
    ensure!(!finished.stderr.contains("lockdown"), "{}", finished.stderr);
    Ok(())
}

#[test]
fn an_interface_that_is_taken() -> TestResult {
    let scene = Scene::new()?;
    let first = on(scene.receiver(), &["--action", "pass", "-v"])?.start()?;
    let second = on(scene.receiver(), &["--action", "drop"])?.finish()?;
    second.failed_with(1, &[scene.receiver().interface, "program ", "xdp_run", "--replace"])?;
    first.stop()?.records()?;
    Ok(())
}

#[test]
fn what_would_have_no_effect() -> TestResult {
    for args in [
        &["-i", "lo"][..],
        &["-i", "lo", "--drop-percent", "101"],
        &["-i", "lo", "--drop-percent", "1e-9"],
        &["-i", "", "--action", "pass"],
        &["-i", "lo,", "--action", "pass"],
        &["-i", "lo", "--action", "pass", "--transport", "perf"],
        &["-i", "lo", "--action", "pass", "--wakeup", "busy"],
        &["-i", "lo", "--action", "pass", "--events", "--by", "cpu"],
        &["-i", "lo", "-i", "lo", "--action", "pass"],
        &["-i", "lo", "--action", "pass", "-o", "x.pcapng"],
    ] {
        run(args)?.finish()?.failed_with(2, &["plumb: "])?;
    }
    Ok(())
}
