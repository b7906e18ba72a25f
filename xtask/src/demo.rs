//! `cargo xtask demo`: plumb at work on a network that is made for it and removed again.

use std::path::Path;

use anyhow::{Context, Result};

use crate::plumb::{self, Profile};
use crate::repo::Repo;
use crate::{run, setup};

/// Faults of every layer, from the link to the socket's buffer, that every kernel can be made to show.
const FAULTS: &[&str] = &[
    "link-unknown-vlan",
    "qdisc-tbf",
    "tc-ingress",
    "ip-bad-checksum",
    "ip-reverse-path",
    "ipv6-unknown-protocol",
    "route-missing",
    "nft-drop",
    "udp-closed-port",
    "udp-closed-port-v6",
    "udp-receive-buffer",
];

/// Enough packets for rates to be steady, few enough for any machine.
const RATE: &str = "500";

/// How long the drops are watched.
const TIME: &str = "8s";

/// Sets up, builds and shows `plumb drops` in the lab.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    setup::ensure(repo, setup::Scope::Lab)?;
    let plumb = plumb::build(repo, Profile::Release)?;
    run::run(run::as_root(&plumb)?.args(arguments(&plumb)?))
}

/// The words after `plumb`; `program` is the plumb that watches.
pub(crate) fn arguments(program: &Path) -> Result<Vec<String>> {
    let program = program.to_str().context("the path of plumb is not UTF-8")?;
    let faults = FAULTS.join(",");
    let words = ["lab", "--fault", &faults, "--rate", RATE, "--", program, "drops", "--for", TIME];
    Ok(words.map(str::to_owned).to_vec())
}
