//! Frees that are normal life of a healthy host, although they pass `kfree_skb`: what `--noise hide` hides.
//!
//! A rule is written for what was measured on 6.1, 6.12 and 6.18 while every connection and every request
//! succeeded; it is here only if hiding it takes nothing from a user who looks for lost packets. The account keeps
//! what is hidden (`hidden` in the ledger), and `--noise show` shows it.
//!
//! Left out on purpose, though a healthy host frees such packets too, because the same reason in the same function
//! also tells of faults:
//! - NO_SOCKET in `ping_rcv`, in older kernels in `icmp_rcv` and `icmpv6_rcv`: replies to a `ping` that uses a raw
//!   socket, but replies that nobody asked for as well;
//! - NOT_SPECIFIED in `ip_rcv_finish_core`: IPv4 multicast that nobody joined, but bad IP options as well, and up to
//!   6.12 martians;
//! - NOT_SPECIFIED in `udp_destruct_common`, QUEUE_PURGE in `inet_sock_destruct`: what an application never read;
//! - TCP_OLD_DATA: retransmissions that were not needed.

use crate::enrich::{Kallsyms, Reasons};

// Address families of <linux/socket.h>: part of the kernel's binary interface.
const AF_UNIX: u8 = 1;
const AF_NETLINK: u8 = 16;
const AF_PACKET: u8 = 17;
const AF_VSOCK: u8 = 40;

/// One kind of free. What is `None` may be anything; a rule has at least one that is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Address family of the packet's socket.
    pub family: Option<u8>,
    /// Function in which the packet is freed, as [`base_name`](crate::enrich::kallsyms::base_name) gives it.
    pub symbol: Option<&'static str>,
    /// Reason, without its prefix.
    pub reason: Option<&'static str>,
    /// Kernels on which the rule holds.
    pub kernels: Kernels,
    /// Why hiding it is no loss, in one sentence.
    pub why: &'static str,
}

/// Kernels told apart by what their BTF names, not by version: distributions port fixes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernels {
    /// Every kernel.
    All,
    /// Those that have this reason: before it, the fault it names came under the rule's reason.
    With(&'static str),
    /// Those that do not have this reason yet: its commit also made the rule's reason mean something.
    Without(&'static str),
}

const fn family(family: u8, symbol: Option<&'static str>, why: &'static str) -> Rule {
    Rule { family: Some(family), symbol, reason: None, kernels: Kernels::All, why }
}

const fn free(symbol: &'static str, kernels: Kernels, why: &'static str) -> Rule {
    Rule { family: None, symbol: Some(symbol), reason: Some("NOT_SPECIFIED"), kernels, why }
}

const SNIFFER: &str =
    "copies in the queue of a sniffer that was closed; the packets themselves went their way";
const TIME_WAIT: &str = "what a peer sends to a connection that is closed here and in TIME_WAIT, its FIN above all: answered, \
     then freed. Kernels without TCP_LISTEN_OVERFLOW free what a full listener refuses alike, so they show both";

/// The list.
pub const RULES: &[Rule] = &[
    family(
        AF_UNIX,
        None,
        "messages between processes of this host, unread when a socket was closed; no packet of a network",
    ),
    family(
        AF_NETLINK,
        None,
        "messages between kernel and processes; a reader that falls behind is told by ENOBUFS",
    ),
    family(AF_VSOCK, None, "messages between a virtual machine and its host; no packet of a network"),
    // In older kernels the function that purges queues has the shorter name.
    family(AF_PACKET, Some("skb_queue_purge"), SNIFFER),
    family(AF_PACKET, Some("skb_queue_purge_reason"), SNIFFER),
    // QUEUE_PURGE; NOT_SPECIFIED before there was that reason.
    Rule {
        family: None,
        symbol: Some("sk_stream_kill_queues"),
        reason: None,
        kernels: Kernels::All,
        why: "the peer's FIN in the queue of a TCP socket that the application had closed before: one for each such close",
    },
    free("tcp_v4_rcv", Kernels::With("TCP_LISTEN_OVERFLOW"), TIME_WAIT),
    free("tcp_v6_rcv", Kernels::With("TCP_LISTEN_OVERFLOW"), TIME_WAIT),
    free(
        "tcp_rcv_state_process",
        Kernels::With("TCP_FLAGS"),
        "acknowledgements that arrive after the peer has finished sending: processed, then freed. Faults in this \
         function have reasons of their own",
    ),
    free(
        "ip6_mc_input",
        Kernels::All,
        "multicast to groups that no socket of this host joined on that interface, such as other hosts' group reports",
    ),
    free(
        "icmpv6_rcv",
        Kernels::Without("IPV6_NDISC_FRAG"),
        "every ICMPv6 message, those that were processed included: such kernels tell no difference",
    ),
];

/// A rule in the numbers of the running kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// The rule it comes from.
    pub rule: &'static Rule,
    /// Address family of the packet's socket; `None` for any, also for a packet without socket.
    pub family: Option<u8>,
    /// Addresses in which the location lies: from, up to but not including. `None` for any.
    pub location: Option<(u64, u64)>,
    /// The reason's number; `None` for any.
    pub reason: Option<u32>,
}

impl Match {
    /// Whether this hides a packet. The kernel side must agree with this.
    pub fn hides(&self, family: Option<u8>, location: u64, reason: u32) -> bool {
        self.family.is_none_or(|wanted| family == Some(wanted))
            && self.location.is_none_or(|(start, end)| (start..end).contains(&location))
            && self.reason.is_none_or(|wanted| reason == wanted)
    }
}

/// The list for the running kernel: one entry for each rule, or for each range of its function's addresses.
///
/// A rule is left out where it does not hold, where the kernel has no such reason or function, and, if it names a
/// function, where kernel addresses are hidden: then more is shown, never less.
pub fn resolve(reasons: &Reasons, symbols: &Kallsyms) -> Vec<Match> {
    let has = |name| reasons.number(name).is_some();
    let in_force = RULES.iter().filter(|rule| match rule.kernels {
        Kernels::All => true,
        Kernels::With(name) => has(name),
        Kernels::Without(name) => !reasons.is_empty() && !has(name),
    });
    let mut matches = Vec::new();
    for rule in in_force {
        let reason = rule.reason.map(|name| reasons.number(name));
        let reason = match reason {
            Some(None) => continue,
            known => known.flatten(),
        };
        let entry = Match { rule, family: rule.family, location: None, reason };
        match rule.symbol {
            None => matches.push(entry),
            Some(symbol) => {
                let ranges = symbols.ranges(symbol).into_iter();
                matches.extend(ranges.map(|range| Match { location: Some(range), ..entry }));
            }
        }
    }
    matches
}

#[cfg(test)]
mod tests;
