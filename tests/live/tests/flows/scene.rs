//! What the tests share: `plumb flows` on a host's interface.

use anyhow::{Context, Result, ensure};
use plumb_lab::Host;
use plumb_lab::frames::{Family, Path};
use plumb_live::silent::Scene;
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

/// Sends so many packets of so many flows, which differ in their source ports, in turn.
pub(crate) fn send(scene: &Scene, flows: u16, packets: u64) -> Result<()> {
    let path = Path::between(scene.sender(), scene.receiver());
    let frame = |flow| path.udp(Family::V4, (20_000 + flow, 9), &[0x5a; 18]);
    let frames = (0..flows).map(frame).collect::<Result<Vec<_>, _>>()?;
    (0..packets).zip(frames.iter().cycle()).try_for_each(|(_, frame)| scene.send_frame(frame, 1))
}
