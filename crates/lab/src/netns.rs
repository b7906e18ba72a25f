//! Network namespaces: entering them, removing them, and finding those that killed runs left behind.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    panic,
    path::{Path, PathBuf},
    thread,
};

use nix::{
    errno::Errno,
    mount::{MntFlags, umount2},
    sched::{CloneFlags, setns},
};

use crate::{Error, Result};

/// Where iproute2 keeps named namespaces.
const DIRECTORY: &str = "/run/netns";
const PREFIX: &str = "plumb-";

/// A named network namespace, removed when dropped.
#[derive(Debug)]
pub struct Netns {
    name: String,
    path: PathBuf,
    file: File,
    inode: u64,
}

impl Netns {
    /// Takes over the namespace that `ip netns add NAME` made.
    pub(crate) fn adopt(name: &str) -> Result<Self> {
        let path = Path::new(DIRECTORY).join(name);
        let file = File::open(&path).map_err(Error::io(path.display().to_string()))?;
        let inode = file.metadata().map_err(Error::io(path.display().to_string()))?.ino();
        Ok(Self { name: name.to_owned(), path, file, inode })
    }

    /// Name under `/run/netns`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Path of the file that stands for the namespace.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Inode number, by which the kernel and BPF programs name a namespace.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// Another way in, which keeps the namespace alive for a thread that outlives this value.
    pub(crate) fn door(&self) -> Result<Door> {
        self.file.try_clone().map(Door).map_err(Error::io(format!("open {} again", self.name)))
    }

    /// Moves the calling thread into the namespace for the rest of its life.
    pub fn enter(&self) -> Result<()> {
        enter(&self.file).map_err(Error::io(format!("setns {}", self.name)))
    }

    /// Runs `work` inside the namespace on the calling thread, which is back where it was afterwards: for what cannot
    /// leave its thread.
    pub fn visit<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let own = File::open("/proc/thread-self/ns/net").map_err(Error::io("our own network namespace"))?;
        self.enter()?;
        let worked = work();
        enter(&own).map_err(Error::io("return to our own network namespace"))?;
        worked
    }

    /// Runs `work` inside the namespace, on a thread of its own that ends with it.
    ///
    /// A panic in `work` goes on in the caller.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.enter()?;
                work()
            });
            inside.join().unwrap_or_else(|payload| panic::resume_unwind(payload))
        })
    }
}

/// A way into a namespace.
#[derive(Debug)]
pub(crate) struct Door(File);

impl Door {
    /// Moves the calling thread into the namespace for the rest of its life.
    pub(crate) fn enter(&self) -> Result<()> {
        enter(&self.0).map_err(Error::io("setns"))
    }
}

/// Moves the calling thread into the network namespace that `path` is a file of, for the rest of its life.
pub fn enter_at(path: &Path) -> Result<()> {
    let what = || format!("setns {}", path.display());
    let file = File::open(path).map_err(Error::io(what()))?;
    enter(&file).map_err(Error::io(what()))
}

fn enter(file: &File) -> nix::Result<()> {
    setns(file, CloneFlags::CLONE_NEWNET)
}

impl Drop for Netns {
    fn drop(&mut self) {
        // Best effort: `sweep` of a later run finds what cannot be removed now.
        let _ = remove(&self.path);
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match umount2(path, MntFlags::MNT_DETACH) {
        // EINVAL: not a mount point, as after `ip netns add` died half-way.
        Ok(()) | Err(Errno::EINVAL) => fs::remove_file(path),
        Err(errno) => Err(errno.into()),
    }
}

/// Name of host `host` of lab number `number` of process `pid`.
pub(crate) fn name_for(pid: u32, number: u32, host: char) -> String {
    format!("{PREFIX}{pid}-{number}-{host}")
}

fn owner(name: &str) -> Option<u32> {
    let mut parts = name.strip_prefix(PREFIX)?.split('-');
    let pid = parts.next()?.parse().ok()?;
    parts.next()?.parse::<u32>().ok()?;
    let host = parts.next()?;
    (host.len() == 1 && parts.next().is_none()).then_some(pid)
}

/// Removes the namespaces of labs whose process no longer exists; returns their names.
pub fn sweep() -> Result<Vec<String>> {
    let entries = match fs::read_dir(DIRECTORY) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(DIRECTORY)(error)),
    };
    let mut removed = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io(DIRECTORY))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let Some(pid) = owner(&name) else { continue };
        if Path::new("/proc").join(pid.to_string()).exists() {
            continue;
        }
        match remove(&entry.path()) {
            Ok(()) => removed.push(name),
            // Another run sweeps at the same time.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io(format!("remove {name}"))(error)),
        }
    }
    Ok(removed)
}

/// Removes the namespace `name` that an earlier process with our own process id left behind.
pub(crate) fn remove_stale(name: &str) -> Result<()> {
    let path = Path::new(DIRECTORY).join(name);
    if path.exists() { remove(&path).map_err(Error::io(format!("remove {name}"))) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_owner() {
        assert_eq!(owner(&name_for(4711, 2, 'a')), Some(4711));
        for other in ["plumb-x-1-a", "plumb-1", "plumb-1-2-ab", "plumb-1-2-a-3", "other-1-2-a"] {
            assert_eq!(owner(other), None, "{other}");
        }
    }
}
