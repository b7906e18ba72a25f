//! BPF programs of tests, compiled by clang.

use anyhow::{Context, Result, ensure};
use std::process::Command;
use tempfile::TempDir;

/// An object, which is gone when this is dropped.
pub struct Object {
    folder: TempDir,
}

impl Object {
    /// Compiles a source of this crate.
    pub fn compile(source: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut clang = Command::new("clang");
        clang.args(["-O2", "-g", "-Wall", "-Werror", "-target", "bpf", "-c", "-o"]);
        clang.arg(folder.path().join("object.o")).arg(format!("{}/{source}", env!("CARGO_MANIFEST_DIR")));
        // As the build of the probes has it: Debian keeps <asm/types.h> in a folder per architecture.
        clang.arg("-idirafter").arg(format!("/usr/include/{}-linux-gnu", std::env::consts::ARCH));
        let output = clang.output().context("clang")?;
        ensure!(output.status.success(), "clang: {}", String::from_utf8_lossy(&output.stderr));
        Ok(Self { folder })
    }

    /// Where it lies.
    pub fn path(&self) -> String {
        self.folder.path().join("object.o").to_string_lossy().into_owned()
    }
}
