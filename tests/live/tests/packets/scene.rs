//! What the tests share: `plumb packets` on a host's interface, and every hook that it has.

use anyhow::{Context, Result, ensure};
use plumb_lab::{Host, KernelVersion};
use plumb_live::{Finished, Plumb, Records, Running, wait_for};

/// Where packets are seen: the arguments that choose the hook, and what the session says of it on this kernel.
pub(crate) fn hooks() -> Result<[(&'static [&'static str], &'static str); 3]> {
    Ok([
        (&["--hook", "tc"], tc()?),
        (&["--hook", "xdp", "--mode", "native"], "xdp native"),
        (&["--hook", "xdp", "--mode", "generic"], "xdp generic"),
    ])
}

/// How TC programs are attached here: by links since 6.6.
pub(crate) fn tc() -> Result<&'static str> {
    Ok(if KernelVersion::running()? < KernelVersion(6, 6) { "clsact" } else { "tcx" })
}

/// `plumb packets` on a host's interface, from outside of its namespace.
pub(crate) fn on(host: &Host, args: &[&str]) -> Result<Plumb> {
    let common = ["packets", "-i", host.interface, "--netns", host.netns.name(), "--format", "json"];
    Plumb::new(&[&common, args].concat())
}

/// Waits until so many records are written.
pub(crate) fn wait_for_records(running: &Running, count: usize) -> Result<()> {
    let mut came = 0;
    let waited = wait_for("packets to be written", || {
        came = Records::parse(&running.lines_since(0)?)?.of("packet").count();
        Ok(came >= count)
    });
    waited.with_context(|| format!("{came} of {count} came"))
}

/// Its records; nothing may have been lost.
pub(crate) fn complete(finished: &Finished) -> Result<Records> {
    let records = finished.records()?;
    ensure!(records.ledger()?["complete"] == true, "{}", records.ledger()?);
    Ok(records)
}

/// What hangs at TC of a host's interface, as `tc` shows it.
pub(crate) fn filters(host: &Host) -> Result<String> {
    let show = |what: &str| host.tool(&["tc", "filter", "show", "dev", host.interface, what]);
    let qdiscs = host.tool(&["tc", "qdisc", "show", "dev", host.interface])?;
    Ok([qdiscs, show("ingress")?, show("egress")?].concat())
}
