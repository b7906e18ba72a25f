//! Names against what the kernel itself says of them, and the commands that explain and examine.

use crate::scene::{complete, reasons, wait_for_drops, watch_host};
use anyhow::{Context, Result, ensure};
use plumb_lab::Lab;
use plumb_lab::frames::{Family, Path};
use plumb_live::{Plumb, Records, TestResult};
use plumb_records::explain;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

/// What `plumb ARGS` prints; it must end well.
fn printed(args: &[&str]) -> Result<String> {
    let finished = Plumb::new(args)?.finish()?;
    ensure!(finished.status.success(), "{args:?}: {}: {}", finished.status, finished.stderr);
    Ok(finished.stdout)
}

/// The list of explained reasons by number, of those that this kernel has.
fn listed() -> Result<BTreeMap<u32, Value>> {
    let list: Value = serde_json::from_str(&printed(&["explain", "--list", "--format", "json"])?)?;
    let reasons = list["reasons"].as_array().context("a list")?.iter();
    let numbered =
        reasons.filter_map(|entry| Some((u32::try_from(entry["reason_id"].as_u64()?).ok()?, entry.clone())));
    Ok(numbered.collect())
}

/// Numbers come from BTF; the tracepoint's own table says the same, and each one is explained.
#[test]
fn every_reason_of_this_kernel_is_named_and_explained() -> TestResult {
    let (kernel, listed) = (reasons()?, listed()?);
    ensure!(kernel.len() >= 50, "the kernel names {} reasons only", kernel.len());
    for (number, name) in kernel.iter().filter(|(_, name)| !explain::is_marker(name)) {
        let entry = listed.get(number).with_context(|| format!("{name} ({number}) is not listed"))?;
        ensure!(entry["reason"] == **name, "{number} is {name}: {entry}");
        ensure!(entry["summary"].as_str().is_some_and(|text| !text.is_empty()), "{name} is not explained");
        ensure!(explain::find(name).is_some(), "{name} has no entry");
    }
    for (number, entry) in &listed {
        let name = entry["reason"].as_str().context("a name")?;
        ensure!(entry["summary"].is_string(), "{name} ({number}), which BTF names, is not explained");
    }
    Ok(())
}

#[test]
fn an_explanation_is_found_by_name_and_number() -> TestResult {
    let number = reasons()?.into_iter().find(|(_, name)| name == "NO_SOCKET").context("NO_SOCKET")?.0;
    let by_name = printed(&["explain", "NO_SOCKET"])?;
    for word in ["no_socket", "SKB_DROP_REASON_NO_SOCKET", &number.to_string()] {
        ensure!(printed(&["explain", word])? == by_name, "explain {word}");
    }
    ensure!(by_name.contains(&format!("Number on this kernel: {number}")), "{by_name}");
    let json: Value = serde_json::from_str(&printed(&["explain", "NO_SOCKET", "--format", "json"])?)?;
    ensure!(json["reason_id"] == number && json["what"].is_string() && json["next"].is_array(), "{json}");
    let list = printed(&["explain", "--list"])?;
    for name in reasons()?.values().filter(|name| !explain::is_marker(name)) {
        ensure!(list.contains(name.as_str()), "the list has no {name}");
    }
    Plumb::new(&["explain", "NO_SOCKETS"])?
        .finish()?
        .failed_with(2, &["NO_SOCKETS", "did you mean NO_SOCKET"])
}

#[test]
fn the_doctor_finds_that_drops_can_run() -> TestResult {
    let text = printed(&["doctor"])?;
    let report: Value = serde_json::from_str(&printed(&["doctor", "--format", "json"])?)?;
    let one = |list: &str, name: &str, value: &str| -> Result<Value> {
        let all = report[list].as_array().with_context(|| format!("no {list}: {report}"))?;
        all.iter().find(|one| one[name] == value).cloned().with_context(|| format!("no {value}: {report}"))
    };
    ensure!(one("commands", "command", "drops")?["runs"] == true && text.contains("plumb drops can run."));
    let btf = fs::metadata("/sys/kernel/btf/vmlinux")?.len().to_string();
    let jit = fs::read_to_string("/proc/sys/net/core/bpf_jit_enable")?;
    for (fact, found) in
        [("btf", btf.as_str()), ("jit", jit.trim()), ("CAP_BPF", "held"), ("tp_btf", "works")]
    {
        let fact = one("facts", "fact", fact)?;
        ensure!(
            fact["usable"] == true && fact["found"].as_str().is_some_and(|text| text.contains(found)),
            "{fact}"
        );
    }
    Ok(())
}

/// Locations against a linear search in /proc/kallsyms for the nearest code symbol that is not above the address, which
/// comes back as the start of the symbol plus the offset.
#[test]
fn a_location_is_where_kallsyms_says() -> TestResult {
    let lab = Lab::new()?;
    let watching = watch_host(lab.receiver(), &["--stack"])?;
    let path = Path::between(lab.sender(), lab.receiver());
    let socket = lab.sender().packet_sender()?;
    for family in [Family::V4, Family::V6] {
        socket.repeat(&path.udp(family, (40_000, 5000), b"x")?, 1)?;
        socket.repeat(&path.tcp(family, etherparse::TcpHeader::new(40_000, 5000, 1, 1), b"")?, 1)?;
    }
    wait_for_drops(&watching, 4, |_| true)?;
    let records = complete(&watching.stop()?)?;
    let symbols = Symbols::read()?;
    let mut checked = 0;
    for location in locations(&records) {
        symbols.check(location).with_context(|| location.to_owned())?;
        checked += 1;
    }
    ensure!(checked > 20, "only {checked} locations");
    Ok(())
}

/// Every location and every frame of a stack.
fn locations(records: &Records) -> impl Iterator<Item = &str> {
    records.of("drop").flat_map(|drop| {
        let frames = drop["stack"].as_array().into_iter().flatten();
        frames.chain([&drop["location"]]).filter_map(Value::as_str)
    })
}

/// Every code symbol, in the order in which the kernel printed them.
struct Symbols(Vec<(u64, String)>);

impl Symbols {
    fn read() -> Result<Self> {
        let text = fs::read_to_string("/proc/kallsyms")?;
        let code = text.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let address = u64::from_str_radix(words.next()?, 16).ok()?;
            let kind = words.next()?;
            let name = words.next()?;
            let module = words.next().map(|module| format!(" {module}")).unwrap_or_default();
            matches!(kind, "t" | "T" | "w" | "W").then(|| (address, format!("{name}{module}")))
        });
        Ok(Self(code.collect()))
    }

    /// `symbol+0xoffset [module]` names an existing symbol, and no other one lies between its start and the address.
    fn check(&self, location: &str) -> Result<()> {
        let (name, rest) = location.split_once("+0x").context("symbol+0xoffset")?;
        let (offset, module) =
            rest.split_once(' ').map_or((rest, String::new()), |(at, module)| (at, format!(" {module}")));
        let (offset, name) = (u64::from_str_radix(offset, 16)?, format!("{name}{module}"));
        let starts = self.0.iter().filter(|(_, known)| *known == name).map(|(address, _)| *address);
        let mut nearest = starts.map(|start| {
            let between = self.0.iter().find(|(other, _)| *other > start && *other <= start + offset);
            between.is_none()
        });
        ensure!(nearest.any(|nearest| nearest), "no such symbol is the nearest one below");
        Ok(())
    }
}
