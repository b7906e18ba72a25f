//! `cargo xtask demo`: plumb at work on a network that is made for it and removed again.

use anyhow::Result;

use crate::plumb::{self, Profile};
use crate::repo::Repo;
use crate::{run, setup};

/// Faults with different reasons in different layers, on kernels that have no netem too.
const FAULTS: &str = "udp-closed-port,nft-drop,udp-rcvbuf-full";

/// How long the drops are watched.
const SECONDS: &str = "8s";

/// Sets up, builds and shows `plumb drops` in the lab.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    setup::ensure(repo, setup::Scope::Lab)?;
    let plumb = plumb::build(repo, Profile::Release)?;
    let mut lab = run::as_root(&plumb)?;
    lab.args(["lab", "--fault", FAULTS, "--"]).arg(&plumb).args(["drops", "--for", SECONDS]);
    run::run(&mut lab)
}
