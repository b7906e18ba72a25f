//! From start to end: when it is attached and gone, what runs beside it, and what goes away meanwhile.

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use plumb_kernel::support;
use plumb_lab::{Lab, faults};
use plumb_live::{Finished, PACKETS, Plumb, Running, TestResult, binary, wait_for};
use std::fs;
use std::process::Command;

const FAULT: &str = "udp-closed-port";
pub(crate) const REASON: &str = "NO_SOCKET";
pub(crate) const GROUPS: &[&str] = &["drops", "--format", "json"];
pub(crate) const EVENTS: &[&str] = &["drops", "--format", "json", "--events"];

/// `plumb ARGS` on the receiver's namespace only.
pub(crate) fn on_receiver(lab: &Lab, args: &[&str]) -> Result<Plumb> {
    let mut all = args.to_vec();
    all.extend(["--netns", lab.receiver().netns.name()]);
    Plumb::new(&all)
}

/// `plumb ARGS` inside the receiver's namespace.
fn within_receiver(lab: &Lab, args: &[&str]) -> Result<Plumb> {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", lab.receiver().netns.name()]).arg(binary()?);
    Plumb::through(command, args)
}

/// Provokes about `n` drops; returns how many.
pub(crate) fn provoke(lab: &Lab, n: u64) -> Result<u64> {
    Ok(faults::run_fault(lab, FAULT, n)?[0].count)
}

pub(crate) fn ours(finished: &Finished) -> Result<u64> {
    Ok(finished.records()?.packets(|record| record["reason"] == REASON))
}

pub(crate) fn exits(finished: &Finished, code: i32) -> TestResult {
    ensure!(finished.status.code() == Some(code), "{:?}, not {code}: {}", finished.status, finished.stderr);
    Ok(())
}

#[test]
fn each_of_two_instances_sees_everything_and_one_survives_the_other() -> TestResult {
    let lab = Lab::new()?;
    let (groups, events) = (on_receiver(&lab, GROUPS)?.start()?, on_receiver(&lab, EVENTS)?.start()?);
    let first = provoke(&lab, PACKETS)?;
    let finished = events.stop()?;
    ensure!(ours(&finished)? == first, "{first}: {}", finished.stdout);
    let second = provoke(&lab, PACKETS)?;
    let finished = groups.stop()?;
    ensure!(ours(&finished)? == first + second, "{first} and {second}: {}", finished.stdout);
    Ok(())
}

#[test]
fn kill_leaves_nothing_attached() -> TestResult {
    for mode in [GROUPS, EVENTS] {
        let mut args = mode.to_vec();
        args.push("-v");
        let plumb = Plumb::new(&args)?.start()?;
        let ids = plumb.programs()?;
        let loaded = || support::programs().into_iter().filter(|program| ids.contains(&program.id));
        let attached = loaded().filter(|program| program.links == 1).count();
        ensure!(!ids.is_empty() && attached == ids.len(), "{attached} of {ids:?} are attached");
        plumb.signal(Signal::SIGKILL)?;
        plumb.wait()?;
        // The kernel frees them after a grace period.
        wait_for("the kernel to free the programs", || Ok(loaded().next().is_none()))?;
    }
    Ok(())
}

#[test]
fn signals_end_it_with_everything_written() -> TestResult {
    let lab = Lab::new()?;
    for (mode, signal) in [(GROUPS, Signal::SIGINT), (GROUPS, Signal::SIGTERM), (EVENTS, Signal::SIGTERM)] {
        let plumb = on_receiver(&lab, mode)?.start()?;
        let dropped = provoke(&lab, PACKETS)?;
        plumb.signal(signal)?;
        let finished = plumb.wait()?;
        ensure!(ours(&finished)? == dropped, "{mode:?} {signal}: {dropped}: {}", finished.stdout);
        let records = finished.records()?.0;
        let kinds = [records.first(), records.last()].map(|record| record.map(|record| &record["record"]));
        ensure!(kinds.iter().flatten().eq(["session", "ledger"].iter()), "{kinds:?}");
    }
    Ok(())
}

#[test]
fn a_command_runs_with_all_privileges_once_attached() -> TestResult {
    let lab = Lab::new()?;
    let folder = tempfile::tempdir()?;
    let (status, ready) = (folder.path().join("status"), folder.path().join("ready"));
    let (sender, target) = (lab.sender().netns.name(), lab.receiver().v4);
    let script = format!(
        "test -e {} || exit 90; cat /proc/self/status >{}; \
         ip netns exec {sender} bash -c 'for i in $(seq {PACKETS}); do echo >/dev/udp/{target}/9; done'; exit 7",
        ready.display(),
        status.display()
    );
    let ready = ready.to_str().context("a temporary path")?;
    let before = lab.receiver().nstat("UdpNoPorts")?;
    let args = [GROUPS, &["--netns", lab.receiver().netns.name(), "--ready-file", ready]].concat();
    let finished = Plumb::new(&[&args[..], &["--", "bash", "-c", &script]].concat())?.finish()?;
    exits(&finished, 7)?;
    let dropped = lab.receiver().nstat("UdpNoPorts")? - before;
    let records = plumb_live::Records::parse(&finished.stdout)?;
    records.check_balance()?;
    let seen = records.packets(|record| record["reason"] == REASON);
    ensure!(seen == dropped && dropped == PACKETS, "{seen} seen of {dropped}: {}", finished.stdout);
    let lines = |text: &str| -> Vec<String> {
        let kept = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Uid", "Gid"];
        text.lines()
            .filter(|line| kept.iter().any(|name| line.starts_with(name)))
            .map(str::to_owned)
            .collect()
    };
    let (had, has) = (fs::read_to_string("/proc/self/status")?, fs::read_to_string(&status)?);
    ensure!(lines(&had) == lines(&has), "{:?} became {:?}", lines(&had), lines(&has));
    Ok(())
}

#[test]
fn a_command_and_the_run_end_together() -> TestResult {
    // Its status as shells give it.
    for (script, code) in [("exit 0", 0), ("kill -TERM $$", 128 + 15), ("exec /no/such/program", 127)] {
        exits(&Plumb::new(&["drops", "--", "sh", "-c", script])?.finish()?, code).context(script)?;
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("pid");
    let script = format!("echo $$ >{}; exec sleep 1000", file.display());
    let plumb = Plumb::new(&["drops", "--", "sh", "-c", &script])?.start()?;
    wait_for("the command to run", || Ok(fs::read_to_string(&file).is_ok_and(|pid| pid.ends_with('\n'))))?;
    plumb.signal(Signal::SIGTERM)?;
    exits(&plumb.wait()?, 0)?;
    let pid = fs::read_to_string(&file)?;
    ensure!(fs::metadata(format!("/proc/{}", pid.trim())).is_err(), "the command still runs");
    Ok(())
}

#[test]
fn an_interface_that_goes_away_is_told() -> TestResult {
    let watched = ["-i", "lab0"];
    for args in [[GROUPS, &watched].concat(), GROUPS.to_vec(), [EVENTS, &watched].concat(), EVENTS.to_vec()] {
        let lab = Lab::new()?;
        let interface = lab.receiver().interface;
        let plumb = within_receiver(&lab, &args)?.start()?;
        let dropped = provoke(&lab, PACKETS)?;
        lab.receiver().ip(&[&format!("link del {interface}")])?;
        told_gone(plumb, lab.receiver().netns.inode(), dropped, interface).with_context(|| args.join(" "))?;
    }
    Ok(())
}

#[test]
fn a_namespace_that_goes_away_is_told() -> TestResult {
    for mode in [GROUPS, EVENTS] {
        for watched in [true, false] {
            let lab = Lab::new()?;
            let plumb = if watched { on_receiver(&lab, mode)? } else { Plumb::new(mode)? }.start()?;
            let dropped = provoke(&lab, PACKETS)?;
            let (name, inode) = (lab.receiver().netns.name().to_owned(), lab.receiver().netns.inode());
            drop(lab);
            told_gone(plumb, inode, dropped, &name)
                .with_context(|| format!("{mode:?}, watched: {watched}"))?;
        }
    }
    Ok(())
}

/// `inode` is the namespace of the `dropped` packets.
fn told_gone(plumb: Running, inode: u64, dropped: u64, what: &str) -> TestResult {
    let finished = plumb.stop()?;
    let ours = finished.records()?.packets(|drop| drop["reason"] == REASON && drop["netns"] == inode);
    ensure!(ours == dropped, "{ours} and not {dropped}: {}", finished.stdout);
    let told = finished.stderr.lines().any(|line| line.contains("gone") && line.contains(what));
    ensure!(told, "{what} is not told: {}", finished.stderr);
    Ok(())
}
