//! Somebody else's program gives way and comes back, at whatever moment and in whatever way a run ends.

use crate::lifecycle::attached;
use crate::scene::{Scene, on};
use crate::theirs::{THEIRS, Theirs};
use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use plumb_lab::Host;
use plumb_live::machine::emulated;
use plumb_live::{Plumb, Running, TestResult, wait_for};
use std::time::Instant;

/// `ip`'s words for the modes.
const MODES: [&str; 2] = ["xdpdrv", "xdpgeneric"];

fn comes_back(host: &Host, theirs: u64) -> Result<()> {
    wait_for("the program to come back", || Ok(attached(host, host.interface)? == Some(theirs)))
}

/// Takes the place of what is attached, and ends so.
fn replaced_and_restored(host: &Host, end: impl Fn(Running) -> Result<()>) -> TestResult {
    let theirs = attached(host, host.interface)?.context("a program is attached")?;
    let plumb = on(host, &["--action", "drop", "--replace"])?.start()?;
    let ours = attached(host, host.interface)?.context("ours is attached")?;
    ensure!(ours != theirs, "program {theirs} is still there");
    end(plumb)?;
    comes_back(host, theirs)
}

/// The program is back as soon as the run has ended, which said so.
fn orderly(plumb: Running) -> Result<()> {
    let finished = plumb.stop()?;
    ensure!(finished.status.success() && finished.stderr.contains("is restored"), "{}", finished.stderr);
    Ok(())
}

fn killed(plumb: Running) -> Result<()> {
    plumb.signal(Signal::SIGKILL)?;
    plumb.wait().map(drop)
}

#[test]
fn a_program_in_a_link_comes_back() -> TestResult {
    let scene = Scene::new()?;
    let host = scene.receiver();
    let first = on(host, &["--action", "pass"])?.start()?;
    replaced_and_restored(host, orderly)?;
    replaced_and_restored(host, killed)?;
    // Its owner hears of a guest that stays.
    let heard = |words| wait_for(words, || Ok(first.read("stderr").contains(words)));
    let guest = on(host, &["--action", "drop", "--replace"])?.start()?;
    heard("took the place of ours")?;
    orderly(guest)?;
    heard("our program is back")?;
    first.stop()?.records()?;
    ensure!(attached(host, host.interface)?.is_none(), "something is left attached");
    Ok(())
}

#[test]
fn a_program_attached_by_netlink_comes_back() -> TestResult {
    let scene = Scene::new()?;
    let (host, program) = (scene.receiver(), Theirs::compile()?);
    for word in MODES {
        program.attach(host, word)?;
        replaced_and_restored(host, orderly)?;
        replaced_and_restored(host, killed)?;
        Theirs::detach(host, word)?;
    }
    Ok(())
}

/// Kills runs at moments from their start to a little after they are ready.
fn killed_early(host: &Host, theirs: u64) -> TestResult {
    let moments = if emulated() { 6 } else { 24 };
    let start = || on(host, &["--action", "drop", "--replace"]);
    let begun = Instant::now();
    let first = start()?.start()?;
    let whole = begun.elapsed();
    killed(first)?;
    comes_back(host, theirs)?;
    for moment in 0..moments {
        let plumb = start()?.spawn()?;
        // The moment is what is varied.
        std::thread::sleep(whole.mul_f64(f64::from(moment + 1) / f64::from(moments)));
        killed(plumb)?;
        comes_back(host, theirs)?;
    }
    Ok(())
}

#[test]
fn killed_at_any_moment_it_leaves_a_program_of_netlink() -> TestResult {
    let scene = Scene::new()?;
    let (host, program) = (scene.receiver(), Theirs::compile()?);
    let theirs = program.attach(host, MODES[0])?;
    killed_early(host, theirs)
}

#[test]
fn killed_at_any_moment_it_leaves_a_program_in_a_link() -> TestResult {
    let scene = Scene::new()?;
    let host = scene.receiver();
    let first = on(host, &["--action", "pass"])?.start()?;
    killed_early(host, attached(host, host.interface)?.context("a program is attached")?)?;
    first.stop()?.records().map(drop)
}

/// That a driver has no native XDP is known only once theirs has given way.
#[test]
fn what_is_refused_leaves_what_was_there() -> TestResult {
    let scene = Scene::new()?;
    let (host, program) = (scene.receiver(), Theirs::compile()?);
    let theirs = program.attach_to(host, "lo", MODES[1])?;
    let args = ["xdp", "run", "-i", "lo", "--netns", host.netns.name(), "--action", "drop", "--replace"];
    let finished = Plumb::new(&[&args[..], &["--mode", "native"]].concat())?.finish()?;
    finished.failed_with(3, &["lo: ", "no native XDP"])?;
    ensure!(attached(host, "lo")? == Some(theirs), "{}", finished.stderr);
    Ok(())
}

/// A second guest, whose host could end before it, is refused; an owner that ends takes its link with it.
#[test]
fn a_chain_is_refused_and_an_owner_that_ends_is_told() -> TestResult {
    let scene = Scene::new()?;
    let host = scene.receiver();
    let owner = on(host, &["--action", "pass"])?.start()?;
    let guest = on(host, &["--action", "drop", "--replace"])?.start()?;
    let program = attached(host, host.interface)?;
    on(host, &["--action", "pass", "--replace"])?
        .finish()?
        .failed_with(1, &["another plumb", "end that one"])?;
    ensure!(attached(host, host.interface)? == program, "the guest is still there");
    owner.stop()?.records()?;
    let guest = guest.wait()?;
    ensure!(attached(host, host.interface)?.is_none(), "{}", guest.stderr);
    ensure!(guest.status.success(), "{}", guest.stderr);
    for words in ["detached by somebody else", "is not restored: who had attached it has ended"] {
        ensure!(guest.stderr.contains(words), "{}", guest.stderr);
    }
    Ok(())
}

/// The link lives on with the guest, and must not keep the program of a run that is gone.
#[test]
fn an_owner_that_was_killed_does_not_come_back() -> TestResult {
    let scene = Scene::new()?;
    let host = scene.receiver();
    let owner = on(host, &["--action", "drop"])?.start()?;
    let guest = on(host, &["--action", "pass", "--replace"])?.start()?;
    killed(owner)?;
    let guest = guest.stop()?;
    ensure!(guest.stderr.contains("is not restored: who had attached it has ended"), "{}", guest.stderr);
    ensure!(attached(host, host.interface)?.is_none(), "{}", guest.stderr);
    Ok(())
}

/// The process that waits to restore: the one child of a run.
fn waiting(plumb: &Running) -> Result<i32> {
    let parent = format!("PPid:\t{}", plumb.pid());
    let is_child = |folder: &std::path::PathBuf| {
        let status = std::fs::read_to_string(folder.join("status")).unwrap_or_default();
        status.lines().any(|line| line == parent)
    };
    let folders = std::fs::read_dir("/proc")?.filter_map(|entry| Some(entry.ok()?.path()));
    let child = folders.into_iter().find(is_child).context("it waits")?;
    let pid = child.file_name().and_then(|name| name.to_str()).context("a process")?;
    Ok(pid.parse()?)
}

#[test]
fn a_restoring_process_that_was_killed_is_told() -> TestResult {
    let scene = Scene::new()?;
    let (host, program) = (scene.receiver(), Theirs::compile()?);
    let theirs = program.attach(host, MODES[0])?;
    let plumb = on(host, &["--action", "drop", "--replace"])?.start()?;
    let pid = nix::unistd::Pid::from_raw(waiting(&plumb)?);
    nix::sys::signal::kill(pid, Signal::SIGKILL)?;
    let finished = plumb.stop()?;
    ensure!(finished.status.code() == Some(1), "{}", finished.stderr);
    let told = format!("program {theirs} {THEIRS} is not restored");
    ensure!(finished.stderr.contains(&told), "{}", finished.stderr);

    // What was in a link is restored without it.
    let first = on(host, &["--action", "pass"])?.start()?;
    replaced_and_restored(host, |plumb| {
        let pid = nix::unistd::Pid::from_raw(waiting(&plumb)?);
        nix::sys::signal::kill(pid, Signal::SIGKILL)?;
        orderly(plumb)
    })?;
    first.stop()?.records().map(drop)
}

#[test]
fn an_interface_that_moved_is_told_with_the_program() -> TestResult {
    let scene = Scene::new()?;
    let (near, host, program) = (scene.sender(), scene.receiver(), Theirs::compile()?);
    let theirs = program.attach(host, MODES[0])?;
    let plumb = on(host, &["--action", "drop", "--replace"])?.start()?;
    host.ip(&[&format!("link set {} name plumbtwo netns {}", host.interface, near.netns.name())])?;
    let finished = plumb.stop()?;
    ensure!(finished.status.code() == Some(1), "{}", finished.stderr);
    let told = format!("program {theirs} {THEIRS} is not restored: the interface is not in its network");
    ensure!(finished.stderr.contains(&told), "{}", finished.stderr);
    Ok(())
}

#[test]
fn an_interface_that_is_deleted_takes_the_program_along() -> TestResult {
    let scene = Scene::new()?;
    let (host, program) = (scene.receiver(), Theirs::compile()?);
    program.attach(host, MODES[0])?;
    let plumb = on(host, &["--action", "drop", "--replace"])?.start()?;
    host.ip(&[&format!("link delete {}", host.interface)])?;
    let finished = plumb.wait()?;
    ensure!(finished.status.success(), "{}", finished.stderr);
    for words in ["is deleted", "is gone with the interface"] {
        ensure!(finished.stderr.contains(words), "{}", finished.stderr);
    }
    ensure!(!finished.stderr.contains("is restored\n"), "{}", finished.stderr);
    Ok(())
}
