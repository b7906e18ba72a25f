//! The common filter: the same words with the same meaning in every observing command.
//!
//! Alternatives of one word are or-ed, different words are and-ed, and what a packet does not have matches no
//! word that asks for it: a packet without ports passes no port filter, an ARP frame no address filter.
//! The kernel does the filtering; [`Filter::matches`] is the reference that its result is tested against.

mod words;

pub use words::{Comm, PortRange, Prefix, Protocol, WordError};

use std::fmt::Display;
use std::net::IpAddr;

/// What to keep. An empty word asks for nothing; the default keeps every packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `--proto`: the IP protocol after IPv6 extension headers.
    pub protocols: Vec<Protocol>,
    /// `--host`: an address at either end.
    pub hosts: Vec<Prefix>,
    /// `--src`: the source address.
    pub sources: Vec<Prefix>,
    /// `--dst`: the destination address.
    pub destinations: Vec<Prefix>,
    /// `--port`: a port at either end, not necessarily at the end that `--host` matched.
    pub ports: Vec<PortRange>,
    /// `--sport`: the source port.
    pub source_ports: Vec<PortRange>,
    /// `--dport`: the destination port.
    pub destination_ports: Vec<PortRange>,
    /// `--pid`: the running process (the thread group, as `ps` shows it).
    pub pids: Vec<u32>,
    /// `--comm`: the name of the running thread, whole and case-sensitive.
    pub comms: Vec<Comm>,
    /// `--cgroup`: the cgroup id of the packet's socket.
    pub cgroups: Vec<u64>,
    /// `--uid`: the owner of the packet's socket.
    pub uids: Vec<u32>,
    /// `--interface`: the cookie of a network namespace and an interface index in it.
    pub interfaces: Vec<(u64, u32)>,
    /// `--netns`: the inode of a network namespace.
    pub netns: Option<u64>,
    /// Its cookie, where it could be found out: a later namespace with the same inode has another one.
    pub netns_cookie: Option<u64>,
}

/// What a filter looks at; `None` where the packet has no such thing or it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subject<'a> {
    /// IP protocol after IPv6 extension headers.
    pub protocol: Option<u8>,
    /// Source address.
    pub source: Option<IpAddr>,
    /// Destination address.
    pub destination: Option<IpAddr>,
    /// Source port.
    pub source_port: Option<u16>,
    /// Destination port.
    pub destination_port: Option<u16>,
    /// The running process.
    pub pid: Option<u32>,
    /// The name of the running thread, without the closing NUL.
    pub comm: Option<&'a [u8]>,
    /// Cgroup id of the socket.
    pub cgroup: Option<u64>,
    /// Owner of the socket.
    pub uid: Option<u32>,
    /// Interface index in the namespace `netns`.
    pub ifindex: Option<u32>,
    /// Inode of the network namespace.
    pub netns: Option<u64>,
    /// Cookie of the network namespace: unique for the boot.
    pub netns_cookie: Option<u64>,
}

/// More alternatives of one word than the kernel side compares.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--{word} was given {given} times, and at most {max} alternatives are compared", max = Filter::MAX)]
pub struct TooMany {
    /// The word, without dashes.
    pub word: &'static str,
    /// How many alternatives it was given.
    pub given: usize,
}

impl Filter {
    /// Alternatives that one word may have: the kernel compares them one by one, so the number is bounded.
    pub const MAX: usize = 8;

    /// Whether every packet passes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses a word with more than [`Filter::MAX`] alternatives.
    pub fn check(&self) -> Result<(), TooMany> {
        let counts = [
            ("proto", self.protocols.len()),
            ("host", self.hosts.len()),
            ("src", self.sources.len()),
            ("dst", self.destinations.len()),
            ("port", self.ports.len()),
            ("sport", self.source_ports.len()),
            ("dport", self.destination_ports.len()),
            ("pid", self.pids.len()),
            ("comm", self.comms.len()),
            ("cgroup", self.cgroups.len()),
            ("uid", self.uids.len()),
            ("interface", self.interfaces.len()),
        ];
        match counts.into_iter().find(|(_, given)| *given > Self::MAX) {
            Some((word, given)) => Err(TooMany { word, given }),
            None => Ok(()),
        }
    }

    /// One text per word in force, such as `host 10.0.0.0/8 or 2001:db8::/32`.
    pub fn describe(&self) -> Vec<String> {
        let interfaces =
            self.interfaces.iter().map(|(netns, ifindex)| format!("{ifindex} of netns cookie {netns}"));
        let interfaces: Vec<String> = interfaces.collect();
        let words = [
            alternatives("proto", &self.protocols),
            alternatives("host", &self.hosts),
            alternatives("src", &self.sources),
            alternatives("dst", &self.destinations),
            alternatives("port", &self.ports),
            alternatives("sport", &self.source_ports),
            alternatives("dport", &self.destination_ports),
            alternatives("pid", &self.pids),
            alternatives("comm", &self.comms),
            alternatives("cgroup", &self.cgroups),
            alternatives("uid", &self.uids),
            alternatives("interface", &interfaces),
            alternatives("netns", self.netns.as_slice()),
        ];
        words.into_iter().flatten().collect()
    }

    /// Whether the filter keeps `subject`. The kernel side must agree with this.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let Subject { source, destination, source_port, destination_port, .. } = *subject;
        let interface = subject.netns_cookie.zip(subject.ifindex);
        passes(&self.protocols, [subject.protocol], |protocol, number| protocol.0 == number)
            && passes(&self.hosts, [source, destination], Prefix::contains)
            && passes(&self.sources, [source], Prefix::contains)
            && passes(&self.destinations, [destination], Prefix::contains)
            && passes(&self.ports, [source_port, destination_port], PortRange::contains)
            && passes(&self.source_ports, [source_port], PortRange::contains)
            && passes(&self.destination_ports, [destination_port], PortRange::contains)
            && passes(&self.pids, [subject.pid], |pid, running| *pid == running)
            && passes(&self.comms, [subject.comm], |comm, running| comm.as_bytes() == running)
            && passes(&self.cgroups, [subject.cgroup], |cgroup, of_socket| *cgroup == of_socket)
            && passes(&self.uids, [subject.uid], |uid, of_socket| *uid == of_socket)
            && passes(&self.interfaces, [interface], |wanted, here| *wanted == here)
            && passes(self.netns.as_slice(), [subject.netns], |wanted, here| *wanted == here)
            && passes(self.netns_cookie.as_slice(), [subject.netns_cookie], |wanted, here| *wanted == here)
    }
}

/// Whether any of `values` that exists satisfies any alternative, or there is no alternative to satisfy.
fn passes<W, V: Copy, const N: usize>(
    alternatives: &[W],
    values: [Option<V>; N],
    matches: impl Fn(&W, V) -> bool,
) -> bool {
    alternatives.is_empty()
        || values.into_iter().flatten().any(|value| alternatives.iter().any(|word| matches(word, value)))
}

fn alternatives<T: Display>(word: &str, values: &[T]) -> Option<String> {
    let texts: Vec<String> = values.iter().map(T::to_string).collect();
    (!texts.is_empty()).then(|| format!("{word} {}", texts.join(" or ")))
}

#[cfg(test)]
mod tests;
