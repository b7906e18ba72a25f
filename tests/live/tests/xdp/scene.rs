//! What the tests share: `plumb xdp run` in a lab whose hosts keep silent.

use anyhow::{Context, Result, ensure};
use plumb_lab::Host;
pub(crate) use plumb_live::silent::Scene;
use plumb_live::{Finished, Plumb, Records, Running, wait_for};
use serde_json::Value;

/// `plumb xdp run` on a host's interface, from outside of its namespace.
pub(crate) fn on(host: &Host, args: &[&str]) -> Result<Plumb> {
    let common = ["xdp", "run", "-i", host.interface, "--netns", host.netns.name(), "--format", "json"];
    Plumb::new(&[&common, args].concat())
}

/// Sum of a number over the records of a kind that `wanted` accepts.
pub(crate) fn sum(records: &Records, kind: &str, number: &str, wanted: impl Fn(&Value) -> bool) -> u64 {
    records.of(kind).filter(|record| wanted(record)).filter_map(|record| record[number].as_u64()).sum()
}

/// Waits until so many packets are written, by a run with a short --interval or with --events.
pub(crate) fn wait_for_packets(running: &Running, packets: u64) -> Result<()> {
    let mut came = 0;
    let waited = wait_for("packets to be counted", || {
        let records = Records::parse(&running.lines_since(0)?)?;
        let counted = sum(&records, "xdp_action", "packets", |_| true);
        came = counted + records.of("xdp_packet").count() as u64;
        Ok(came >= packets)
    });
    waited.with_context(|| format!("{came} of {packets} came"))
}

/// Its records; nothing may have been lost.
pub(crate) fn complete(finished: &Finished) -> Result<Records> {
    let records = finished.records()?;
    ensure!(records.ledger()?["complete"] == true, "{}", records.ledger()?);
    Ok(records)
}
