//! Rates, times and what is said of them.

use crate::scene::{number, send, sent, traffic, within};
use anyhow::{Context, ensure};
use plumb_live::TestResult;
use plumb_live::machine::emulated;
use serde_json::Value;
use std::time::Instant;

/// Whether a machine that is busy with other things kept a thread from its timetable for so long that it gave time up
/// (100 ms, see the engine's `pace`), or nearly so.
fn starved<'a>(records: impl IntoIterator<Item = &'a Value>) -> bool {
    records.into_iter().any(|record| record["late_max_ns"].as_u64().is_some_and(|late| late > 50_000_000))
}

#[test]
fn a_rate_over_a_time_is_a_count() -> TestResult {
    within(|lab| {
        let target = lab.receiver().v4.to_string();
        let (rate, frames) = if emulated() { ("200", 100) } else { ("10k", 5000) };
        for way in crate::scene::WAYS {
            let args = ["--dst", &target, "--rate", rate, "--for", "500ms", "--transport", way];
            let record = send(lab, &args)?;
            ensure!(number(&record, "offered")? == frames || starved([&record]), "{record}");
            for name in ["late_p50_ns", "late_p99_ns", "late_max_ns"] {
                number(&record, name)?;
            }
            // A machine that was held up has sent all in one go.
            for name in ["gap_p50_ns", "gap_max_ns"] {
                ensure!(number(&record, name).is_ok() || starved([&record]), "{record}");
            }
            // How close it comes to what was asked is the bench's to tell.
            let achieved = record["sent_per_s"].as_f64().context("a rate")?;
            let seconds = number(&record, "duration_ns")? as f64 / 1e9;
            let sent = number(&record, "sent")? as f64;
            ensure!((achieved * seconds - sent).abs() <= 1.0, "{record}");
        }
        Ok(())
    })
}

#[test]
fn bandwidth_is_of_whole_frames() -> TestResult {
    within(|lab| {
        let target = lab.receiver().v4.to_string();
        let args = ["--dst", &target, "--bandwidth", "1M", "--size", "1250", "--for", "500ms"];
        let record = send(lab, &args)?;
        let offered = number(&record, "offered")?;
        ensure!(offered == 50 || starved([&record]), "{record}");
        ensure!(number(&record, "offered_bytes")? == offered * 1250, "{record}");
        Ok(())
    })
}

#[test]
fn intervals_add_up() -> TestResult {
    within(|lab| {
        let target = lab.receiver().v4.to_string();
        let args =
            ["--dst", &target, "--rate", "1k", "--for", "600ms", "--interval", "100ms", "--threads", "2"];
        let finished = traffic(lab, &args)?.finish()?;
        let records = finished.records()?;
        let intervals: Vec<_> = records.of("traffic").collect();
        ensure!(intervals.len() >= 5, "{} intervals", intervals.len());
        let sum = |name: &str| intervals.iter().map(|record| number(record, name)).sum::<Result<u64, _>>();
        let (offered, starved) = (sum("offered")?, starved(intervals.iter().copied()));
        ensure!(offered == 600 || starved, "{offered}");
        let time = sum("duration_ns")?;
        ensure!(time.abs_diff(600_000_000) < 60_000_000 || starved, "{time}");
        ensure!(records.account("seen")? == offered && records.account("records")? == intervals.len() as u64);
        Ok(())
    })
}

#[test]
fn as_fast_as_possible_is_fast_and_says_what_was_not_taken() -> TestResult {
    within(|lab| {
        let target = lab.receiver().v4.to_string();
        for way in crate::scene::WAYS {
            let before = lab.receiver().nstat("UdpNoPorts")?;
            let finished =
                traffic(lab, &["--dst", &target, "--rate", "max", "--for", "300ms", "--transport", way])?
                    .finish()?;
            let record = sent(&finished)?;
            ensure!(record["asked_per_s"].is_null() && record["late_max_ns"].is_null(), "{record}");
            let sent = number(&record, "sent")?;
            ensure!(sent > if emulated() { 100 } else { 2_000 }, "{record}");
            // What the interface took is what the receiver had, unless its own backlog overflowed.
            plumb_lab::wait::for_count("datagrams", before + sent, || lab.receiver().nstat("UdpNoPorts"))?;
            let arrived = lab.receiver().nstat("UdpNoPorts")? - before;
            ensure!(arrived == sent, "{way}: {arrived} of {sent}: {record}");
        }
        Ok(())
    })
}

#[test]
fn a_run_takes_the_time_that_it_took() -> TestResult {
    within(|lab| {
        let target = lab.receiver().v4.to_string();
        for (args, frames) in [
            (&["--rate", "0.5", "--for", "300ms"][..], 1),
            (&["--rate", "0.0001", "--for", "300ms"], 1),
            (&["--rate", "0.5", "--count", "1"], 1),
            (&["--rate", "100", "--count", "21"], 21),
        ] {
            let start = Instant::now();
            let record = send(lab, &[&["--dst", &target], args].concat())?;
            let took = u64::try_from(start.elapsed().as_nanos())?;
            let said = number(&record, "duration_ns")?;
            ensure!(said <= took && number(&record, "sent")? == frames, "{args:?} took {took}: {record}");
            if args.contains(&"--for") {
                ensure!(said >= 300_000_000, "{args:?}: {record}");
            }
            match record["sent_per_s"].as_f64() {
                None => ensure!(frames == 1 && record["sent_per_s"].is_null(), "{args:?}: {record}"),
                // 21 frames have 20 pauses.
                Some(rate) => ensure!(frames == 21 && rate <= 100.1, "{args:?}: {record}"),
            }
        }
        Ok(())
    })
}
