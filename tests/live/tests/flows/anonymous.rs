//! Flows of a capture under other addresses.

use anyhow::{Context, Result, ensure};
use plumb_live::features::{corpus, text};
use plumb_live::{Plumb, TestResult};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::Path;

/// What is made of addresses.
const NAMED: [&str; 4] = ["src_ip", "dst_ip", "flow_id", "community_id"];

fn flows(capture: &Path, more: &[&str]) -> Result<(String, Vec<Value>)> {
    let path = text(capture);
    let mut arguments = vec!["flows", "--read", &path, "--level", "basic", "--format", "json"];
    arguments.extend(more);
    let finished = Plumb::new(&arguments)?.finish()?;
    let records = finished.records()?.of("flow").cloned().collect();
    Ok((finished.stdout, records))
}

/// What a flow counts, without what is made of its addresses, to those who have counted just that.
fn by_numbers(flows: Vec<Value>) -> Result<BTreeMap<String, Vec<[IpAddr; 2]>>> {
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for mut flow in flows {
        let address =
            |name: &str| flow[name].as_str().and_then(|text| text.parse().ok()).context("no address");
        let ends = [address("src_ip")?, address("dst_ip")?];
        let fields = flow.as_object_mut().context("no object")?;
        NAMED.iter().for_each(|name| drop(fields.remove(*name)));
        all.entry(flow.to_string()).or_default().push(ends);
    }
    Ok(all)
}

fn shared(a: IpAddr, b: IpAddr) -> Option<u32> {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => Some((a.to_bits() ^ b.to_bits()).leading_zeros()),
        (IpAddr::V6(a), IpAddr::V6(b)) => Some((a.to_bits() ^ b.to_bits()).leading_zeros()),
        _ => None,
    }
}

/// The same flows, each address as another one throughout, prefixes kept, and none of the old ones anywhere.
#[test]
fn addresses_become_others_and_nothing_else_does() -> TestResult {
    let folder = tempfile::tempdir()?;
    let capture = corpus(folder.path())?;
    let key = folder.path().join("key");
    fs::write(&key, "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef\n")?;
    let (_, plain) = flows(&capture, &[])?;
    let (output, hidden) = flows(&capture, &["--anonymize", &text(&key)])?;
    let (plain, hidden) = (by_numbers(plain)?, by_numbers(hidden)?);
    ensure!(plain.keys().eq(hidden.keys()), "more than the addresses became another");
    let mut others = BTreeMap::new();
    for (before, after) in plain.values().zip(hidden.values()) {
        ensure!(before.len() == after.len(), "{before:?} became {after:?}");
        let ([before], [after]) = (before.as_slice(), after.as_slice()) else { continue };
        for (before, after) in before.iter().zip(after) {
            let known = others.insert(*before, *after);
            ensure!(known.is_none_or(|known| known == *after), "{before} became {known:?} and {after}");
        }
    }
    ensure!(others.len() > 100, "only {} addresses are told apart", others.len());
    for (a, other) in &others {
        for (b, another) in &others {
            let before = shared(*a, *b);
            ensure!(before == shared(*other, *another), "{a} and {b} became {other} and {another}");
        }
    }
    let words: BTreeSet<&str> = output.split(['"', ' ', ',']).collect();
    let left: Vec<_> = others.keys().filter(|before| words.contains(before.to_string().as_str())).collect();
    ensure!(
        left.iter().all(|left| others.values().any(|other| other == *left)),
        "{left:?} can still be read"
    );
    Ok(())
}
