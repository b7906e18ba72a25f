//! Namespaces that follow one another: the kernel gives the inode of one that is gone to the next.

use crate::scene::{complete, wait_for_drops, watch};
use anyhow::{Result, ensure};
use plumb_live::{Records, TestResult, wait_for};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::time::{Duration, SystemTime};

/// As old as a file must be to prove its name: the tick of its stamp, that of a group's, and the way in between.
const SETTLED: Duration = Duration::from_millis(30);

/// A namespace made by `ip netns`. Removed when dropped.
struct Named {
    name: String,
    inode: u64,
}

impl Named {
    /// Its name is one that the lab sweeps up.
    fn new(number: u32) -> Result<Self> {
        let name = format!("plumb-{}-{number}-n", std::process::id());
        run(&["netns", "add", &name])?;
        let mut made = Self { name, inode: 0 };
        made.inode = fs::metadata(made.path())?.ino();
        Ok(made)
    }

    /// One with this inode: the kernel tears down the one that has it in its own time.
    fn with_inode(number: u32, inode: u64) -> Result<Self> {
        let mut found = None;
        wait_for("the inode to be used again", || {
            let made = Self::new(number)?;
            if made.inode == inode {
                found = Some(made);
            }
            Ok(found.is_some())
        })?;
        found.ok_or_else(|| anyhow::anyhow!("found"))
    }

    fn path(&self) -> String {
        format!("/run/netns/{}", self.name)
    }

    /// Drops `count` datagrams, once its name can be proven.
    fn drop_datagrams(&self, count: u64) -> Result<()> {
        let born = changed(&self.path())?;
        wait_for("its file to be older than a tick", || Ok(born.elapsed().is_ok_and(|age| age > SETTLED)))?;
        let send = format!("for ((i = 0; i < {count}; i++)); do echo -n x >/dev/udp/127.0.0.1/9; done");
        run(&["-n", &self.name, "link", "set", "lo", "up"])?;
        run(&["netns", "exec", &self.name, "bash", "-c", &send])
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = run(&["netns", "del", &self.name]);
    }
}

fn changed(path: &str) -> std::io::Result<SystemTime> {
    let file = fs::metadata(path)?;
    let (seconds, rest) = (file.ctime().unsigned_abs(), u32::try_from(file.ctime_nsec()).unwrap_or(0));
    Ok(SystemTime::UNIX_EPOCH + Duration::new(seconds, rest))
}

fn run(args: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(args).output()?;
    ensure!(output.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The packets of groups in namespaces of this inode, with the names that they have.
fn groups(records: &Records, inode: u64) -> Vec<(u64, Option<&str>)> {
    let ours = records.of("drop_group").filter(|group| group["netns"] == inode);
    let mut groups: Vec<_> =
        ours.map(|group| (group["packets"].as_u64().unwrap_or(0), group["netns_name"].as_str())).collect();
    groups.sort_unstable();
    groups
}

fn of(inode: u64) -> impl Fn(&Value) -> bool {
    move |drop| drop["netns"] == inode
}

/// The first is there from the start, the second comes and goes meanwhile, the third is there at the end.
#[test]
fn namespaces_of_one_inode_never_merge() -> TestResult {
    let reason = ["--reason", "NO_SOCKET"];
    let first = Named::new(901)?;
    let (inode, first_name) = (first.inode, first.name.clone());
    let counting = watch(&reason)?;
    let streaming = watch(&[&reason[..], &["--events"]].concat())?;
    let filtering = watch(&[&reason[..], &["--netns", &first.name]].concat())?;
    first.drop_datagrams(5)?;
    drop(first);
    let second = Named::with_inode(902, inode)?;
    let second_name = second.name.clone();
    second.drop_datagrams(7)?;
    drop(second);
    let third = Named::with_inode(903, inode)?;
    third.drop_datagrams(3)?;
    wait_for_drops(&streaming, 15, of(inode))?;

    let counted = complete(&counting.stop()?)?;
    let found = groups(&counted, inode);
    let expected = [(3, Some(third.name.as_str())), (5, Some(first_name.as_str())), (7, None)];
    ensure!(found == expected, "{found:?}, not {expected:?}");
    let cookies: BTreeSet<_> = counted
        .of("drop_group")
        .filter(|group| of(inode)(group))
        .map(|group| group["netns_cookie"].as_u64())
        .collect();
    ensure!(cookies.len() == 3 && !cookies.contains(&None), "{cookies:?}");

    let filtered = complete(&filtering.stop()?)?;
    let found = groups(&filtered, inode);
    ensure!(found == [(5, Some(first_name.as_str()))], "--netns: {found:?}");

    let events = complete(&streaming.stop()?)?;
    let names: Vec<_> =
        events.of("drop").filter(|drop| of(inode)(drop)).map(|drop| drop["netns_name"].as_str()).collect();
    let right = [(5, &first_name), (7, &second_name), (3, &third.name)];
    let right = right.iter().flat_map(|(count, name)| std::iter::repeat_n(name.as_str(), *count));
    let wrong = names.iter().zip(right).any(|(name, right)| name.is_some_and(|name| name != right));
    ensure!(names.len() == 15 && !wrong, "{names:?}");
    Ok(())
}
