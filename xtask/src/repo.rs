//! Where things are: the workspace, its build directory, its files.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result};

use crate::run;

/// The checkout that `cargo xtask` was called in.
pub(crate) struct Repo {
    /// The directory of the workspace's Cargo.toml.
    pub(crate) root: PathBuf,
    /// Cargo's target directory.
    pub(crate) target: PathBuf,
}

impl Repo {
    /// Asks cargo, which knows about CARGO_TARGET_DIR and configuration files.
    pub(crate) fn find() -> Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").context("not called as `cargo xtask`")?;
        let metadata = run::capture(
            run::cargo().args(["metadata", "--no-deps", "--format-version=1"]).current_dir(&manifest),
        )?;
        let metadata: serde_json::Value = serde_json::from_str(&metadata).context("cargo metadata")?;
        let path = |key: &str| {
            metadata[key].as_str().map(PathBuf::from).with_context(|| format!("cargo metadata has no {key}"))
        };
        Ok(Self { root: path("workspace_root")?, target: path("target_directory")? })
    }

    /// Programs from Python packages live here and not on the machine.
    pub(crate) fn venv(&self) -> PathBuf {
        self.target.join("venv")
    }

    /// The same for the readers of columnar files that tests use, which are large.
    pub(crate) fn readers(&self) -> PathBuf {
        self.target.join("readers")
    }

    /// Every file of the project, sorted, relative to the root: all but what `.gitignore` names and `.git`.
    ///
    /// Git itself is not asked: it refuses a checkout that belongs to another user, as in many CI containers.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        let ignored = fs::read_to_string(self.root.join(".gitignore")).unwrap_or_default();
        let mut skip: Vec<PathBuf> = ignored
            .lines()
            .filter_map(|line| line.strip_prefix('/'))
            .map(|name| self.root.join(name))
            .collect();
        skip.extend([self.root.join(".git"), self.target.clone()]);
        let mut files = Vec::new();
        walk(&self.root, &skip, &mut files)?;
        let relative = |file: &PathBuf| file.strip_prefix(&self.root).map(Path::to_path_buf).ok();
        let mut files: Vec<PathBuf> = files.iter().filter_map(relative).collect();
        files.sort();
        Ok(files)
    }
}

fn walk(directory: &Path, skip: &[PathBuf], files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if skip.contains(&path) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&path, skip, files)?;
        } else if kind.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether the file's name ends in one of `extensions`.
pub(crate) fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|found| extensions.iter().any(|wanted| found == *wanted))
}
