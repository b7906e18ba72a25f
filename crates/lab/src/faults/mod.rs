//! Faults whose drops are known beforehand: how to provoke each, and which drops it then gives.
//!
//! An injection returns what an oracle of its own counted (the kernel's SNMP counters, a qdisc's statistics, the
//! bytes that an application read), never the number of calls made. It leaves the lab as it found it, so that
//! many faults run in one lab, one after another.

use crate::{Error, KernelVersion, Lab, Result, Role, frames::Family, wait};

mod fragment;
mod inject;
mod ip;
mod ipv6;
mod link;
mod ndisc;
mod neighbour;
mod netfilter;
mod route;
mod tc;
mod tcp;
mod udp;

/// One fault.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// Name in kebab-case; unique.
    pub name: &'static str,
    /// What is provoked, in one line.
    pub what: &'static str,
    /// IP version of the packets that drop; `None` where they are not IP.
    pub family: Option<Family>,
    /// Provokes about `n` drops and returns what was counted.
    pub inject: fn(&Lab, u64) -> Result<Count>,
    /// The drops to expect on a kernel. Empty where this kernel cannot show the fault.
    pub expect: fn(KernelVersion) -> &'static [Expect],
}

/// What an injection's oracles counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets that the fault itself hit.
    pub main: u64,
    /// Packets that dropped as a consequence: a reset that nobody waited for, a packet that waited in vain.
    pub side: u64,
}

impl Count {
    /// A fault without consequences.
    pub fn main(main: u64) -> Self {
        Self { main, side: 0 }
    }
}

/// Which number of a [`Count`] a group of drops has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// [`Count::main`].
    Main,
    /// [`Count::side`].
    Side,
    /// As many as ICMPv6 errors reached the sender.
    Errors,
}

/// A group of drops that a fault gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expect {
    /// Drop reason without the common prefix, as `NO_SOCKET`.
    pub reason: &'static str,
    /// Function that frees the packet, without the suffixes `.isra`, `.constprop`, `.part` and without module.
    pub symbol: &'static str,
    /// Its callers, outwards, into which the compiler of this or that kernel build inlines it.
    pub inlined: &'static [&'static str],
    /// Host where it happens.
    pub host: Role,
    /// How many.
    pub part: Part,
}

impl Expect {
    /// The fault's own drops, at the receiver.
    pub const fn main(reason: &'static str, symbol: &'static str) -> Self {
        Self { reason, symbol, inlined: &[], host: Role::Receiver, part: Part::Main }
    }

    /// Consequences of the fault, at `host`.
    pub const fn side(reason: &'static str, symbol: &'static str, host: Role) -> Self {
        Self { reason, symbol, inlined: &[], host, part: Part::Side }
    }

    /// The same where the compiler may have inlined the function into `callers`.
    pub const fn or_in(mut self, callers: &'static [&'static str]) -> Self {
        self.inlined = callers;
        self
    }

    /// Whether a drop with this reason (without prefix) in this function (without suffixes and offset) belongs here.
    pub fn matches(&self, reason: &str, symbol: &str) -> bool {
        self.reason == reason && (self.symbol == symbol || self.inlined.contains(&symbol))
    }

    /// The same at the sender.
    pub const fn at_sender(mut self) -> Self {
        self.host = Role::Sender;
        self
    }
}

/// A group of drops with its number: what an observer must have seen after an injection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drops {
    /// What dropped, and where.
    pub expect: Expect,
    /// How many packets.
    pub count: u64,
}

/// The drops to expect `from` a kernel version on, and those `before` it.
fn since(
    kernel: KernelVersion,
    version: KernelVersion,
    from: &'static [Expect],
    before: &'static [Expect],
) -> &'static [Expect] {
    if kernel < version { before } else { from }
}

/// Every fault, ordered by area.
pub const FAULTS: &[&[Fault]] = &[
    udp::FAULTS,
    ip::FAULTS,
    fragment::FAULTS,
    ipv6::FAULTS,
    ndisc::FAULTS,
    route::FAULTS,
    link::FAULTS,
    netfilter::FAULTS,
    tc::FAULTS,
    neighbour::FAULTS,
    tcp::endpoint::FAULTS,
    tcp::refused::FAULTS,
    tcp::handshake::FAULTS,
    tcp::established::FAULTS,
    tcp::memory::FAULTS,
    tcp::closing::FAULTS,
];

/// Every fault in one sequence.
pub fn all() -> impl Iterator<Item = &'static Fault> {
    FAULTS.iter().copied().flatten()
}

/// Names of all faults.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|fault| fault.name)
}

/// The fault called `name`.
pub fn find(name: &str) -> Result<&'static Fault> {
    all().find(|fault| fault.name == name).ok_or_else(|| Error::UnknownFault(name.to_owned()))
}

/// Before Linux 6.3 an ICMPv6 error that reaches a host ends as a drop there (net/ipv6/icmp.c).
const ERRORS_V6: Expect = Expect {
    reason: "NOT_SPECIFIED",
    symbol: "icmpv6_rcv",
    inlined: &[],
    host: Role::Sender,
    part: Part::Errors,
};

/// The drops of a fault to which the kernel answers with one ICMPv6 error a packet.
fn answered(
    kernel: KernelVersion,
    alone: &'static [Expect],
    with_errors: &'static [Expect],
) -> &'static [Expect] {
    since(kernel, KernelVersion(6, 3), alone, with_errors)
}

/// Injects the fault called `name` about `n` times and returns the drops that it gave on the running kernel.
pub fn run_fault(lab: &Lab, name: &str, n: u64) -> Result<Vec<Drops>> {
    let fault = find(name)?;
    let expected = (fault.expect)(KernelVersion::running()?);
    let before = icmpv6_errors(lab)?;
    let count = (fault.inject)(lab, n)?;
    let errors = if expected.iter().any(|expect| expect.part == Part::Errors) {
        wait::for_count("ICMPv6 errors", count.main, || Ok(icmpv6_errors(lab)? - before))?
    } else {
        0
    };
    Ok(expected
        .iter()
        .map(|&expect| Drops {
            expect,
            count: match expect.part {
                Part::Main => count.main,
                Part::Side => count.side,
                Part::Errors => errors,
            },
        })
        .collect())
}

/// ICMPv6 errors that reached the sender so far.
fn icmpv6_errors(lab: &Lab) -> Result<u64> {
    let counters = lab.sender().counters()?;
    ["Icmp6InDestUnreachs", "Icmp6InPktTooBigs", "Icmp6InTimeExcds", "Icmp6InParmProblems"]
        .iter()
        .map(|name| counters.get(name))
        .sum()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const KERNELS: [(KernelVersion, usize); 3] =
        [(KernelVersion(6, 1), 20), (KernelVersion(6, 12), 20), (KernelVersion(6, 18), 25)];

    #[test]
    fn names_are_unique_and_in_kebab_case() {
        let mut seen = HashSet::new();
        for name in names() {
            assert!(seen.insert(name), "{name} twice");
            assert!(
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
                "{name}"
            );
        }
    }

    #[test]
    fn every_fault_has_a_main_part_and_distinct_groups() {
        for (kernel, _) in KERNELS {
            for fault in all() {
                let expected = (fault.expect)(kernel);
                assert!(
                    expected.is_empty() || expected.iter().any(|e| e.part == Part::Main),
                    "{}",
                    fault.name
                );
                for (at, expect) in expected.iter().enumerate() {
                    let same = |other: &&Expect| {
                        (other.reason, other.symbol, other.host)
                            == (expect.reason, expect.symbol, expect.host)
                    };
                    assert!(
                        !expected[at + 1..].iter().any(|other| same(&other)),
                        "{}: {expect:?} twice",
                        fault.name
                    );
                }
            }
        }
    }

    #[test]
    fn each_kernel_shows_many_reasons() {
        for (kernel, least) in KERNELS {
            let reasons: HashSet<_> =
                all().flat_map(|fault| (fault.expect)(kernel)).map(|expect| expect.reason).collect();
            assert!(reasons.len() >= least, "{} reasons on {kernel}", reasons.len());
        }
    }
}
