//! Names of network namespaces, from /run/netns. A name stays known after it is removed: its packets are reported later.
//!
//! A namespace is told by its cookie, because the kernel uses inodes again. Cookies can be read while we may enter
//! namespaces, which is at the start; later a name is believed only where its file proves it. The file's change time is
//! when its inode came to be (fs/nsfs.c), and the inode keeps the namespace, and so the number, from then on: a packet
//! that came later, with that number, was of the namespace whose name the file is.

use crate::clock::Moment;
use crate::plan::netns::Surveyed;
use plumb_kernel::support;
use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the directory is read because of a namespace without a name.
const AGAIN: Duration = Duration::from_secs(1);
/// Namespaces that are remembered.
const MOST: usize = 16_384;
/// Files are stamped with the time of the last tick, which is 10 ms ago at most (CONFIG_HZ is 100 or more).
const TICK: u64 = 10_000_000;

/// A network namespace as packets name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetnsId {
    /// Its inode.
    pub inode: u64,
    /// Its cookie.
    pub cookie: u64,
}

/// Names by cookie.
pub struct NetnsNames {
    directory: PathBuf,
    names: HashMap<u64, Named>,
    /// What the directory held when it was read, by inode.
    listed: HashMap<u64, Named>,
    fresh_until: Moment,
    clock_offset: i64,
}

/// A file of the directory.
#[derive(Clone, Debug)]
struct Named {
    name: Box<str>,
    inode: u64,
    /// When the inode came to be, in nanoseconds since the Unix epoch.
    born: u64,
}

impl Named {
    fn new(name: &str, file: &Metadata) -> Self {
        let born = file.ctime().saturating_mul(1_000_000_000).saturating_add(file.ctime_nsec());
        Self { name: name.into(), inode: file.ino(), born: u64::try_from(born).unwrap_or(u64::MAX) }
    }

    /// Whether the name still stands for the same namespace.
    fn stands(&self, directory: &Path) -> bool {
        let now = std::fs::metadata(directory.join(&*self.name)).map(|file| Self::new(&self.name, &file));
        now.is_ok_and(|now| (now.inode, now.born) == (self.inode, self.born))
    }

    /// Whether its inode was there when a packet came.
    fn older_than(&self, packet: Moment, clock_offset: i64) -> bool {
        self.born.saturating_add(TICK) <= packet.time(clock_offset).0
    }
}

impl NetnsNames {
    /// The names that exist, and the cookies of those that were entered.
    pub fn of(namespaces: &[Surveyed]) -> Self {
        Self::within(Path::new("/run/netns"), namespaces)
    }

    fn within(directory: &Path, namespaces: &[Surveyed]) -> Self {
        let mut names = Self {
            directory: directory.to_owned(),
            names: HashMap::new(),
            listed: HashMap::new(),
            fresh_until: Moment(0),
            clock_offset: support::clock_offset_ns(),
        };
        names.refresh(Moment::now());
        for netns in namespaces {
            let listed = names.listed.get(&netns.inode);
            let same = listed.filter(|listed| Some(&*listed.name) == netns.name.as_deref());
            if let (Some(cookie), Some(named)) = (netns.cookie, same) {
                names.names.insert(cookie, named.clone());
            }
        }
        names
    }

    /// The name of `netns`, of which there was a packet at `packet` or little later. `now`: it spares a look at the
    /// clock.
    pub fn name(&mut self, netns: Option<NetnsId>, packet: Moment, now: Moment) -> Option<&str> {
        let netns = netns?;
        if !self.names.contains_key(&netns.cookie) {
            self.learn(netns, packet, now);
        }
        self.names.get(&netns.cookie).map(|named| &*named.name)
    }

    /// The name of a namespace that had one and has lost it since: somebody removed it.
    pub fn removed(&self, cookie: u64) -> Option<&str> {
        let named = self.names.get(&cookie)?;
        (!named.stands(&self.directory)).then_some(&*named.name)
    }

    /// Reads the directory.
    pub fn refresh(&mut self, now: Moment) {
        self.fresh_until = now.after(AGAIN);
        self.listed.clear();
        // No directory, no names: `ip netns add` makes it.
        for entry in std::fs::read_dir(&self.directory).into_iter().flatten().flatten().take(MOST) {
            if let Ok(file) = std::fs::metadata(entry.path()) {
                let named = Named::new(&entry.file_name().to_string_lossy(), &file);
                self.listed.entry(named.inode).or_insert(named);
            }
        }
    }

    fn learn(&mut self, netns: NetnsId, packet: Moment, now: Moment) {
        if !self.listed.contains_key(&netns.inode) && now > self.fresh_until {
            self.refresh(now);
        }
        let Some(named) = self.listed.get(&netns.inode) else { return };
        if !named.older_than(packet, self.clock_offset) {
            return;
        }
        // A clock that was set, or stood during a suspend, must not make a packet later than it was.
        if !named.older_than(packet, support::clock_offset_ns()) || !named.stands(&self.directory) {
            self.listed.remove(&netns.inode);
            return;
        }
        if self.names.len() >= MOST {
            self.names.clear();
        }
        self.names.insert(netns.cookie, named.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::{AGAIN, NetnsId, NetnsNames};
    use crate::clock::Moment;
    use crate::plan::netns::Surveyed;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;
    use std::time::Duration;

    fn inode(path: &Path) -> u64 {
        std::fs::metadata(path).unwrap().ino()
    }

    fn surveyed(name: &str, inode: u64, cookie: Option<u64>) -> Surveyed {
        Surveyed { name: Some(name.to_owned()), inode, cookie, interfaces: Vec::new() }
    }

    #[test]
    fn names_appear_later_and_outlive_their_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("blue");
        let mut names = NetnsNames::within(directory.path(), &[]);
        std::fs::write(&path, "").unwrap();
        let netns = Some(NetnsId { inode: inode(&path), cookie: 9 });
        let later = Moment::now().after(2 * AGAIN);
        assert_eq!(names.name(netns, later, Moment(0)), None, "the directory was read a moment ago");
        assert_eq!(names.name(netns, later, later), Some("blue"));
        assert_eq!(names.removed(9), None);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(names.removed(9), Some("blue"));
        assert_eq!(names.name(netns, later, later.after(2 * AGAIN)), Some("blue"));
    }

    #[test]
    fn a_packet_that_is_older_than_the_file_was_of_another_namespace() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("blue");
        let before = Moment(Moment::now().0 - 1_000_000_000);
        std::fs::write(&path, "").unwrap();
        let mut names = NetnsNames::within(directory.path(), &[]);
        let later = Moment::now().after(Duration::from_millis(100));
        let netns = |cookie| Some(NetnsId { inode: inode(&path), cookie });
        assert_eq!(names.name(netns(1), before, later.after(2 * AGAIN)), None);
        assert_eq!(names.name(netns(2), later, later), Some("blue"));
        assert_eq!(names.name(netns(1), before, later.after(2 * AGAIN)), None);
    }

    #[test]
    fn a_name_that_another_namespace_took_proves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("blue");
        std::fs::write(&path, "").unwrap();
        let first = inode(&path);
        let mut names = NetnsNames::within(directory.path(), &[surveyed("blue", first, Some(1))]);
        std::fs::rename(&path, directory.path().join("kept")).unwrap();
        std::fs::write(&path, "").unwrap();
        let later = Moment::now().after(2 * AGAIN);
        let netns = |cookie| Some(NetnsId { inode: first, cookie });
        assert_eq!(names.name(netns(1), later, later), Some("blue"), "known from the start");
        assert_eq!(names.removed(1), Some("blue"));
        assert_eq!(names.name(netns(2), later, Moment(0)), None);
    }

    #[test]
    fn a_namespace_that_was_not_entered_has_no_cookie() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("blue");
        std::fs::write(&path, "").unwrap();
        let netns = NetnsId { inode: inode(&path), cookie: 1 };
        let mut names = NetnsNames::within(directory.path(), &[surveyed("blue", netns.inode, None)]);
        assert_eq!(names.name(Some(netns), Moment(0), Moment(0)), None);
        let later = Moment::now().after(Duration::from_millis(100));
        assert_eq!(names.name(Some(netns), later, Moment(0)), Some("blue"), "its file proves it");
        assert_eq!(names.name(None, later, later), None);
    }
}
