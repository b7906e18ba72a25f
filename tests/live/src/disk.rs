//! Disks that are full soon.

use anyhow::Result;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::path::Path;
use tempfile::TempDir;

/// A file system with room for so many bytes, until it is dropped.
pub struct Small(TempDir);

impl Small {
    /// Mounts it.
    pub fn new(bytes: u64) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let options = format!("size={bytes}");
        mount(Some("none"), folder.path(), Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))?;
        Ok(Self(folder))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = umount2(self.0.path(), MntFlags::MNT_DETACH);
    }
}
