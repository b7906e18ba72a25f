//! Packets, bytes and times of programs whose verdicts and cost are known.

use crate::foreign::{Foreign, action, id, told, watch};
use crate::scene::{Scene, complete, on, sum, wait_for_packets};
use anyhow::{Context, Result, ensure};
use plumb_lab::tools;
use plumb_live::{PACKETS, TestResult};
use serde_json::{Value, json};
use std::io::Write;

const LENGTH: usize = 100;
/// What veth does not count of a packet that a stack sent.
pub(crate) const ETHERNET: usize = 14;

/// Four verdicts in turn: a quarter of the packets has each.
#[test]
fn a_known_mix_is_counted_exactly() -> TestResult {
    let (scene, foreign) = (Scene::new()?, Foreign::compile()?);
    let host = scene.receiver();
    foreign.attach(host, "xdpdrv", "xdp")?;
    // What came before is nobody's.
    scene.send(LENGTH, 4)?;
    for (what, more) in [("stats", &[][..]), ("time", &[]), ("stats", &["--interval", "20ms"])] {
        let plumb = watch(host, what, more)?;
        scene.send(LENGTH, 4 * PACKETS)?;
        let (records, fentry) = told(&plumb.stop()?)?;
        ensure!(records.account("seen")? == 4 * PACKETS, "{}", records.ledger()?);
        let count = |name: &str, wanted: &dyn Fn(&Value) -> bool| sum(&records, "xdp_action", name, wanted);
        if fentry {
            for verdict in ["DROP", "PASS", "TX", "ABORTED"] {
                let ours = |record: &Value| record["action"] == verdict && record["program"] == "foreign_mix";
                let told = (count("packets", &ours), count("bytes", &ours));
                ensure!(told == (PACKETS, PACKETS * LENGTH as u64), "{verdict}: {told:?}: {records:#?}");
            }
        } else {
            let sum = |record: &Value| record["action"].is_null() && record["interface"] == host.interface;
            let told = (count("packets", &sum), count("bytes", &sum), count("drops", &sum));
            let expected = (4 * PACKETS, 4 * PACKETS * (LENGTH - ETHERNET) as u64, 2 * PACKETS);
            ensure!(told == expected, "{told:?}, not {expected:?}: {records:#?}");
        }
    }
    Ok(())
}

/// What a run of the program takes here, without an interface: the kernel's own measurement (BPF_PROG_TEST_RUN).
fn calibrated(program: u64) -> Result<u64> {
    /// Runs that are measured together, and how often: the least is of those that nothing interrupted.
    const RUNS: (&str, usize) = ("200", 5);
    let mut frame = tempfile::NamedTempFile::new()?;
    frame.write_all(&[0x5a; LENGTH])?;
    let (id, path) = (program.to_string(), frame.path().to_string_lossy().into_owned());
    let measure = |_| {
        let words =
            ["bpftool", "-j", "prog", "run", "id", &id, "data_in", &path, "data_out", "-", "repeat", RUNS.0];
        let told: Value = serde_json::from_str(&tools::run(&words, "")?)?;
        told["duration"].as_u64().with_context(|| format!("duration in {told}"))
    };
    let all = (0..RUNS.1).map(measure).collect::<Result<Vec<u64>>>()?;
    all.into_iter().min().context("a measurement")
}

/// The program takes 20 us at least, and what the machine makes of that is measured first.
#[test]
fn a_known_cost_is_told() -> TestResult {
    const AT_LEAST: u64 = 20_000;
    let (scene, foreign) = (Scene::new()?, Foreign::compile()?);
    foreign.attach(scene.receiver(), "xdpdrv", "xdp.loop")?;
    let takes = calibrated(id(scene.receiver())?)?;
    ensure!(takes >= AT_LEAST, "{takes} ns");
    let plumb = watch(scene.receiver(), "time", &[])?;
    scene.send(LENGTH, PACKETS)?;
    let (records, fentry) = told(&plumb.stop()?)?;
    let record = action(&records, &if fentry { json!("DROP") } else { Value::Null })?;
    let time = |name: &str| record[name].as_u64().with_context(|| format!("{name} in {record}"));
    let cost = time("clock_cost_ns")?;
    ensure!(time("mean_ns")? >= AT_LEAST && cost > 0, "{record}");
    // A bucket (1/16) below and above, and what an empty program shows; a mean has interrupted runs in it.
    let expected = AT_LEAST * 15 / 16..=takes * 17 / 16 + cost;
    if fentry {
        ensure!(expected.contains(&time("p50_ns")?), "{expected:?}: {record}");
        ensure!(time("max_ns")? >= AT_LEAST, "{record}");
    } else {
        ensure!(
            (*expected.start()..=expected.end() * 5 / 4).contains(&time("mean_ns")?),
            "{expected:?}: {record}"
        );
        ensure!(record["p50_ns"].is_null() && record["max_ns"].is_null(), "{record}");
    }
    Ok(())
}

/// Without a type for its context, the kernel does not let it be traced, and its statistics tell of it.
#[test]
fn a_program_without_types_is_counted() -> TestResult {
    let (scene, foreign) = (Scene::new()?, Foreign::compile()?);
    let host = scene.receiver();
    foreign.attach(host, "xdpdrv", "xdp.untyped")?;
    let plumb = watch(host, "stats", &[])?;
    scene.send(LENGTH, PACKETS)?;
    let finished = plumb.stop()?;
    let records = complete(&finished)?;
    let record = action(&records, &Value::Null)?;
    ensure!(record["mechanism"] == "statistics" && record["packets"] == PACKETS, "{record}");
    ensure!(
        record["drops"] == PACKETS && finished.stderr.contains("no struct xdp_md *"),
        "{}",
        finished.stderr
    );
    Ok(())
}

/// The program's own counts are the oracle; its packets come in fragments.
#[test]
fn fragments_are_counted() -> TestResult {
    const LENGTH: usize = 9014;
    let scene = Scene::with_mtu(9000)?;
    for mode in ["native", "generic"] {
        let args = ["--action", "drop", "--mode", mode, "--interval", "20ms"];
        let theirs = on(scene.receiver(), &args)?.start()?;
        let plumb = watch(scene.receiver(), "stats", &[])?;
        scene.send(LENGTH, PACKETS)?;
        wait_for_packets(&theirs, PACKETS)?;
        let (records, fentry) = told(&plumb.stop()?)?;
        let counted = complete(&theirs.stop()?)?;
        let record = action(&records, &if fentry { json!("DROP") } else { Value::Null })?;
        ensure!(record["packets"] == PACKETS && record["mode"] == mode, "{record}");
        let bytes = sum(&counted, "xdp_action", "bytes", |_| true);
        ensure!(bytes == PACKETS * LENGTH as u64, "{bytes}");
        match (fentry, mode) {
            (true, _) => ensure!(record["bytes"] == bytes, "{record}"),
            (false, "native") => ensure!(record["bytes"] == bytes - PACKETS * ETHERNET as u64, "{record}"),
            // The driver counts nothing of it, which is not zero.
            (false, _) => ensure!(record["bytes"].is_null() && record["drops"].is_null(), "{record}"),
        }
    }
    Ok(())
}

#[test]
fn programs_are_found_by_name_and_id_on_all_their_interfaces() -> TestResult {
    let scene = Scene::new()?;
    let theirs = on(scene.receiver(), &["--action", "drop"])?.start()?;
    let listed = plumb_live::Plumb::new(&["xdp", "list", "--format", "json"])?.finish()?;
    let listed = plumb_live::Records::parse(&listed.stdout)?;
    let inode = scene.receiver().netns.inode();
    let id = listed.of("xdp_program").find(|record| record["netns"] == inode);
    let id = id.and_then(|record| record["program_id"].as_u64()).context("the program's id")?;
    let number = id.to_string();
    for selector in [["--prog-id", &number], ["--prog-name", "xdp_run"]] {
        let args = ["xdp", "stats", "--format", "json"];
        let plumb = plumb_live::Plumb::new(&[&args[..], &selector].concat())?.start()?;
        scene.send(LENGTH, PACKETS)?;
        let (records, fentry) = told(&plumb.stop()?)?;
        let ours =
            |record: &Value| record["program_id"] == id && record["interface"] == scene.receiver().interface;
        let packets = sum(&records, "xdp_action", "packets", ours);
        ensure!(packets == PACKETS, "{selector:?}, fentry {fentry}: {packets}: {records:#?}");
    }
    theirs.stop()?.records().map(drop)
}

#[test]
fn cpus_are_told_where_they_are_known() -> TestResult {
    let (scene, foreign) = (Scene::new()?, Foreign::compile()?);
    foreign.attach(scene.receiver(), "xdpgeneric", "xdp.pass")?;
    let plumb = watch(scene.receiver(), "stats", &["--by", "cpu"])?;
    scene.send(LENGTH, PACKETS)?;
    let finished = plumb.stop()?;
    let (records, fentry) = told(&finished)?;
    ensure!(records.of("xdp_action").all(|record| record["cpu"].is_u64() == fentry), "{records:#?}");
    ensure!(fentry || finished.stderr.contains("which CPU"), "{}", finished.stderr);
    ensure!(sum(&records, "xdp_action", "packets", |_| true) == PACKETS, "{records:#?}");
    Ok(())
}

#[test]
fn tail_calls_are_said() -> TestResult {
    let (scene, foreign) = (Scene::new()?, Foreign::compile()?);
    foreign.attach(scene.receiver(), "xdpdrv", "xdp.jump")?;
    let plumb = watch(scene.receiver(), "time", &[])?;
    scene.send(LENGTH, PACKETS)?;
    let finished = plumb.stop()?;
    let (records, _) = told(&finished)?;
    ensure!(finished.stderr.contains("tail calls"), "{}", finished.stderr);
    ensure!(records.account("seen")? == PACKETS, "{}", records.ledger()?);
    Ok(())
}
