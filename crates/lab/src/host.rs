//! One host of a lab: a namespace with one interface.

use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    process::{Child, Command, Output},
};

use crate::{Error, Result, netns::Netns, packet::PacketSocket, stats, stats::Counters, tools};

/// What a host is in the lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Where the lab's packets come from.
    Sender,
    /// Where they go to, and where most faults are.
    Receiver,
}

/// A host: namespace, interface and addresses.
#[derive(Debug)]
pub struct Host {
    /// What the host is in the lab.
    pub role: Role,
    /// Its namespace.
    pub netns: Netns,
    /// Name of its interface.
    pub interface: &'static str,
    /// Index of its interface in its namespace.
    pub ifindex: u32,
    /// Hardware address of its interface.
    pub mac: [u8; 6],
    /// IPv4 address, in a network of 24 bits.
    pub v4: Ipv4Addr,
    /// IPv6 address, in a network of 64 bits.
    pub v6: Ipv6Addr,
}

impl Host {
    /// Runs `work` inside the host, on a thread of its own that ends with it.
    ///
    /// A socket opened inside stays the host's wherever it is used afterwards. A panic goes on in the caller.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        self.netns.run(work)
    }

    /// Starts `command` inside the host. It sees the host's network, and the caller's mounts and processes.
    pub fn spawn(&self, command: &mut Command) -> Result<Child> {
        let what = format!("start {}", command.get_program().to_string_lossy());
        self.run(|| command.spawn().map_err(Error::io(what)))
    }

    /// Runs `command` inside the host to its end and collects what it wrote.
    pub fn output(&self, command: &mut Command) -> Result<Output> {
        let what = format!("run {}", command.get_program().to_string_lossy());
        self.run(|| command.output().map_err(Error::io(what)))
    }

    /// Runs a tool inside the host; a failure of the tool is an error. Returns its standard output.
    pub fn tool(&self, argv: &[&str]) -> Result<String> {
        self.run(|| tools::run(argv, ""))
    }

    /// Runs `ip` with each of `lines` as one command, in one process.
    pub fn ip(&self, lines: &[&str]) -> Result<()> {
        self.run(|| tools::run(&["ip", "-batch", "-"], &lines.join("\n")).map(drop))
    }

    /// Runs `tc` with each of `lines` as one command, in one process.
    pub fn tc(&self, lines: &[&str]) -> Result<()> {
        self.run(|| tools::run(&["tc", "-batch", "-"], &lines.join("\n")).map(drop))
    }

    /// Applies an nftables script.
    pub fn nft(&self, script: &str) -> Result<()> {
        self.run(|| tools::run(&["nft", "-f", "-"], script).map(drop))
    }

    /// Sets a sysctl, named with dots, inside the host; returns the value it had.
    pub fn sysctl(&self, name: &str, value: &str) -> Result<String> {
        let path = sysctl_path(name);
        self.run(|| {
            let before = fs::read_to_string(&path).map_err(Error::io(name))?;
            fs::write(&path, value).map_err(Error::io(format!("{name}={value}")))?;
            Ok(before.trim().to_owned())
        })
    }

    /// Does `work` while a sysctl has another value.
    pub fn with_sysctl<T>(&self, name: &str, value: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let before = self.sysctl(name, value)?;
        finish(work(), self.sysctl(name, &before))
    }

    /// Does `work` between the `ip` commands `on` and `off`.
    pub fn with_ip<T>(&self, on: &[&str], off: &[&str], work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.ip(on)?;
        finish(work(), self.ip(off))
    }

    /// Does `work` between the `tc` commands `on` and `off`.
    pub fn with_tc<T>(&self, on: &[&str], off: &[&str], work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.tc(on)?;
        finish(work(), self.tc(off))
    }

    /// Does `work` while the nftables script `on` holds; `off` removes what it made.
    pub fn with_nft<T>(&self, on: &str, off: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.nft(on)?;
        finish(work(), self.nft(off))
    }

    /// Reads every SNMP counter of the host.
    pub fn counters(&self) -> Result<Counters> {
        self.run(Counters::read)
    }

    /// Reads one SNMP counter, under the name that `nstat` prints.
    pub fn nstat(&self, name: &str) -> Result<u64> {
        self.counters()?.get(name)
    }

    /// Frames that the host's interface has taken so far, those that an XDP program dropped included.
    pub fn received(&self) -> Result<u64> {
        let table =
            self.run(|| fs::read_to_string("/proc/thread-self/net/dev").map_err(Error::io("/proc/net/dev")))?;
        let line = table.lines().find_map(|line| line.trim().strip_prefix(self.interface)?.strip_prefix(':'));
        let frames = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        frames.ok_or_else(|| Error::Parse { what: format!("the counters of {}", self.interface) })
    }

    /// Packets that the qdiscs of `kind` on the host's interface dropped.
    pub fn qdisc_dropped(&self, kind: &str) -> Result<u64> {
        let json = self.tool(&["tc", "-s", "-j", "qdisc", "show", "dev", self.interface])?;
        stats::qdisc_dropped(&json, kind)
            .ok_or_else(|| Error::Parse { what: format!("tc's statistics of {kind}") })
    }

    /// Packets of the only named counter in the host's nftables.
    pub fn nft_counter(&self) -> Result<u64> {
        let json = self.tool(&["nft", "-j", "list", "counters"])?;
        stats::nft_packets(&json).ok_or_else(|| Error::Parse { what: "the nftables counter".to_owned() })
    }

    /// Opens a packet socket on the host's interface that only sends.
    pub fn packet_sender(&self) -> Result<PacketSocket> {
        self.run(|| PacketSocket::sender(self.interface))
    }

    /// Opens a packet socket on the host's interface that also hears what passes.
    pub fn packet_listener(&self) -> Result<PacketSocket> {
        self.run(|| PacketSocket::listener(self.interface))
    }
}

/// The result of the work, unless what came after it failed alone.
fn finish<T, U>(worked: Result<T>, undone: Result<U>) -> Result<T> {
    let value = worked?;
    undone.map(|_| value)
}

fn sysctl_path(name: &str) -> PathBuf {
    Path::new("/proc/sys").join(name.replace('.', "/"))
}

/// A hardware address as tools write it.
pub(crate) fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
