//! `cargo xtask bench`: `plumb bench` of a release build, with the rivals installed.

use anyhow::Result;

use crate::plumb::{self, Profile};
use crate::repo::Repo;
use crate::{run, setup};

/// `cargo xtask bench`
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which bench: `drops`, `xdp`, `features`, `traffic` or `latency`, none for that of readers; further words go to
    /// `plumb bench`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Sets up with the rivals, builds and measures.
pub(crate) fn run(repo: &Repo, args: &Args) -> Result<()> {
    setup::ensure(repo, setup::Scope::Bench)?;
    let plumb = plumb::build(repo, Profile::Release)?;
    run::run(run::as_root(&plumb)?.arg("bench").args(&args.words))
}
