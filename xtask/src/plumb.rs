//! Building the binary `plumb`.

use std::path::PathBuf;

use anyhow::Result;

use crate::repo::Repo;
use crate::run;

/// How it is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// For asking it about itself.
    Dev,
    /// As users get it.
    Release,
}

/// Builds plumb and tells where it is.
pub(crate) fn build(repo: &Repo, profile: Profile) -> Result<PathBuf> {
    let mut cargo = run::cargo();
    cargo.args(["build", "--quiet", "--package=plumb-cli"]).current_dir(&repo.root);
    let directory = match profile {
        Profile::Dev => "debug",
        Profile::Release => {
            cargo.arg("--release");
            "release"
        }
    };
    run::run(&mut cargo)?;
    Ok(repo.target.join(directory).join("plumb"))
}
