//! The capabilities of this process: who needs which, what its absence costs, and what would help.

use super::Fact;
use super::facts::{BPF, NONE, OBSERVING, unless};
use crate::error::Class;
use std::fs;

/// XDP live frames.
const LIVE: &str = "traffic --transport live";

/// A capability by its bit in /proc/self/status, who needs it, and what its absence costs.
struct Capability {
    name: &'static str,
    bit: u32,
    needed_by: &'static [&'static str],
    costs: &'static str,
    help: &'static str,
}

/// What observing needs, at once.
const SETCAP: &str = "run as root, or grant it: setcap cap_bpf,cap_perfmon,cap_syslog+ep $(command -v plumb)";
/// What giving packets a verdict needs, at once; exceptions are told with CAP_PERFMON.
const SETCAP_XDP: &str =
    "run as root, or grant it: setcap cap_net_admin,cap_bpf,cap_perfmon+ep $(command -v plumb)";
pub(super) const ROOT: &str = "run as root";

const CAPABILITIES: &[Capability] = &[
    Capability { name: "CAP_BPF", bit: 39, needed_by: BPF, costs: "no program can be loaded", help: SETCAP },
    Capability {
        name: "CAP_PERFMON",
        bit: 38,
        needed_by: OBSERVING,
        costs: "no tracing program can be attached",
        help: SETCAP,
    },
    Capability {
        name: "CAP_SYSLOG",
        bit: 34,
        needed_by: NONE,
        costs: "kernel addresses are hidden where kptr_restrict is 1: locations have no names and noise by symbol is not hidden",
        help: SETCAP,
    },
    Capability {
        name: "CAP_NET_ADMIN",
        bit: 12,
        needed_by: &["xdp", "packets", "lab", LIVE],
        costs: "no XDP or TC program can be attached, no lab made",
        help: ROOT,
    },
    Capability {
        name: "CAP_SYS_ADMIN",
        bit: 21,
        needed_by: &["lab", LIVE, "xdp stats", "xdp time"],
        costs: "namespaces cannot be made or entered, nor BPF programs of others be looked at",
        help: ROOT,
    },
    Capability {
        name: "CAP_NET_RAW",
        bit: 13,
        needed_by: &["traffic --transport packet"],
        costs: "no packet socket can be opened",
        help: "run as root, or grant it: setcap cap_net_raw+ep $(command -v plumb)",
    },
];

/// CAP_SYS_ADMIN includes what CAP_BPF, CAP_PERFMON and CAP_SYSLOG were split from.
const SYS_ADMIN_BIT: u32 = 21;

/// The capabilities of this process.
pub(super) fn process() -> Vec<Fact> {
    let (effective, lacks) = effective_capabilities();
    let holds = |bit: u32| effective >> bit & 1 == 1;
    let facts = CAPABILITIES.iter().map(|capability| {
        let split = !matches!(capability.bit, 12 | 13) && holds(SYS_ADMIN_BIT);
        let usable = holds(capability.bit) || split;
        Fact {
            name: capability.name,
            usable,
            found: if usable { "held".into() } else { format!("{lacks} {}", capability.name) },
            costs: unless(usable, capability.costs),
            help: unless(usable, capability.help),
            needed_by: capability.needed_by,
            class: Class::Privileges,
        }
    });
    facts.collect()
}

/// Whether this process is as good as root for BPF.
pub(super) fn holds_sys_admin() -> bool {
    effective_capabilities().0 >> SYS_ADMIN_BIT & 1 == 1
}

/// What would help `command` where `fact` is missing.
pub(super) fn help(command: &str, fact: &Fact) -> String {
    let granted = ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"].contains(&fact.name);
    if ["xdp", "packets"].contains(&command) && granted { SETCAP_XDP.to_owned() } else { fact.help.clone() }
}

/// The effective capabilities that count, and how to say that one is not among them.
fn effective_capabilities() -> (u64, &'static str) {
    let Ok(status) = fs::read_to_string("/proc/self/status") else {
        return (0, "/proc is not mounted, so it is not known whether this process has");
    };
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    // The first user namespace maps every id to itself; capabilities within another one are none outside of it.
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    if map.split_ascii_whitespace().eq(["0", "0", "4294967295"]) {
        (effective, "this process lacks")
    } else {
        (0, "in a user namespace this process has no real")
    }
}
