//! Every fault of the lab: as many drops as its own oracle counted, with the right reason and symbol, by two instances
//! that watch all of them, one counting in groups and one writing each event.

use anyhow::{Context, Result, bail, ensure};
use plumb_lab::faults::{self, Drops};
use plumb_lab::{KernelVersion, Lab, Role};
use plumb_live::{PACKETS, Plumb, Records, Running, TestResult, base_symbol};
use plumb_records::noise;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long the last drop of a fault may take: sockets are destroyed by RCU.
const LATE: Duration = Duration::from_secs(5);

fn host_of(lab: &Lab, record: &Value) -> Option<Role> {
    let netns = record["netns"].as_u64()?;
    [Role::Sender, Role::Receiver].into_iter().find(|role| lab.host(*role).netns.inode() == netns)
}

/// A datagram freed from a UDP socket's queue has no namespace any more.
fn is(lab: &Lab, record: &Value, expected: &Drops) -> bool {
    (host_of(lab, record) == Some(expected.expect.host) || record["netns"].is_null())
        && expected.expect.matches(record["reason"].as_str().unwrap_or(""), base_symbol(record))
}

/// Normal life of the lab's hosts, such as their multicast reports.
fn is_background(record: &Value) -> bool {
    noise::RULES.iter().any(|rule| {
        rule.symbol.is_some_and(|symbol| symbol == base_symbol(record))
            && rule.reason.is_none_or(|reason| record["reason"] == reason)
    })
}

fn packets(record: &Value) -> u64 {
    record["packets"].as_u64().unwrap_or(1)
}

/// The events of one fault, one by one.
fn check_events(lab: &Lab, all: &[Drops], events: &Records) -> Result<()> {
    for drops in all {
        let seen = events.of("drop").filter(|record| is(lab, record, drops)).count() as u64;
        ensure!(seen == drops.count, "{drops:?}, and plumb saw {seen}: {:#?}", events.0);
    }
    let expected = |record: &Value| all.iter().any(|drops| is(lab, record, drops));
    let mut in_lab = events.of("drop").filter(|record| host_of(lab, record).is_some());
    match in_lab.find(|record| !expected(record) && !is_background(record)) {
        Some(record) => bail!("not expected: {record}"),
        None => Ok(()),
    }
}

/// The groups of all faults: each is one that some fault gives, and by reason they sum up to what the faults gave. Left
/// out of the sums are the reasons that the hosts' normal life has too, which the events have shown fault by fault.
fn check_groups(lab: &Lab, all: &[Drops], records: &Records) -> Result<()> {
    let alone = |reason: &str| !noise::RULES.iter().any(|rule| rule.reason == Some(reason));
    let mut wanted: BTreeMap<&str, u64> = BTreeMap::new();
    for drops in all.iter().filter(|drops| drops.count > 0 && alone(drops.expect.reason)) {
        *wanted.entry(drops.expect.reason).or_default() += drops.count;
    }
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for group in records.of("drop_group") {
        let reason = group["reason"].as_str().context("a reason")?;
        if !all.iter().any(|drops| is(lab, group, drops)) {
            ensure!(host_of(lab, group).is_none() || is_background(group), "not expected: {group}");
        } else if alone(reason) {
            *seen.entry(reason).or_default() += packets(group);
        }
    }
    ensure!(seen == wanted, "groups have {seen:?}, and the faults gave {wanted:?}");
    Ok(())
}

/// Reads what the watching instance has written since `*read`, until that is what the fault gave.
fn await_events(lab: &Lab, all: &[Drops], watching: &Running, read: &mut usize) -> Result<()> {
    let deadline = Instant::now() + LATE;
    loop {
        let lines = watching.lines_since(*read)?;
        let checked = check_events(lab, all, &Records::parse(&lines)?);
        if checked.is_ok() || Instant::now() >= deadline {
            *read += lines.len();
            return checked;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One lab for all faults: each leaves it as it found it, and a fault that does not is found by the next one.
#[test]
fn every_fault_is_counted_exactly() -> TestResult {
    let lab = Lab::new()?;
    let groups = Plumb::new(&["drops", "--format", "json", "--noise", "show"])?.start()?;
    let events = Plumb::new(&["drops", "--format", "json", "--noise", "show", "--events"])?.start()?;
    let (mut failures, mut all, mut read) = (Vec::new(), Vec::new(), 0);
    for fault in faults::all() {
        // What a fault dropped before it failed is known to nobody, so that no sum could be checked any more.
        let drops = faults::run_fault(&lab, fault.name, PACKETS).with_context(|| fault.name)?;
        if let Err(error) = await_events(&lab, &drops, &events, &mut read) {
            failures.push(format!("{}: {error:#}", fault.name));
        }
        all.extend(drops);
    }
    let (groups, events) = (groups.stop()?.records()?, events.stop()?);
    events.records()?;
    if let Err(error) = check_groups(&lab, &all, &groups) {
        failures.push(format!("{error:#}"));
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    let reasons: BTreeSet<_> =
        all.iter().filter(|drops| drops.count > 0).map(|drops| drops.expect.reason).collect();
    println!("{} groups of drops with {} different reasons", all.len(), reasons.len());
    let kernel = KernelVersion::running()?;
    let wanted = if kernel < KernelVersion(6, 18) { 20 } else { 25 };
    ensure!(reasons.len() >= wanted, "{} reasons on {kernel}, not {wanted}: {reasons:?}", reasons.len());
    Ok(())
}

/// IPv4 and IPv6 where both exist: every fault of one family says which.
#[test]
fn both_families_are_provoked() -> TestResult {
    for family in [plumb_lab::frames::Family::V4, plumb_lab::frames::Family::V6] {
        let count = faults::all().filter(|fault| fault.family == Some(family)).count();
        ensure!(count >= 10, "{count} faults of {family:?}");
    }
    faults::all().find(|fault| fault.family.is_none()).context("faults of packets that are not IP")?;
    Ok(())
}
