//! Names of network namespaces, from /run/netns. A name stays known after it is removed: its packets are reported later.

use crate::clock::Moment;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the directory is read because of a namespace without a name.
const AGAIN: Duration = Duration::from_secs(1);
/// Namespaces that are remembered.
const MOST: usize = 16_384;

/// Names by inode.
pub struct NetnsNames {
    directory: PathBuf,
    names: HashMap<u64, Box<str>>,
    fresh_until: Moment,
}

impl NetnsNames {
    /// Reads the names that exist.
    pub fn read() -> Self {
        Self::of(Path::new("/run/netns"))
    }

    fn of(directory: &Path) -> Self {
        let mut names =
            Self { directory: directory.to_owned(), names: HashMap::new(), fresh_until: Moment(0) };
        names.refresh(Moment::now());
        names
    }

    /// The name of `inode`. `now` is the event's time: it spares a look at the clock.
    pub fn name(&mut self, inode: u64, now: Moment) -> Option<&str> {
        if now > self.fresh_until && !self.names.contains_key(&inode) {
            self.refresh(now);
        }
        self.names.get(&inode).map(|name| &**name)
    }

    /// The name of a namespace that had one and has lost it since: somebody removed it.
    pub fn removed(&self, inode: u64) -> Option<&str> {
        let name = self.names.get(&inode)?;
        let file = std::fs::metadata(self.directory.join(&**name));
        file.map_or(true, |file| file.ino() != inode).then_some(&**name)
    }

    fn refresh(&mut self, now: Moment) {
        self.fresh_until = now.after(AGAIN);
        if self.names.len() >= MOST {
            self.names.clear();
        }
        // No directory, no names: `ip netns add` makes it.
        for entry in std::fs::read_dir(&self.directory).into_iter().flatten().flatten().take(MOST) {
            if let Ok(file) = std::fs::metadata(entry.path()) {
                self.names.insert(file.ino(), entry.file_name().to_string_lossy().into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AGAIN, NetnsNames};
    use crate::clock::Moment;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn names_appear_later_and_outlive_their_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("blue");
        let mut names = NetnsNames::of(directory.path());
        std::fs::write(&path, "").unwrap();
        let inode = std::fs::metadata(&path).unwrap().ino();
        let later = Moment::now().after(2 * AGAIN);
        assert_eq!(names.name(inode, Moment(0)), None, "the directory was read a moment ago");
        assert_eq!(names.name(inode, later), Some("blue"));
        assert_eq!(names.removed(inode), None);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(names.removed(inode), Some("blue"));
        assert_eq!(names.name(inode, later.after(2 * AGAIN)), Some("blue"));
    }
}
