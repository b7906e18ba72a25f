//! Every fault of the lab: as many drops as its own oracle counted, with the right reason and symbol, by two instances
//! at once, one counting in groups and one writing each event.

use anyhow::{Context, Result, bail, ensure};
use plumb_lab::faults::{self, Drops, Fault};
use plumb_lab::{KernelVersion, Lab, Role};
use plumb_live::{Finished, PACKETS, Plumb, Records, TestResult, base_symbol};
use plumb_records::noise;
use serde_json::Value;
use std::collections::BTreeSet;

/// What a fault's drops were, by both instances.
fn observe(lab: &Lab, fault: &Fault) -> Result<(Vec<Drops>, [Records; 2])> {
    let groups = Plumb::new(&["drops", "--format", "json", "--noise", "show"])?.start()?;
    let events = Plumb::new(&["drops", "--format", "json", "--noise", "show", "--events"])?.start()?;
    let drops = faults::run_fault(lab, fault.name, PACKETS)?;
    let records = |finished: Finished| finished.records();
    Ok((drops, [records(groups.stop()?)?, records(events.stop()?)?]))
}

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

fn check(lab: &Lab, expected: &[Drops], records: &Records) -> Result<()> {
    for drops in expected {
        let seen = records.packets(|record| is(lab, record, drops));
        ensure!(seen == drops.count, "{drops:?}, and plumb saw {seen}: {:#?}", in_lab(lab, records));
    }
    let strange = in_lab(lab, records)
        .into_iter()
        .find(|record| !expected.iter().any(|drops| is(lab, record, drops)) && !is_background(record));
    match strange {
        Some(record) => bail!("not expected: {record}"),
        None => Ok(()),
    }
}

fn in_lab<'a>(lab: &Lab, records: &'a Records) -> Vec<&'a Value> {
    let drops =
        records.0.iter().filter(|record| record["record"] == "drop_group" || record["record"] == "drop");
    drops.filter(|record| host_of(lab, record).is_some()).collect()
}

/// One lab for all faults: each leaves it as it found it, and a fault that does not is found by the next one.
#[test]
fn every_fault_is_counted_exactly() -> TestResult {
    let lab = Lab::new()?;
    let kernel = KernelVersion::running()?;
    let mut failures = Vec::new();
    let mut reasons = BTreeSet::new();
    for fault in faults::all() {
        let (expected, both) = match observe(&lab, fault) {
            Ok(observed) => observed,
            Err(error) => {
                failures.push(format!("{}: {error:#}", fault.name));
                continue;
            }
        };
        for (mode, records) in ["groups", "events"].iter().zip(&both) {
            if let Err(error) = check(&lab, &expected, records) {
                failures.push(format!("{} ({mode}): {error:#}", fault.name));
            }
        }
        reasons.extend(expected.iter().filter(|drops| drops.count > 0).map(|drops| drops.expect.reason));
        println!("{}: {} groups of drops as expected", fault.name, expected.len());
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
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
