//! What is attached where, whoever attached it.

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use plumb_lab::{Host, Lab, tools};
use plumb_live::{Plumb, Records, TestResult, wait_for};
use serde_json::Value;
use std::time::SystemTime;

fn list(args: &[&str]) -> Result<Records> {
    let finished = Plumb::new(&[&["xdp", "list", "--format", "json"], args].concat())?.finish()?;
    ensure!(finished.status.success(), "{}", finished.stderr);
    Records::parse(&finished.stdout)
}

/// What `ip link` shows of the host's interface: an oracle that is not ours.
fn oracle(host: &Host) -> Result<Value> {
    let shown = host.run(|| tools::run(&["ip", "-j", "-d", "link", "show", "dev", host.interface], ""))?;
    let links: Value = serde_json::from_str(&shown)?;
    Ok(links[0]["xdp"]["prog"].clone())
}

fn on<'a>(records: &'a Records, host: &Host) -> Vec<&'a Value> {
    let inode = host.netns.inode();
    records.of("xdp_program").filter(|record| record["netns"] == inode).collect()
}

#[test]
fn programs_of_every_namespace_are_listed_while_they_are_attached() -> TestResult {
    let lab = Lab::new()?;
    let (near, far) = (lab.sender(), lab.receiver());
    ensure!(on(&list(&[])?, near).is_empty() && on(&list(&[])?, far).is_empty(), "nothing is attached");
    let run = |host: &Host, mode: &str| {
        let args = ["xdp", "run", "-i", host.interface, "--netns", host.netns.name(), "--action", "pass"];
        Plumb::new(&[&args[..], &["--format", "json", "--mode", mode]].concat())?.start()
    };
    let before = jiff::Timestamp::now();
    let running = [run(near, "native")?, run(far, "generic")?];
    let records = list(&[])?;
    for (host, mode) in [(near, "native"), (far, "generic")] {
        let found = on(&records, host);
        let [program] = found.as_slice() else { anyhow::bail!("{found:#?}") };
        let known = oracle(host)?;
        ensure!(known["id"].is_u64() && program["program_id"] == known["id"], "{program}: {known}");
        ensure!(program["tag"] == known["tag"] && program["uid"] == 0, "{program}: {known}");
        ensure!(program["interface"] == host.interface && program["mode"] == mode, "{program}");
        ensure!(program["netns_name"] == host.netns.name() && program["program"] == "xdp_run", "{program}");
        ensure!(program["components"].as_object().is_some_and(serde_json::Map::is_empty), "{program}");
        let loaded: jiff::Timestamp = program["loaded_at"].as_str().context("loaded_at")?.parse()?;
        let now = jiff::Timestamp::try_from(SystemTime::now())?;
        ensure!((before..=now).contains(&loaded), "loaded at {loaded}, between {before} and {now}");
    }
    let only = list(&["--netns", near.netns.name(), "-i", near.interface])?;
    ensure!(only.of("xdp_program").count() == 1 && on(&only, near).len() == 1, "{only:#?}");
    for plumb in running {
        plumb.signal(Signal::SIGINT)?;
        plumb.wait()?;
    }
    wait_for("both to be gone", || {
        let records = list(&[])?;
        Ok(on(&records, near).is_empty() && on(&records, far).is_empty())
    })
}

#[test]
fn an_empty_list_says_what_would_fill_it() -> TestResult {
    let lab = Lab::new()?;
    let finished = Plumb::new(&["xdp", "list", "--netns", lab.sender().netns.name()])?.finish()?;
    ensure!(finished.status.success(), "{}", finished.stderr);
    ensure!(
        finished.stdout.contains("No XDP program is attached") && finished.stdout.contains("plumb xdp run")
    );
    Ok(())
}

#[test]
fn what_is_not_there_is_a_bad_argument() -> TestResult {
    Plumb::new(&["xdp", "list", "-i", "plumb-none"])?.finish()?.failed_with(2, &["plumb-none", "lo"])?;
    Plumb::new(&["xdp", "list", "--netns", "plumb-none"])?.finish()?.failed_with(2, &["plumb-none"])?;
    Plumb::new(&["xdp", "list", "--format", "pcapng"])?.finish()?.failed_with(2, &["pcapng", "json"])
}
