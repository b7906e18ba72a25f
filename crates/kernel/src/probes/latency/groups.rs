//! Packets apart from each other: what the packets of a group have in common.

use super::irq;
use crate::flow::Flow;
use crate::wire::{self, latency_group, latency_key, latency_place, latency_place_names};
use libbpf_rs::{MapCore, MapFlags};

/// What groups are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Source address.
    SrcIp,
    /// Destination address.
    DstIp,
    /// Source port.
    SrcPort,
    /// Destination port.
    DstPort,
    /// IP protocol.
    Protocol,
    /// IP version.
    Family,
    /// Interface of the first hook, in its namespace.
    Interface,
    /// Network namespace of the first hook.
    Netns,
    /// CPU of the first hook.
    Cpu,
    /// Cgroup of the socket.
    Cgroup,
}

impl Key {
    /// Every key with the name of its column.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("interface", Self::Interface),
        ("netns", Self::Netns),
        ("cpu", Self::Cpu),
        ("src_ip", Self::SrcIp),
        ("dst_ip", Self::DstIp),
        ("src_port", Self::SrcPort),
        ("dst_port", Self::DstPort),
        ("protocol", Self::Protocol),
        ("family", Self::Family),
        ("cgroup", Self::Cgroup),
    ];

    pub(super) fn bit(self) -> u32 {
        let key = match self {
            Self::SrcIp => latency_key::LATENCY_KEY_SRC_IP,
            Self::DstIp => latency_key::LATENCY_KEY_DST_IP,
            Self::SrcPort => latency_key::LATENCY_KEY_SRC_PORT,
            Self::DstPort => latency_key::LATENCY_KEY_DST_PORT,
            Self::Protocol => latency_key::LATENCY_KEY_PROTOCOL,
            Self::Family => latency_key::LATENCY_KEY_FAMILY,
            Self::Interface => latency_key::LATENCY_KEY_INTERFACE,
            Self::Netns => latency_key::LATENCY_KEY_NETNS,
            Self::Cpu => latency_key::LATENCY_KEY_CPU,
            Self::Cgroup => latency_key::LATENCY_KEY_CGROUP,
        };
        key.0
    }

    /// Whether it is a place, whose names are noted.
    pub(super) fn is_place(self) -> bool {
        self.bit() & latency_key::LATENCY_KEYS_PLACE.0 != 0
    }
}

/// What the packets of a group have in common. What is no key holds zeros or nothing.
#[derive(Clone, Debug)]
pub struct Group {
    raw: latency_group,
    interface: Option<String>,
    netns: Option<u64>,
    first_ns: u64,
}

impl Group {
    /// How many words tell groups apart.
    pub const WORDS: usize = size_of::<latency_group>() / 8;

    /// A group by its key in the kernel's table; `None` for what is none.
    pub(super) fn of(key: &[u8], places: &impl MapCore) -> Option<Self> {
        let raw: latency_group = wire::read(key).ok()?;
        let place = latency_place { netns: raw.netns, ifindex: raw.ifindex, _pad: 0 };
        let names = places.lookup(bytemuck::bytes_of(&place), MapFlags::ANY).ok().flatten();
        let names: Option<latency_place_names> = names.and_then(|bytes| wire::read(&bytes).ok());
        let interface = names.map(|names| irq::text(&names.interface)).filter(|name| !name.is_empty());
        Some(Self {
            raw,
            interface,
            netns: names.map(|names| u64::from(names.netns)),
            first_ns: names.map_or(0, |names| names.first_ns),
        })
    }

    /// The parts of the flow that are keys, as the packets had it.
    pub fn flow(&self) -> Flow {
        Flow::of(&self.raw.flow)
    }

    /// IP version.
    pub fn version(&self) -> u8 {
        self.raw.flow.version
    }

    /// Name of the interface at its first packet; `None` where too many were met.
    pub fn interface(&self) -> Option<&str> {
        self.interface.as_deref()
    }

    /// Index of the interface in its namespace.
    pub fn ifindex(&self) -> u32 {
        self.raw.ifindex
    }

    /// Inode of the network namespace; `None` where too many places were met.
    pub fn netns(&self) -> Option<u64> {
        self.netns
    }

    /// Cookie of the network namespace.
    pub fn netns_cookie(&self) -> u64 {
        self.raw.netns
    }

    /// CLOCK_MONOTONIC of the first packet of that interface or namespace.
    pub fn first_ns(&self) -> u64 {
        self.first_ns
    }

    /// CPU of the first hook.
    pub fn cpu(&self) -> u32 {
        self.raw.cpu
    }

    /// Id of the socket's cgroup; `None` where it is no key or no socket is known.
    pub fn cgroup(&self) -> Option<u64> {
        (self.raw.cgroup != 0).then_some(self.raw.cgroup)
    }

    /// What tells groups apart, as words that hash and compare.
    pub fn words(&self) -> [u64; Self::WORDS] {
        bytemuck::cast(self.raw)
    }
}
