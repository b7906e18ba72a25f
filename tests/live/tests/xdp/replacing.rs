//! Somebody else's program gives way and comes back.

use crate::lifecycle::attached;
use crate::scene::{Scene, on};
use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use plumb_kernel::probes::xdp::{Action, Config, Mode, Restorer, Xdp};
use plumb_kernel::session::Storage;
use plumb_live::{Running, TestResult, wait_for};

/// What it takes the place of, and how that run ends.
fn replaced_and_restored(scene: &Scene, end: impl Fn(Running) -> Result<()>) -> TestResult {
    let host = scene.receiver();
    let theirs = attached(host, host.interface)?.context("a program is attached")?;
    let plumb = on(host, &["--action", "drop", "--replace"])?.start()?;
    let ours = attached(host, host.interface)?.context("ours is attached")?;
    ensure!(ours != theirs, "program {theirs} is still there");
    end(plumb)?;
    wait_for("the program to come back", || Ok(attached(host, host.interface)? == Some(theirs)))
}

fn by_signal(signal: Signal) -> impl Fn(Running) -> Result<()> {
    move |plumb: Running| {
        plumb.signal(signal)?;
        plumb.wait().map(drop)
    }
}

#[test]
fn a_program_in_a_link_comes_back() -> TestResult {
    let scene = Scene::new()?;
    let first = on(scene.receiver(), &["--action", "pass"])?.start()?;
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        replaced_and_restored(&scene, by_signal(signal))?;
    }
    first.stop()?.records()?;
    let host = scene.receiver();
    ensure!(attached(host, host.interface)?.is_none(), "something is left attached");
    Ok(())
}

#[test]
fn a_program_attached_by_netlink_comes_back() -> TestResult {
    let scene = Scene::new()?;
    let host = scene.receiver();
    for mode in [Mode::Native, Mode::Generic] {
        let mut storage = Storage::new();
        let theirs = Xdp::load(&mut storage, &Config::of(Action::Pass), 0, None)?;
        let attacher = Restorer::open(theirs.facts().id, None, mode)?;
        ensure!(host.run(|| Ok(attacher.restore(host.ifindex, 0)?))?, "something is attached already");
        for signal in [Signal::SIGINT, Signal::SIGKILL] {
            replaced_and_restored(&scene, by_signal(signal))?;
        }
        let word = if mode == Mode::Native { "xdpdrv" } else { "xdpgeneric" };
        host.ip(&[&format!("link set {} {word} off", host.interface)])?;
    }
    Ok(())
}
