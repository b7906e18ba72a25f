//! Programs of others: compiled by clang, attached by `ip`.

use anyhow::{Context, Result, ensure};
use plumb_lab::Host;
use plumb_live::machine::emulated;
use plumb_live::{Finished, Object, Plumb, Records, Running};
use serde_json::Value;

/// `foreign.bpf.c`, compiled.
pub(crate) struct Foreign {
    object: Object,
}

impl Foreign {
    pub(crate) fn compile() -> Result<Self> {
        Ok(Self { object: Object::compile("tests/xdp_foreign/foreign.bpf.c")? })
    }

    /// Where the object lies.
    pub(crate) fn object(&self) -> String {
        self.object.path()
    }

    /// Attaches the program of a section, in a mode that `ip` has a word for.
    pub(crate) fn attach(&self, host: &Host, word: &str, section: &str) -> Result<()> {
        let line = format!("link set dev {} {word} obj {} sec {section}", host.interface, self.object());
        let words: Vec<&str> = ["ip"].into_iter().chain(line.split(' ')).collect();
        host.tool(&words).map(drop).context("ip link set xdp")
    }
}

/// The kernel's id of the program on the host's interface, as `ip` tells it.
pub(crate) fn id(host: &Host) -> Result<u64> {
    let shown = host.tool(&["ip", "-j", "-d", "link", "show", "dev", host.interface])?;
    let links: Value = serde_json::from_str(&shown)?;
    links[0]["xdp"]["prog"]["id"].as_u64().with_context(|| format!("a program in {links}"))
}

/// `plumb xdp stats` or `time`, on the host's interface.
pub(crate) fn watch(host: &Host, what: &str, args: &[&str]) -> Result<Running> {
    let common = ["xdp", what, "-i", host.interface, "--netns", host.netns.name(), "--format", "json"];
    Plumb::new(&[&common, args].concat())?.start()
}

/// The records of a run that was complete, by the mechanism that this machine has: where fentry is to be had, it was had.
pub(crate) fn told(finished: &Finished) -> Result<(Records, bool)> {
    let records = finished.records()?;
    ensure!(records.ledger()?["complete"] == true, "{}", records.ledger()?);
    let fentry = records.of("xdp_action").any(|record| record["mechanism"] == "fentry");
    ensure!(fentry || !emulated(), "the VM's kernel has fentry: {}", finished.stderr);
    ensure!(fentry || finished.stderr.contains("BPF statistics are on"), "{}", finished.stderr);
    Ok((records, fentry))
}

/// The one record with this action.
pub(crate) fn action<'a>(records: &'a Records, action: &Value) -> Result<&'a Value> {
    let mut found = records.of("xdp_action").filter(|record| record["action"] == *action);
    let one = found.next().with_context(|| format!("{action} in {records:#?}"))?;
    ensure!(found.next().is_none(), "{records:#?}");
    Ok(one)
}
