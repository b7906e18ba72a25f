//! JSON lines as a test wants them.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The records of one run.
#[derive(Clone, Debug, Default)]
pub struct Records(pub Vec<Value>);

impl Records {
    /// Parses lines; every one must be an object with a `record` field.
    pub fn parse(lines: &str) -> Result<Self> {
        let parsed = lines.lines().map(|line| {
            let value: Value = serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
            ensure!(value["record"].is_string(), "no record field: {line}");
            Ok(value)
        });
        Ok(Self(parsed.collect::<Result<_>>()?))
    }

    /// The records of a kind, in order.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |value| value["record"] == kind)
    }

    /// The last ledger.
    pub fn ledger(&self) -> Result<&Value> {
        self.of("ledger").last().context("no ledger")
    }

    /// A number of the last ledger.
    pub fn account(&self, name: &str) -> Result<u64> {
        self.ledger()?[name].as_u64().with_context(|| format!("no number {name} in the ledger"))
    }

    /// Packets of the groups and events that `wanted` accepts.
    pub fn packets(&self, wanted: impl Fn(&Value) -> bool) -> u64 {
        let groups = self.of("drop_group").filter(|group| wanted(group));
        let grouped: u64 = groups.filter_map(|group| group["packets"].as_u64()).sum();
        grouped + self.of("drop").filter(|drop| wanted(drop)).count() as u64
    }

    /// The account equals the sum of its parts, and the records written hold as many packets as it says.
    pub fn check_balance(&self) -> Result<()> {
        let parts = [
            "filtered",
            "sampled_out",
            "passed_over",
            "aggregated",
            "emitted",
            "lost_kernel",
            "lost_table_full",
            "lost_user",
            "under_way",
        ];
        let mut sum = 0;
        for part in parts {
            sum += self.account(part)?;
        }
        ensure!(self.account("seen")? == sum, "the ledger does not balance: {}", self.ledger()?);
        for kind in ["drop_group", "xdp_action"] {
            let grouped: u64 = self.of(kind).filter_map(|group| group["packets"].as_u64()).sum();
            if self.of(kind).next().is_some() {
                ensure!(grouped == self.account("aggregated")?, "{grouped} in groups: {}", self.ledger()?);
            }
        }
        for kind in ["drop", "journey", "xdp_packet"] {
            let emitted = self.of(kind).count() as u64;
            if emitted > 0 {
                ensure!(emitted == self.account("emitted")?, "{emitted} events: {}", self.ledger()?);
            }
        }
        // A super-packet is one record and several packets.
        let emitted: u64 = self.of("packet").filter_map(|packet| packet["gso_segments"].as_u64()).sum();
        if emitted > 0 {
            ensure!(emitted == self.account("emitted")?, "{emitted} packets: {}", self.ledger()?);
        }
        let other: u64 = self.of("packet_other").filter_map(|other| other["packets"].as_u64()).sum();
        ensure!(other == self.account("passed_over")?, "{other} others: {}", self.ledger()?);
        Ok(())
    }
}

/// The function of a `location`, without offset, module and the compiler's suffixes.
pub fn base_symbol(record: &Value) -> &str {
    record["location"].as_str().map_or("", plumb_records::enrich::kallsyms::function)
}
