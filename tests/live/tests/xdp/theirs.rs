//! A program of somebody else, attached by `ip` and so by netlink.

use crate::lifecycle::attached;
use anyhow::{Context, Result, ensure};
use plumb_lab::Host;
use std::io::Write;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Its name, and what it does: XDP_PASS.
pub(crate) const THEIRS: &str = "theirs";
const SOURCE: &str = "__attribute__((section(\"xdp\"), used)) int theirs(void *ctx) { return 2; }\n";

/// The program, compiled.
pub(crate) struct Theirs(TempDir);

impl Theirs {
    pub(crate) fn compile() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut clang = Command::new("clang");
        clang.args(["-O2", "-target", "bpf", "-x", "c", "-c", "-", "-o"]).arg(folder.path().join("theirs.o"));
        let mut child = clang.stdin(Stdio::piped()).spawn().context("clang")?;
        child.stdin.take().context("clang reads")?.write_all(SOURCE.as_bytes())?;
        ensure!(child.wait()?.success(), "clang refuses the program");
        Ok(Self(folder))
    }

    /// Attaches it to the host's interface; its id.
    pub(crate) fn attach(&self, host: &Host, word: &str) -> Result<u64> {
        self.attach_to(host, host.interface, word)
    }

    /// The same on another interface.
    pub(crate) fn attach_to(&self, host: &Host, interface: &str, word: &str) -> Result<u64> {
        let object = self.0.path().join("theirs.o");
        let object = object.to_str().context("a plain path")?;
        host.tool(&["ip", "link", "set", interface, word, "obj", object, "sec", "xdp"])?;
        attached(host, interface)?.context("it is attached")
    }

    /// Takes it off.
    pub(crate) fn detach(host: &Host, word: &str) -> Result<()> {
        host.tool(&["ip", "link", "set", host.interface, word, "off"])?;
        Ok(())
    }
}
