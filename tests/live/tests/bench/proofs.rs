//! What is known beforehand is what is measured.

use super::scene::{low_rate, number, row, rows};
use anyhow::{Context, ensure};
use plumb_live::{TestResult, machine};
use std::fs;

#[test]
fn a_known_cost_is_measured() -> TestResult {
    const BURNT_NS: f64 = 100_000.0;
    let rows = rows(low_rate(), &["--readers", "af_packet_ring,proof_burns_100us", "--for", "2s"])?;
    let cost = |reader| number(row(&rows, reader)?, "process_cpu_ns_per_packet");
    // The same way of reading, with and without.
    let found = cost("proof_burns_100us")? - cost("af_packet_ring")?;
    // Under emulation reading the clock takes tens of microseconds, and so does what is around it.
    let most = if machine::emulated() { 6.0 } else { 1.05 };
    ensure!((0.95..=most).contains(&(found / BURNT_NS)), "{found} ns of {BURNT_NS} were measured");
    let burning = row(&rows, "proof_burns_100us")?;
    ensure!(burning["valid"] == true && burning["lost"] == 0, "{burning:#}");
    Ok(())
}

#[test]
fn a_known_loss_is_counted_exactly() -> TestResult {
    let rows = rows(low_rate(), &["--readers", "proof_drops_every_10th", "--for", "500ms"])?;
    let dropping = row(&rows, "proof_drops_every_10th")?;
    let [offered, received, lost] =
        ["offered", "received", "lost"].map(|column| dropping[column].as_u64().unwrap_or_default());
    ensure!(offered > 0 && lost == offered / 10 && received == offered - lost, "{dropping:#}");
    // What it has it has right.
    ensure!(dropping["valid"] == true, "{dropping:#}");
    Ok(())
}

#[test]
fn all_readers_agree_at_a_low_rate_and_the_report_has_them() -> TestResult {
    let folder = tempfile::tempdir()?;
    let report = folder.path().join("report.html");
    let rows = rows(low_rate(), &["--for", "1s", "-o", report.to_str().context("a path")?])?;
    let text = fs::read_to_string(&report)?;
    let readers = ["none", "af_packet_recv", "af_packet_ring", "af_xdp", "packets", "packets_json", "flows"];
    for reader in readers {
        let row = row(&rows, reader)?;
        ensure!(row["valid"] == true, "{row:#}");
        let offered = row["offered"].as_u64().unwrap_or_default();
        // A second and what comes before it, and a generator that may be late.
        ensure!(offered > if low_rate() == "2k" { 2000 } else { 50 }, "{row:#}");
        let delayed = !["none", "packets_json", "flows"].contains(&reader);
        ensure!(
            row["delay_p50_ns"].is_u64() == delayed && row["delay_from"].is_string() == delayed,
            "{row:#}"
        );
        ensure!(row["machine_busy_share"].as_f64().is_some_and(|busy| busy > 0.0), "{row:#}");
        ensure!(row["process_cpu_ns_per_packet"].is_null() == (reader == "none"), "{row:#}");
        if reader != "none" {
            ensure!(row["received"] == row["offered"] && row["lost"] == 0, "{row:#}");
            ensure!(row["process_cpu_of_baseline"].is_f64() && row["peak_rss_bytes"].is_u64(), "{row:#}");
        }
        ensure!(text.matches(&format!("<td>{reader}</td>")).count() >= 2, "{reader} is not in the report");
    }
    ensure!(row(&rows, "packets")?["delay_from"] == "hook", "stamps are not in records");
    Ok(())
}

#[test]
fn a_line_goes_through_two_rates() -> TestResult {
    let rates = if machine::emulated() { "50,200" } else { "1k,20k" };
    let rows = rows(rates, &["--readers", "af_packet_recv", "--for", "500ms"])?;
    let found = rows.iter().filter(|row| row["record"] == "bench_reader").count();
    let line = rows.iter().find(|row| row["record"] == "bench_reader_fit" && row["of"] == "process");
    let line = line.with_context(|| format!("no line: {rows:#?}"))?;
    ensure!(found == 4 && line["points"] == 2, "{found} rows, {line:#}");
    ensure!(
        number(line, "ns_per_packet")? > 0.0 && number(line, "projected_10g_64_bytes_cpus")? > 0.0,
        "{line:#}"
    );
    Ok(())
}
