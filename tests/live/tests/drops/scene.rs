//! What the tests of filters, keys and fields share: a lab under watch, and packets whose fate is known beforehand.

use anyhow::{Context, Result, ensure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use plumb_lab::Host;
use plumb_live::{Finished, Plumb, Records, Running, wait_for};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Destination port of the local datagrams that [`guard`] drops.
pub(crate) const GUARDED: u16 = 40_002;

/// A `plumb drops` with JSON on standard output, noise shown, that has attached.
pub(crate) fn watch(args: &[&str]) -> Result<Running> {
    let common = ["drops", "--format", "json", "--noise", "show"];
    Plumb::new(&[&common, args].concat())?.start()
}

/// Every packet dropped in the namespace of `host`.
pub(crate) fn watch_host(host: &Host, args: &[&str]) -> Result<Running> {
    watch(&[&["--events", "--netns", host.netns.name()], args].concat())
}

/// Its records; nothing may have been lost.
pub(crate) fn complete(finished: &Finished) -> Result<Records> {
    let records = finished.records()?;
    for account in ["lost_kernel", "lost_table_full", "lost_user", "ungrouped"] {
        ensure!(records.account(account)? == 0, "{account}: {}", records.ledger()?);
    }
    Ok(records)
}

/// Waits until `running`, in event mode, has written at least `count` drops that `wanted` accepts.
pub(crate) fn wait_for_drops(running: &Running, count: usize, wanted: impl Fn(&Value) -> bool) -> Result<()> {
    wait_for("drops to be written", || {
        let text = running.read("stdout");
        let lines = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
        Ok(Records::parse(lines)?.of("drop").filter(|drop| wanted(drop)).count() >= count)
    })
}

/// Keeps the calling thread, and what it starts, on the last CPU; which one that is.
pub(crate) fn pin() -> Result<usize> {
    let last = std::thread::available_parallelism()?.get() - 1;
    let mut set = CpuSet::new();
    set.set(last)?;
    sched_setaffinity(Pid::from_raw(0), &set)?;
    Ok(last)
}

/// Does `work` while nftables drop what the processes of `host` send to [`GUARDED`]: at `output`, before the packet has
/// a device, or at `postrouting`, where it has.
pub(crate) fn guard<T>(host: &Host, hook: &str, work: impl FnOnce() -> plumb_lab::Result<T>) -> Result<T> {
    let on = format!(
        "table inet guard {{\n\
           chain outgoing {{\n\
             type filter hook {hook} priority 0;\n\
             udp dport {GUARDED} drop\n\
           }}\n\
         }}\n"
    );
    Ok(host.with_nft(&on, "delete table inet guard\n", work)?)
}

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
pub(crate) fn own_cgroup() -> Result<u64> {
    let unified = Unified::find()?;
    let groups = fs::read_to_string("/proc/self/cgroup")?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/")).context("no unified cgroup")?;
    Ok(fs::metadata(unified.root.join(path))?.ino())
}

/// A cgroup of its own in the unified hierarchy. Removed when dropped.
pub(crate) struct Cgroup {
    path: PathBuf,
    id: u64,
    _unified: Unified,
}

impl Cgroup {
    /// Makes it.
    pub(crate) fn new() -> Result<Self> {
        let unified = Unified::find()?;
        let path = unified.root.join(format!("plumb-test-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        let id = fs::metadata(&path)?.ino();
        Ok(Self { path, id, _unified: unified })
    }

    /// Its id: the inode of its directory.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Its path below /sys/fs/cgroup, where it is there.
    pub(crate) fn word(&self) -> Option<&str> {
        self.path.strip_prefix("/sys/fs/cgroup").ok()?.to_str()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.path);
    }
}

/// A process that sends datagrams, which its own host drops.
pub(crate) struct LocalSender<'a> {
    comm: &'a str,
    uid: u32,
    cgroup: Option<&'a Cgroup>,
}

/// It has started, and sends on command.
pub(crate) struct Ready {
    child: Child,
    _folder: TempDir,
}

impl<'a> LocalSender<'a> {
    /// A process of this name and user; in our cgroup where no other is given.
    pub(crate) fn new(comm: &'a str, uid: u32, cgroup: Option<&'a Cgroup>) -> Self {
        Self { comm, uid, cgroup }
    }

    /// Starts it; it will send `count` datagrams of one byte to [`GUARDED`] at `address`, each from a socket of its own.
    pub(crate) fn ready(&self, host: &Host, address: &str, count: usize) -> Result<Ready> {
        let folder = tempfile::tempdir()?;
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        // A process is called after the path it was started by.
        let shell = folder.path().join(self.comm);
        symlink("/bin/bash", &shell)?;
        let send =
            format!("for ((i = 0; i < {count}; i++)); do echo -n x >/dev/udp/{address}/{GUARDED}; done");
        let mut command = Command::new(&shell);
        command.arg("-c").arg(format!("read; {send}")).uid(self.uid).gid(self.uid);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = host.spawn(&mut command)?;
        if let Some(cgroup) = self.cgroup {
            fs::write(cgroup.path.join("cgroup.procs"), child.id().to_string())?;
        }
        Ok(Ready { child, _folder: folder })
    }

    /// The same at once; its process id.
    pub(crate) fn send(&self, host: &Host, address: &str, count: usize) -> Result<u32> {
        let mut ready = self.ready(host, address, count)?;
        let pid = ready.pid();
        ready.go()?;
        Ok(pid)
    }
}

impl Ready {
    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it send, and waits for its end.
    pub(crate) fn go(&mut self) -> Result<()> {
        drop(self.child.stdin.take());
        self.child.wait()?;
        Ok(())
    }
}

/// The core's drop reasons by number, as the kernel itself prints them: the tracepoint's format has them all.
pub(crate) fn reasons() -> Result<BTreeMap<u32, String>> {
    let folder = tempfile::tempdir()?;
    mount(Some("tracefs"), folder.path(), Some("tracefs"), MsFlags::empty(), None::<&str>)?;
    let format = fs::read_to_string(folder.path().join("events/skb/kfree_skb/format"));
    umount2(folder.path(), MntFlags::MNT_DETACH)?;
    let format = format?;
    let (_, names) = format.split_once("__print_symbolic(REC->reason,").context("no names in the format")?;
    let pairs = names.split('{').skip(1).map(|pair| {
        let (number, name) = pair.split_once(',').context("a number and a name")?;
        let name = name.split('"').nth(1).context("a quoted name")?;
        Ok((number.trim().parse()?, name.to_owned()))
    });
    pairs.collect()
}
