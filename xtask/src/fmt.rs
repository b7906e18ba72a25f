//! `cargo xtask fmt`: one format for Rust and one for C.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::repo::{Repo, has_extension};
use crate::{run, setup};

/// Formats everything, or with `check` fails where something is not formatted.
pub(crate) fn run(repo: &Repo, check: bool) -> Result<()> {
    let mut cargo = run::cargo();
    cargo.args(["fmt", "--all"]).current_dir(&repo.root);
    if check {
        cargo.args(["--", "--check"]);
    }
    run::run(&mut cargo).context("Rust is not formatted: cargo xtask fmt")?;

    let sources: Vec<_> = repo.files()?.into_iter().filter(|file| is_c(file)).collect();
    if sources.is_empty() {
        return Ok(());
    }
    let mut clang = Command::new(setup::tool(repo, "clang-format"));
    clang.args(if check { ["--dry-run", "--Werror"].as_slice() } else { &["-i"] });
    clang.args(&sources).current_dir(&repo.root);
    run::run(&mut clang).context("C is not formatted: cargo xtask fmt")
}

fn is_c(file: &Path) -> bool {
    let ours = file.starts_with("bpf") || file.starts_with("crates/kernel");
    ours && has_extension(file, &["h", "c"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_our_c_alone() {
        assert!(is_c(Path::new("bpf/ring.bpf.h")));
        assert!(is_c(Path::new("crates/kernel/src/probes/drops/drops.bpf.c")));
        assert!(!is_c(Path::new("crates/kernel/src/ring.rs")));
        assert!(!is_c(Path::new("docs/example.c")));
    }
}
