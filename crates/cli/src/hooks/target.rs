//! The interfaces of a run: found by name in one namespace, and asked about from outside of it.

use crate::failure::{Exit, Failure, Outcome};
use crate::plan::netns::Netns;
use plumb_kernel::Error;
use plumb_kernel::hook::Whereabouts;
use plumb_kernel::hook::xdp::Mode;
use plumb_kernel::netdev::Inside;
use plumb_kernel::session::Attached;
use std::io;

/// An interface that a program of ours runs on.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name at the start.
    pub name: String,
    /// Its index then.
    pub index: u32,
    /// Name of its driver, where it tells.
    pub driver: Option<String>,
    /// Kind of its frames: see [`Inside::kind`].
    pub kind: Option<u16>,
    /// Our XDP program for it, where it has one of its own.
    pub program: Attached,
    /// The mode that the XDP program runs in, once attached.
    pub mode: Option<Mode>,
    /// What has become of it meanwhile and was told.
    pub told: Option<Gone>,
}

/// Where an interface, or our program on it, went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// It is deleted: its program counts no more.
    Deleted,
    /// It is in another namespace: its program goes on there.
    Moved,
    /// Somebody has detached our program.
    Detached,
    /// Another program is in the link that ours was in, which may come back.
    Replaced(u32),
}

impl Gone {
    /// In words, of the interface `name`.
    fn news(self, name: &str) -> String {
        match self {
            Self::Deleted => format!("{name} is deleted: what was counted on it stays in the totals"),
            Self::Moved => {
                format!(
                    "{name} was moved to another network namespace: the program goes on there and is counted"
                )
            }
            Self::Detached => {
                format!(
                    "{name}: our program was detached by somebody else: what was counted stays in the totals"
                )
            }
            Self::Replaced(by) => {
                format!("{name}: program {by} took the place of ours, which counts nothing meanwhile")
            }
        }
    }
}

/// The namespace of a run and its interfaces.
#[derive(Debug)]
pub struct Targets {
    /// Where they were at the start.
    pub netns: Netns,
    /// The name of that namespace, where it has one.
    pub netns_name: Option<String>,
    /// Its cookie, where we may enter it.
    pub netns_cookie: Option<u64>,
    /// Asks about interfaces there.
    inside: Inside,
    /// In the order in which they were named.
    pub all: Vec<Target>,
}

/// Finds interfaces by their names, in the namespace that `netns` names or in ours.
pub fn resolve(names: &[String], netns: Option<&str>) -> Outcome<Targets> {
    let netns = netns.map_or_else(Netns::own, Netns::find)?;
    // A variable INTERFACE without value, as scripts leave it, names none.
    if names.iter().all(String::is_empty) {
        return Err(Failure::arguments("no interface was given").help("name one by --interface NAME"));
    }
    let mut indexes = netns.indexes(names)?;
    let given = indexes.len();
    indexes.sort_unstable();
    indexes.dedup();
    if indexes.len() < given {
        return Err(Failure::arguments("an interface was named twice"));
    }
    let inside = netns.within(Inside::here)?.and_then(|inside| inside).map_err(cannot_enter)?;
    let target = |index: u32| {
        let name = inside.name(index)?;
        let driver = inside.driver(&name);
        let kind = inside.kind(&name);
        Some(Target { name, index, driver, kind, program: Attached::default(), mode: None, told: None })
    };
    let all: Vec<Target> = indexes.into_iter().filter_map(target).collect();
    if all.len() < given {
        return Err(Failure::arguments("an interface went away at this moment"));
    }
    let (netns_name, netns_cookie) = (netns.name(), netns.cookie());
    Ok(Targets { netns, netns_name, netns_cookie, inside, all })
}

/// Why a namespace cannot be entered.
pub fn cannot_enter(error: io::Error) -> Failure {
    let missing = error.kind() == io::ErrorKind::PermissionDenied;
    let mut failure = Failure::failed("cannot enter the network namespace").because(error);
    if missing {
        failure.exit = Exit::Privileges;
        failure = failure.help("that needs CAP_SYS_ADMIN: run as root");
    }
    failure
}

impl Targets {
    /// What has gone since the last question, in words. `whereabouts` are those of the interfaces' programs, in the same
    /// order.
    pub fn look(&mut self, whereabouts: impl Iterator<Item = Option<Whereabouts>>) -> Vec<String> {
        let mut news = Vec::new();
        for (target, whereabouts) in self.all.iter_mut().zip(whereabouts) {
            // A name that is gone is gone before the kernel detaches the program (unregister_netdevice_many).
            let Some(whereabouts) = whereabouts else { continue };
            let gone = match (whereabouts, self.inside.name(target.index)) {
                (Whereabouts::Detached, None) => Gone::Deleted,
                (Whereabouts::Detached, Some(_)) => Gone::Detached,
                (Whereabouts::Replaced(by), _) => Gone::Replaced(by),
                (Whereabouts::Attached, None) => Gone::Moved,
                (Whereabouts::Attached, Some(_)) => {
                    if let Some(Gone::Replaced(_)) = target.told.take() {
                        news.push(format!("{}: our program is back", target.name));
                    }
                    continue;
                }
            };
            if target.told != Some(gone) {
                target.told = Some(gone);
                news.push(gone.news(&target.name));
            }
        }
        news
    }

    /// Does `work` in the namespace of the interfaces.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T, Error> + Send) -> Outcome<T> {
        Ok(self.netns.within(work)?.map_err(cannot_enter)??)
    }

    /// Whether no interface has our program any more.
    pub fn none_left(&self) -> bool {
        self.all.iter().all(|target| matches!(target.told, Some(Gone::Deleted | Gone::Detached)))
    }
}
