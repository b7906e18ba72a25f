//! Network namespaces and the interfaces in them, by the names that people use.

use crate::failure::{Exit, Failure, Outcome};
use nix::net::if_::if_nameindex;
use nix::sched::{CloneFlags, setns};
use plumb_kernel::support;
use std::fs::File;
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where `ip netns` keeps its names.
const NAMES: &str = "/run/netns";

/// Process ids end here (PID_MAX_LIMIT in include/linux/threads.h).
const PID_LIMIT: u64 = 4 * 1024 * 1024;
/// Inodes of namespaces are numbers of 32 bits from PROC_DYNAMIC_FIRST on, and since 6.18 from a little below for the
/// first namespace (include/linux/proc_ns.h).
const INODES: RangeInclusive<u64> = 0xefff_fff0..=0xffff_ffff;

/// A network namespace, and the file that stands for it where one was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Netns {
    /// Its inode: what people know it by. A later namespace may have the same.
    pub inode: u64,
    path: Option<PathBuf>,
}

/// An interface of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Index in its namespace.
    pub index: u32,
    /// Its name at the moment.
    pub name: String,
}

/// A namespace as it was at a moment.
#[derive(Debug)]
pub struct Surveyed {
    /// Its name in /run/netns; our own was found without.
    pub name: Option<String>,
    /// Its inode.
    pub inode: u64,
    /// Its cookie; `None` where we may not enter it.
    pub cookie: Option<u64>,
    /// Its interfaces; none where we may not enter it.
    pub interfaces: Vec<Interface>,
}

impl Netns {
    /// The namespace that we run in.
    pub fn own() -> Outcome<Self> {
        Self::of_file(PathBuf::from("/proc/self/ns/net")).map_err(|error| {
            Failure::failed("cannot tell our own network namespace").because(error).help("is /proc mounted?")
        })
    }

    /// A name of /run/netns, a process id, or an inode.
    pub fn find(word: &str) -> Outcome<Self> {
        let named = Path::new(NAMES).join(word);
        let is_name = !word.contains('/') && !matches!(word, "" | "." | "..");
        if is_name && let Ok(netns) = Self::of_file(named) {
            return Ok(netns);
        }
        match word.parse::<u64>() {
            Ok(inode) if INODES.contains(&inode) => Ok(Self { inode, path: file_of(inode) }),
            Ok(pid) if pid <= PID_LIMIT => Self::of_process(pid),
            Ok(number) => Err(Failure::arguments(format!(
                "{number} is neither the inode of a network namespace nor a process"
            ))
            .help(named_ones())),
            Err(_) => Err(Failure::arguments(format!("no network namespace is called {}", shown(word)))
                .help(named_ones())),
        }
    }

    /// Those that have a name in /run/netns.
    pub fn named() -> Vec<Self> {
        let entries = std::fs::read_dir(NAMES).into_iter().flatten().flatten();
        entries.filter_map(|entry| Self::of_file(entry.path()).ok()).collect()
    }

    /// Those in which a process runs, that have a name, and ours: each once, in the order of their inodes. What only an
    /// open file or a mount elsewhere holds is not found.
    pub fn all() -> Vec<Self> {
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let of_process = |entry: std::fs::DirEntry| {
            let is_process = entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
            is_process.then(|| Self::of_file(entry.path().join("ns/net")).ok()).flatten()
        };
        // The first of several files counts: names outlive processes.
        let found = Self::own().into_iter().chain(Self::named()).chain(processes.filter_map(of_process));
        let mut all = std::collections::BTreeMap::new();
        for netns in found {
            all.entry(netns.inode).or_insert(netns);
        }
        all.into_values().collect()
    }

    /// Its name in /run/netns at the moment.
    pub fn name(&self) -> Option<String> {
        Self::named().into_iter().find(|named| named.inode == self.inode)?.file_name()
    }

    fn file_name(&self) -> Option<String> {
        let path = self.path.as_ref().filter(|path| path.starts_with(NAMES))?;
        Some(path.file_name()?.to_string_lossy().into_owned())
    }

    /// The kernel's number of it, which no other namespace has in this boot. `None` where we may not enter it.
    pub fn cookie(&self) -> Option<u64> {
        self.within(support::netns_cookie).ok()?.ok()?.ok()
    }

    /// Our own namespace and those that have a name, with what can be seen inside.
    pub fn survey() -> Vec<Surveyed> {
        let all = Self::own().ok().into_iter().chain(Self::named());
        let look = |netns: Self| {
            let inside = netns.within(|| (support::netns_cookie().ok(), list().unwrap_or_default()));
            let (cookie, interfaces) = inside.ok().and_then(Result::ok).unwrap_or_default();
            Surveyed { name: netns.file_name(), inode: netns.inode, cookie, interfaces }
        };
        all.map(look).collect()
    }

    /// Moves the calling thread, and the threads that it starts from then on, into the namespace.
    pub fn enter(&self) -> Outcome<()> {
        if Self::own()?.inode == self.inode {
            return Ok(());
        }
        let Some(path) = &self.path else {
            return Err(Failure::arguments(format!("no file stands for network namespace {}", self.inode))
                .help("name it by a process in it"));
        };
        let entered =
            File::open(path).and_then(|file| setns(file, CloneFlags::CLONE_NEWNET).map_err(io::Error::from));
        entered.map_err(|error| {
            let denied = error.kind() == io::ErrorKind::PermissionDenied;
            let what = "cannot enter the network namespace";
            let failure = if denied { Failure::privileges(what) } else { Failure::failed(what) };
            let failure = failure.because(error);
            if denied {
                failure.help("entering another namespace needs CAP_SYS_ADMIN: run as root")
            } else {
                failure
            }
        })
    }

    fn of_process(pid: u64) -> Outcome<Self> {
        Self::of_file(PathBuf::from(format!("/proc/{pid}/ns/net"))).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => {
                Failure::privileges(format!("cannot look at the namespace of process {pid}"))
                    .because(error)
                    .help("processes of others are looked at with CAP_SYS_PTRACE (root without it may not either); the inode that `readlink /proc/PID/ns/net` shows their owner works too")
            }
            _ => Failure::arguments(format!("there is no process {pid}, nor a network namespace of that name"))
                .help(named_ones()),
        })
    }

    fn of_file(path: PathBuf) -> io::Result<Self> {
        let inode = std::fs::metadata(&path)?.ino();
        Ok(Self { inode, path: Some(path) })
    }

    /// The interfaces in it, in the order of their indexes.
    pub fn interfaces(&self) -> Outcome<Vec<Interface>> {
        let unreadable = |error: io::Error| {
            let missing = error.kind() == io::ErrorKind::PermissionDenied;
            let mut failure =
                Failure::failed("cannot list the interfaces of the network namespace").because(error);
            if missing {
                failure.exit = Exit::Privileges;
                failure = failure.help(
                    "entering another namespace needs CAP_SYS_ADMIN; leave --interface out, or run as root",
                );
            }
            failure
        };
        self.within(list)?.and_then(|listed| listed).map_err(unreadable)
    }

    /// Does `work` inside, on a thread of its own where that is not where we are: a namespace belongs to a thread, and
    /// so ours never changes. The inner result is what entering came to.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Outcome<io::Result<T>> {
        let Some(path) = &self.path else {
            return Err(Failure::arguments(format!("no file stands for network namespace {}", self.inode))
                .help("leave --interface out, or name the namespace by a process in it"));
        };
        if Self::own()?.inode == self.inode {
            return Ok(Ok(work()));
        }
        let entered = File::open(path).and_then(|file| {
            if file.metadata()?.ino() != self.inode {
                return Err(io::Error::other("it is gone, and another has its place"));
            }
            std::thread::scope(|scope| {
                let inside = scope.spawn(|| {
                    setns(file, CloneFlags::CLONE_NEWNET)?;
                    Ok(work())
                });
                inside.join().unwrap_or_else(|_| Err(io::Error::other("the thread inside ended early")))
            })
        });
        Ok(entered)
    }

    /// The indexes of the interfaces that `names` names, each by itself or several with commas.
    pub fn indexes(&self, names: &[String]) -> Outcome<Vec<u32>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let interfaces = self.interfaces()?;
        let names = super::filter::words(names, |name| interfaces.iter().any(|found| found.name == name));
        pick(&interfaces, &names)
    }
}

/// A name, in quotes where there is nothing to see.
fn shown(name: &str) -> &str {
    if name.is_empty() { "\"\"" } else { name }
}

fn pick(interfaces: &[Interface], names: &[&str]) -> Outcome<Vec<u32>> {
    let index =
        |name: &&str| interfaces.iter().find(|interface| interface.name == *name).map(|found| found.index);
    let missing = names.iter().find(|name| index(name).is_none());
    match missing {
        None => Ok(names.iter().filter_map(index).collect()),
        Some(name) => {
            let known: Vec<&str> = interfaces.iter().map(|interface| interface.name.as_str()).collect();
            Err(Failure::arguments(format!("there is no interface {}", shown(name)))
                .help(format!("there are: {}; --netns looks in another namespace", known.join(", "))))
        }
    }
}

fn list() -> io::Result<Vec<Interface>> {
    let listed = if_nameindex()?;
    let interface = |found: &nix::net::if_::Interface| Interface {
        index: found.index(),
        name: found.name().to_string_lossy().into_owned(),
    };
    let mut interfaces: Vec<Interface> = listed.iter().map(interface).collect();
    interfaces.sort_by_key(|found| found.index);
    Ok(interfaces)
}

/// A file that stands for the namespace `inode`: a name, else a process in it.
fn file_of(inode: u64) -> Option<PathBuf> {
    let is_it = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|found| found.ino() == inode);
    let entries =
        |folder: &str| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries(NAMES).find(is_it).or_else(|| entries("/proc").map(|process| process.join("ns/net")).find(is_it))
}

fn named_ones() -> String {
    let entries = std::fs::read_dir(NAMES).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    if names.is_empty() {
        "no network namespace has a name here; give a process id or an inode".to_owned()
    } else {
        format!("namespaces with a name: {}; a process id or an inode works too", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::{Interface, Netns, pick};
    use crate::failure::Exit;

    fn interfaces() -> Vec<Interface> {
        [(1, "lo"), (7, "eth0")].map(|(index, name)| Interface { index, name: name.to_owned() }).into()
    }

    #[test]
    fn an_unknown_interface_names_those_that_exist() {
        assert_eq!(pick(&interfaces(), &["eth0", "lo"]).unwrap(), [7, 1]);
        let failure = pick(&interfaces(), &["eth0", "eth1"]).unwrap_err();
        assert_eq!(failure.exit, Exit::Arguments);
        assert_eq!(
            failure.to_string(),
            "there is no interface eth1; there are: lo, eth0; --netns looks in another namespace"
        );
    }

    #[test]
    fn our_own_namespace_is_found_in_three_ways() {
        let own = Netns::own().unwrap();
        assert_eq!(Netns::find(&std::process::id().to_string()).unwrap().inode, own.inode);
        let by_inode = Netns::find(&own.inode.to_string()).unwrap();
        assert_eq!(by_inode.inode, own.inode);
        assert!(by_inode.interfaces().unwrap().iter().any(|interface| interface.name == "lo"));
    }

    #[test]
    fn a_cookie_is_the_same_whichever_way() {
        let own = Netns::own().unwrap();
        assert!(own.cookie().is_some_and(|cookie| cookie > 0));
        assert_eq!(own.cookie(), plumb_kernel::support::netns_cookie().ok());
        assert_eq!(Netns::survey()[0].cookie, own.cookie());
    }

    #[test]
    fn what_names_no_namespace_is_a_bad_argument() {
        for word in ["no-such-namespace", "", "..", "../netns", "4194304", "4194305", "99999999999"] {
            assert_eq!(Netns::find(word).unwrap_err().exit, Exit::Arguments, "{word}");
        }
    }
}
