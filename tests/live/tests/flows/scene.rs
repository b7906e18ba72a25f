//! What the tests share: `plumb flows` on a host's interface.

use anyhow::{Context, Result, ensure};
use plumb_lab::Host;
use plumb_live::{Finished, Plumb, Records, Running, wait_for};
use serde_json::Value;

/// The hooks that see what comes, by the arguments that choose them.
pub(crate) const HOOKS: [&[&str]; 3] =
    [&["--hook", "tc"], &["--hook", "xdp", "--mode", "native"], &["--hook", "xdp", "--mode", "generic"]];

/// `plumb flows` on a host's interface, from outside of its namespace.
pub(crate) fn on(host: &Host, args: &[&str]) -> Result<Plumb> {
    let common = ["flows", "-i", host.interface, "--netns", host.netns.name(), "--format", "json"];
    Plumb::new(&[&common, args].concat())
}

/// Its records; nothing may have been lost.
pub(crate) fn complete(finished: &Finished) -> Result<Records> {
    let records = finished.records()?;
    ensure!(records.ledger()?["complete"] == true, "{}", records.ledger()?);
    Ok(records)
}

/// Waits until a run has written so many flows, and returns them.
pub(crate) fn wait_for_flows(running: &Running, count: usize) -> Result<Vec<Value>> {
    let mut flows = Vec::new();
    let waited = wait_for("flows to be written", || {
        flows = Records::parse(&running.lines_since(0)?)?.of("flow").cloned().collect();
        Ok(flows.len() >= count)
    });
    waited.with_context(|| format!("{} of {count} came", flows.len()))?;
    Ok(flows)
}

/// Packets of all flows.
pub(crate) fn packets(records: &Records) -> u64 {
    records.of("flow").filter_map(|flow| flow["packets"].as_u64()).sum()
}
