//! How a run ends: what ends it, which exit code that gives, and what is said about what it could not see.

use crate::lifecycle::{EVENTS, GROUPS, REASON, exits, on_receiver, ours, provoke};
use anyhow::{Context, Result, ensure};
use plumb_lab::Lab;
use plumb_live::{PACKETS, Plumb, Records, TestResult, binary, wait_for};
use std::fs;
use std::process::Command;
use std::time::Instant;

#[test]
fn it_ends_after_its_time() -> TestResult {
    let start = Instant::now();
    let finished = Plumb::new(&[GROUPS, &["--for", "300ms"]].concat())?.finish()?;
    let lasted = finished.records()?.account("duration_ns")?;
    ensure!(lasted >= 300_000_000, "{lasted} ns");
    ensure!(u128::from(lasted) <= start.elapsed().as_nanos(), "{lasted} ns in {:?}", start.elapsed());
    Ok(())
}

#[test]
fn it_ends_after_so_many_records() -> TestResult {
    const COUNT: u64 = 5;
    let lab = Lab::new()?;
    let plumb = on_receiver(&lab, &[EVENTS, &["--count", &COUNT.to_string()]].concat())?.start()?;
    provoke(&lab, PACKETS)?;
    let finished = plumb.wait()?;
    ensure!(ours(&finished)? == COUNT, "{}", finished.stdout);
    let records = finished.records()?;
    ensure!(records.account("records")? == COUNT, "{}", finished.stdout);
    let rest = records.account("seen")? - records.account("filtered")?;
    ensure!(rest == COUNT, "what comes later is filtered: {}", finished.stdout);
    Ok(())
}

#[test]
fn a_closed_pipe_is_a_good_end() -> TestResult {
    let lab = Lab::new()?;
    let mut command = Command::new("bash");
    command.args(["-c", "\"$0\" \"$@\" | head -n 1; exit ${PIPESTATUS[0]}"]).arg(binary()?);
    let args = [EVENTS, &["--netns", lab.receiver().netns.name()]].concat();
    let plumb = Plumb::through(command, &args)?.start()?;
    wait_for("head to read its line", || Ok(plumb.read("stdout").ends_with('\n')))?;
    let mut plumb = Some(plumb);
    // head ends on its own time; what is written after that finds the pipe closed.
    for _ in 0..50 {
        provoke(&lab, 1)?;
        if plumb.as_mut().context("runs")?.ended()? {
            break;
        }
    }
    let finished = plumb.take().context("runs")?.wait()?;
    exits(&finished, 0)?;
    ensure!(finished.stderr.is_empty(), "{}", finished.stderr);
    Ok(())
}

#[test]
fn strict_refuses_incomplete_output() -> TestResult {
    let lab = Lab::new()?;
    for (sample, code) in [("1000000", 5), ("1", 0)] {
        let args = [GROUPS, &["--strict", "--sample", sample]].concat();
        let plumb = on_receiver(&lab, &args)?.start()?;
        provoke(&lab, PACKETS)?;
        let finished = plumb.stop()?;
        exits(&finished, code).with_context(|| format!("--sample {sample}"))?;
        let records = Records::parse(&finished.stdout)?;
        records.check_balance()?;
        ensure!(records.ledger()?["complete"] == (code == 0), "{}", finished.stdout);
    }
    Ok(())
}

#[test]
fn fail_over_fails_where_more_was_dropped() -> TestResult {
    let lab = Lab::new()?;
    for (most, code) in [((PACKETS - 1).to_string(), 1), (PACKETS.to_string(), 0), ("0/s".to_owned(), 1)] {
        let args = [GROUPS, &["--reason", REASON, "--fail-over", &most]].concat();
        let plumb = on_receiver(&lab, &args)?.start()?;
        ensure!(provoke(&lab, PACKETS)? == PACKETS, "a fault of {PACKETS}");
        let finished = plumb.stop()?;
        exits(&finished, code).with_context(|| format!("--fail-over {most}"))?;
        if code == 1 {
            finished.failed_with(1, &[&PACKETS.to_string(), "--fail-over", &most])?;
        }
    }
    Ok(())
}

#[test]
fn without_types_it_says_so_in_one_line() -> TestResult {
    let mut command = Command::new("unshare");
    command
        .args(["-m", "sh", "-c", "mount -t tmpfs none /sys/kernel/btf && exec \"$0\" \"$@\""])
        .arg(binary()?);
    let finished = Plumb::through(command, &["drops", "--for", "1s"])?.finish()?;
    finished.failed_with(3, &["plumb: ", "BTF", "CONFIG_DEBUG_INFO_BTF"])
}

/// A sysctl with another value, until it is dropped.
struct Sysctl {
    path: &'static str,
    before: String,
}

impl Sysctl {
    fn set(path: &'static str, value: &str) -> Result<Self> {
        let before = fs::read_to_string(path)?;
        fs::write(path, value)?;
        Ok(Self { path, before })
    }
}

impl Drop for Sysctl {
    fn drop(&mut self) {
        let _ = fs::write(self.path, self.before.trim());
    }
}

#[test]
fn hidden_addresses_are_null_and_explained() -> TestResult {
    let lab = Lab::new()?;
    let hidden = Sysctl::set("/proc/sys/kernel/kptr_restrict", "2")?;
    let plumb = on_receiver(&lab, GROUPS)?.start()?;
    drop(hidden);
    let dropped = provoke(&lab, PACKETS)?;
    let finished = plumb.stop()?;
    ensure!(ours(&finished)? == dropped, "{dropped}: {}", finished.stdout);
    let records = finished.records()?;
    ensure!(records.of("drop_group").all(|group| group["location"].is_null()), "{}", finished.stdout);
    let mut groups: Vec<_> =
        records.of("drop_group").map(|group| (&group["reason"], &group["ifindex"])).collect();
    let all = groups.len();
    groups.sort_by_key(|group| format!("{group:?}"));
    groups.dedup();
    ensure!(groups.len() == all, "groups that look the same: {}", finished.stdout);
    ensure!(finished.stderr.contains("kptr_restrict"), "not explained: {}", finished.stderr);
    Ok(())
}
