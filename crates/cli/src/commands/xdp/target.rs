//! The interfaces of a run: found by name in one namespace, and asked about from outside of it.

use crate::failure::{Exit, Failure, Outcome};
use crate::plan::netns::Netns;
use plumb_kernel::netdev::Inside;
use plumb_kernel::probes::xdp::{Mode, Xdp};
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
    /// Our program for it.
    pub program: Attached,
    /// The mode that the program runs in, once attached.
    pub mode: Option<Mode>,
    /// It is deleted or was moved to another namespace, and that was told.
    pub told: Option<Gone>,
}

/// Where an interface went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// It is deleted: its program counts no more.
    Deleted,
    /// It is in another namespace: its program goes on there.
    Moved,
}

/// The namespace of a run and its interfaces.
#[derive(Debug)]
pub struct Targets {
    /// Where they were at the start.
    pub netns: Netns,
    /// The name of that namespace, where it has one.
    pub netns_name: Option<String>,
    /// Asks about interfaces there.
    inside: Inside,
    /// In the order in which they were named.
    pub all: Vec<Target>,
}

/// Finds interfaces by their names, in the namespace that `netns` names or in ours.
pub fn resolve(names: &[String], netns: Option<&str>) -> Outcome<Targets> {
    let netns = netns.map_or_else(Netns::own, Netns::find)?;
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
        Some(Target { name, index, driver, program: Attached::default(), mode: None, told: None })
    };
    let all: Vec<Target> = indexes.into_iter().filter_map(target).collect();
    if all.len() < given {
        return Err(Failure::arguments("an interface went away at this moment"));
    }
    let netns_name = netns.name();
    Ok(Targets { netns, netns_name, inside, all })
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
    /// What has gone since the last question, in words. `programs` are those of the interfaces, in the same order.
    pub fn look(&mut self, programs: &[Xdp<'_>]) -> Vec<String> {
        let mut news = Vec::new();
        for (target, program) in self.all.iter_mut().zip(programs) {
            let gone = match program.ifindex() {
                None => Gone::Deleted,
                Some(_) if self.inside.name(target.index).is_none() => Gone::Moved,
                Some(_) => continue,
            };
            if target.told != Some(gone) {
                target.told = Some(gone);
                let name = &target.name;
                news.push(match gone {
                    Gone::Deleted => format!("{name} is deleted: what was counted on it stays in the totals"),
                    Gone::Moved => format!(
                        "{name} was moved to another network namespace: the program goes on there and is counted"
                    ),
                });
            }
        }
        news
    }

    /// Whether no interface is left.
    pub fn none_left(&self) -> bool {
        self.all.iter().all(|target| target.told == Some(Gone::Deleted))
    }
}
