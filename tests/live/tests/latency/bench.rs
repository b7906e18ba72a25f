//! `plumb bench latency` measures each reader.

use anyhow::{Context, ensure};
use plumb_live::{TestResult, binary};
use serde_json::Value;
use std::process::Command;

#[test]
fn the_bench_has_a_row_for_each_reader() -> TestResult {
    let mut command = Command::new(binary()?);
    let output =
        command.args(["bench", "latency", "--repeat", "1", "--for", "200ms", "--format", "json"]).output()?;
    let (text, told) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    ensure!(output.status.success(), "{told}");
    let rows: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let row = |name: &str| rows.iter().find(|row| row["reader"] == name);
    for name in ["none", "floor", "plumb", "plumb-sample-16"] {
        let row = row(name).with_context(|| format!("no {name}: {rows:#?}"))?;
        let positive = |column: &str| row[column].as_f64().is_some_and(|value| value > 0.0);
        ensure!(row["record"] == "bench_latency" && row["repeats"] == 1, "{row:#}");
        ensure!(positive("exchanges_per_s") && positive("bulk_bytes_per_s"), "{row:#}");
        ensure!(row["overhead_ns"].is_null() == (name == "none"), "{row:#}");
        // Two packets with data, each by a dozen hooks; what else the machine does comes on top.
        let hooks = row["hooks_per_exchange"].as_f64();
        ensure!(
            if name == "none" { hooks.is_none() } else { hooks.is_some_and(|hooks| hooks > 15.0) },
            "{row:#}"
        );
    }
    let plumb = row("plumb").context("no plumb")?;
    ensure!(plumb["lost"] == 0 && plumb["complete"] == true && plumb["peak_rss_bytes"].is_u64(), "{plumb:#}");
    let sampled = row("plumb-sample-16").context("no plumb-sample-16")?;
    ensure!(sampled["complete"] == false, "{sampled:#}");
    // A rival that does not start is told rather than missed.
    for rival in ["bpftrace", "bpftrace-kprobe"] {
        let left_out = told.contains(&format!("plumb: {rival} is left out: "));
        ensure!(row(rival).is_some() != left_out, "{told}{rows:#?}");
    }
    Ok(())
}
