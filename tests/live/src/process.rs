//! Processes with a name, a user and a cgroup that tests choose.

use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use plumb_lab::Host;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// The unified hierarchy of cgroups, mounted for as long as this lives where nobody else has.
struct Unified {
    root: PathBuf,
    mounted: Option<TempDir>,
}

impl Unified {
    fn find() -> Result<Self> {
        let mounts = fs::read_to_string("/proc/mounts")?;
        let of = |line: &str| {
            let mut words = line.split(' ').skip(1);
            let path = words.next()?;
            (words.next()? == "cgroup2").then(|| PathBuf::from(path))
        };
        if let Some(root) = mounts.lines().find_map(of) {
            return Ok(Self { root, mounted: None });
        }
        let folder = tempfile::tempdir()?;
        mount(Some("cgroup2"), folder.path(), Some("cgroup2"), MsFlags::empty(), None::<&str>)?;
        Ok(Self { root: folder.path().to_owned(), mounted: Some(folder) })
    }
}

impl Drop for Unified {
    fn drop(&mut self) {
        if let Some(folder) = &self.mounted {
            let _ = umount2(folder.path(), MntFlags::MNT_DETACH);
        }
    }
}

/// The id of the cgroup that we are in.
pub fn own_cgroup() -> Result<u64> {
    let unified = Unified::find()?;
    let groups = fs::read_to_string("/proc/self/cgroup")?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/")).context("no unified cgroup")?;
    Ok(fs::metadata(unified.root.join(path))?.ino())
}

/// A cgroup of its own in the unified hierarchy. Removed when dropped.
pub struct Cgroup {
    path: PathBuf,
    id: u64,
    _unified: Unified,
}

impl Cgroup {
    /// Makes it.
    pub fn new() -> Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let unified = Unified::find()?;
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = unified.root.join(format!("plumb-test-{}-{number}", std::process::id()));
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        let id = fs::metadata(&path)?.ino();
        Ok(Self { path, id, _unified: unified })
    }

    /// Its id: the inode of its directory.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Its path below /sys/fs/cgroup, where it is there.
    pub fn word(&self) -> Option<&str> {
        self.path.strip_prefix("/sys/fs/cgroup").ok()?.to_str()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.path);
    }
}

/// A bash of this name and user; in our cgroup where no other is given.
pub struct Shell<'a> {
    /// Its name, as in /proc/PID/comm.
    pub comm: &'a str,
    /// Its user, and group.
    pub uid: u32,
    /// Its cgroup.
    pub cgroup: Option<&'a Cgroup>,
}

impl Shell<'_> {
    /// Starts it inside `host`; it will run `script`.
    pub fn ready(&self, host: &Host, script: &str) -> Result<Ready> {
        let folder = tempfile::tempdir()?;
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        // A process is called after the path it was started by.
        let shell = folder.path().join(self.comm);
        symlink("/bin/bash", &shell)?;
        let mut command = Command::new(&shell);
        command.arg("-c").arg(format!("read; {script}")).uid(self.uid).gid(self.uid);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = host.spawn(&mut command)?;
        if let Some(cgroup) = self.cgroup {
            fs::write(cgroup.path.join("cgroup.procs"), child.id().to_string())?;
        }
        Ok(Ready { child, _folder: folder })
    }
}

/// It has started, and runs its script on command.
pub struct Ready {
    child: Child,
    _folder: TempDir,
}

impl Ready {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it run, and waits for its end.
    pub fn go(&mut self) -> Result<ExitStatus> {
        drop(self.child.stdin.take());
        Ok(self.child.wait()?)
    }
}
