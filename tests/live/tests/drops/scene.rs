//! What the tests of filters, keys and fields share: a lab under watch, and packets whose fate is known beforehand.

use anyhow::{Context, Result, ensure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use plumb_lab::Host;
pub(crate) use plumb_live::process::{Cgroup, own_cgroup};
use plumb_live::process::{Ready, Shell};
use plumb_live::{Finished, Plumb, Records, Running, wait_for};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

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

/// A process that sends datagrams, which its own host drops.
pub(crate) struct LocalSender<'a>(Shell<'a>);

impl<'a> LocalSender<'a> {
    /// A process of this name and user; in our cgroup where no other is given.
    pub(crate) fn new(comm: &'a str, uid: u32, cgroup: Option<&'a Cgroup>) -> Self {
        Self(Shell { comm, uid, cgroup })
    }

    /// Starts it; it will send `count` datagrams of one byte to [`GUARDED`] at `address`, each from a socket of its own.
    pub(crate) fn ready(&self, host: &Host, address: &str, count: usize) -> Result<Ready> {
        self.0.ready(
            host,
            &format!("for ((i = 0; i < {count}; i++)); do echo -n x >/dev/udp/{address}/{GUARDED}; done"),
        )
    }

    /// The same at once; its process id.
    pub(crate) fn send(&self, host: &Host, address: &str, count: usize) -> Result<u32> {
        let mut ready = self.ready(host, address, count)?;
        let pid = ready.pid();
        ready.go()?;
        Ok(pid)
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
