//! Facts about this kernel and this process as plain data: what is usable is tried, not guessed from the version.

mod capabilities;
mod facts;
mod host;
mod init;
mod loaded;
mod tries;

pub use host::{
    Host, boot_offset_ns, btf, clock_offset_ns, host, kallsyms, module_btf, monotonic_ns, netns_cookie,
};
pub(crate) use host::{functions, has_function, tracepoints};
pub use init::{SKIPS_INIT, skips_init};
pub use loaded::{Program, programs};
pub(crate) use tries::refused;

use crate::error::{Class, Error};

/// One thing that Plumb uses where it can.
#[derive(Clone, Debug)]
pub struct Fact {
    /// Short name, the same in text and JSON.
    pub name: &'static str,
    /// Whether it is usable now.
    pub usable: bool,
    /// What was found.
    pub found: String,
    /// What its absence costs the user; empty where it is usable.
    pub costs: String,
    /// What would help; empty where it is usable or nothing is known to.
    pub help: String,
    /// The commands that cannot run without it.
    pub needed_by: &'static [&'static str],
    /// What kind of failure its absence is.
    pub class: Class,
}

/// Everything that is known about this kernel and this process.
#[derive(Clone, Debug)]
pub struct Support {
    /// In the order in which a reader wants them.
    pub facts: Vec<Fact>,
}

impl Support {
    /// Finds out; loads and briefly attaches empty programs, touches no interface.
    pub fn probe() -> Self {
        let mut facts = capabilities::process();
        facts.extend(facts::kernel());
        facts.extend(tries::all().into_iter().map(facts::kind));
        Self { facts }
    }

    /// What keeps `command` from running: the first missing fact that it needs.
    pub fn obstacle(&self, command: &str) -> Option<&Fact> {
        self.facts.iter().find(|fact| !fact.usable && fact.needed_by.contains(&command))
    }
}

/// Whether this kernel has TCX: an empty program is loaded to ask. False where that cannot be told.
pub fn has_tcx() -> bool {
    tries::tcx().is_ok()
}

/// The quick check before a probe is loaded: names a missing capability or a missing BTF, which the kernel itself
/// would answer with a bare number.
pub fn require(command: &'static str) -> Result<(), Error> {
    let mut facts = capabilities::process();
    facts.push(facts::vmlinux_btf());
    facts.push(facts::lockdown());
    match (Support { facts }).obstacle(command) {
        Some(fact) => {
            let help = capabilities::help(command, fact);
            Err(Error::new(fact.class, format!("cannot run {command}"), &fact.found).help(help))
        }
        None => Ok(()),
    }
}

/// Why BPF says EPERM where this process lacks a capability for it: which one, in words.
pub(crate) fn lacking() -> Option<String> {
    let needed = ["CAP_BPF", "CAP_PERFMON"];
    capabilities::process()
        .into_iter()
        .find(|fact| !fact.usable && needed.contains(&fact.name))
        .map(|fact| fact.found)
}
