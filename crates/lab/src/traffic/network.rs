//! What the kernel knows of an interface, a route and a neighbour, by rtnetlink in the calling thread's namespace.

use crate::{Error, Result};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteFlags, RouteMessage};
use netlink_packet_route::stats::{StatsAttribute, StatsFilterMask, StatsMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use std::io;
use std::net::IpAddr;

/// Longest answer about one thing.
const ANSWER: usize = 1 << 16;

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// Its hardware address; zeros where it has none of six bytes.
    pub mac: [u8; 6],
    /// It was set up.
    pub up: bool,
    /// The other end is there.
    pub carrier: bool,
    /// Longest IP packet.
    pub mtu: u32,
    /// A queueing discipline stands before its driver.
    pub queued: bool,
    /// What made it: `veth`, `bridge`, ...; `None` for hardware and the loopback.
    pub kind: Option<String>,
    /// Its frames begin with an Ethernet header.
    pub ethernet: bool,
    /// It needs no neighbours: the loopback, and what is set to noarp.
    pub noarp: bool,
}

/// A neighbour entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Neighbour {
    /// Where it is known and valid.
    pub(super) mac: Option<[u8; 6]>,
    /// Nobody answered.
    pub(super) failed: bool,
}

/// What an interface counts of frames that were to be sent by it, whoever sent them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// `tx_packets`
    pub(super) sent: u64,
    /// `tx_dropped`
    pub(super) dropped: u64,
}

/// The way to an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) gateway: Option<IpAddr>,
    pub(super) source: Option<IpAddr>,
}

/// A socket to the kernel's network configuration.
pub(super) struct Netlink(Socket);

impl Netlink {
    /// Of the calling thread's network namespace.
    pub(super) fn open() -> Result<Self> {
        let opened = Socket::new(NETLINK_ROUTE).and_then(|mut socket| {
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            Ok(Self(socket))
        });
        opened.map_err(Error::io("open a netlink socket"))
    }

    fn ask(&self, message: RouteNetlinkMessage, flags: u16) -> io::Result<Option<RouteNetlinkMessage>> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::from(message));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.0.send(&bytes, 0)?;
        let mut answer = Vec::with_capacity(ANSWER);
        self.0.recv(&mut answer, 0)?;
        let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer).map_err(io::Error::other)?;
        match answer.payload {
            NetlinkPayload::InnerMessage(message) => Ok(Some(message)),
            NetlinkPayload::Error(error) if error.code.is_some() => Err(error.to_io()),
            _ => Ok(None),
        }
    }

    /// The interface called `name`; `None` where there is none.
    pub(super) fn link(&self, name: &str) -> Result<Option<Link>> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.to_owned()));
        self.ask_link(message, name)
    }

    /// The interface with this index; `None` where there is none.
    pub(super) fn link_at(&self, ifindex: u32) -> Result<Option<Link>> {
        let mut message = LinkMessage::default();
        message.header.index = ifindex;
        self.ask_link(message, &ifindex.to_string())
    }

    fn ask_link(&self, message: LinkMessage, name: &str) -> Result<Option<Link>> {
        match self.ask(RouteNetlinkMessage::GetLink(message), 0) {
            Ok(Some(RouteNetlinkMessage::NewLink(message))) => Ok(Some(read_link(&message))),
            Ok(_) => Ok(None),
            Err(error) if error.raw_os_error() == Some(Errno::ENODEV as i32) => Ok(None),
            Err(error) => Err(Error::io(format!("look at interface {name}"))(error)),
        }
    }

    /// What has become of frames that were to be sent by the interface.
    pub(super) fn passed(&self, ifindex: u32) -> Result<Passed> {
        let mut message = StatsMessage::default();
        (message.header.ifindex, message.header.filter_mask) = (ifindex, StatsFilterMask::Link64);
        let what = "an interface's counters";
        let asked = self.ask(RouteNetlinkMessage::GetStats(message), 0);
        let Some(RouteNetlinkMessage::NewStats(message)) =
            asked.map_err(Error::io(format!("read {what}")))?
        else {
            return Err(Error::Parse { what: what.to_owned() });
        };
        let found = message.attributes.iter().find_map(|attribute| match attribute {
            StatsAttribute::Link64(stats) => {
                Some(Passed { sent: stats.tx_packets, dropped: stats.tx_dropped })
            }
            _ => None,
        });
        found.ok_or_else(|| Error::Parse { what: what.to_owned() })
    }

    /// How a packet to `to` leaves by the interface; `None` where it does not.
    pub(super) fn route(&self, to: IpAddr, ifindex: u32) -> Result<Option<Hop>> {
        let message = |flags| {
            let mut message = RouteMessage::default();
            message.header.address_family = family(to);
            message.header.destination_prefix_length = if to.is_ipv4() { 32 } else { 128 };
            message.header.flags = flags;
            message.attributes.push(RouteAttribute::Destination(to.into()));
            message.attributes.push(RouteAttribute::Oif(ifindex));
            RouteNetlinkMessage::GetRoute(message)
        };
        // With an interface given, IPv4 takes what no route leads to as on its link (ip_route_output_key_hash_rcu);
        // asked for the matching route it says that there is none.
        if to.is_ipv4() && self.ask(message(RouteFlags::FibMatch), 0).is_err() {
            return Ok(None);
        }
        let answer = match self.ask(message(RouteFlags::empty()), 0) {
            Ok(Some(RouteNetlinkMessage::NewRoute(answer))) => answer,
            // Unreachable, prohibited, no such network: what `ip route get` says as well.
            Ok(_) | Err(_) => return Ok(None),
        };
        let mut hop = Hop::default();
        for attribute in &answer.attributes {
            match attribute {
                RouteAttribute::Gateway(address) => hop.gateway = ip(address),
                RouteAttribute::PrefSource(address) => hop.source = ip(address),
                _ => {}
            }
        }
        Ok(Some(hop))
    }

    /// What is known of a neighbour; `None`: nothing.
    pub(super) fn neighbour(&self, address: IpAddr, ifindex: u32) -> Result<Option<Neighbour>> {
        match self.ask(RouteNetlinkMessage::GetNeighbour(about(address, ifindex)), 0) {
            Ok(Some(RouteNetlinkMessage::NewNeighbour(message))) => Ok(Some(read_neighbour(&message))),
            Ok(_) => Ok(None),
            Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => Ok(None),
            Err(error) => Err(Error::io("look at a neighbour")(error)),
        }
    }

    /// Has the kernel find the neighbour, without a packet of ours (NTF_USE, net/core/neighbour.c).
    pub(super) fn provoke(&self, address: IpAddr, ifindex: u32) -> io::Result<()> {
        let mut message = about(address, ifindex);
        message.header.flags = NeighbourFlags::Use;
        self.ask(RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_ACK).map(drop)
    }
}

fn about(address: IpAddr, ifindex: u32) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family(address);
    message.header.ifindex = ifindex;
    message.attributes.push(NeighbourAttribute::Destination(match address {
        IpAddr::V4(address) => NeighbourAddress::Inet(address),
        IpAddr::V6(address) => NeighbourAddress::Inet6(address),
    }));
    message
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

fn read_link(message: &LinkMessage) -> Link {
    let has = |flag| message.header.flags.contains(flag);
    let mut link = Link {
        name: String::new(),
        index: message.header.index,
        mac: [0; 6],
        up: has(LinkFlags::Up),
        carrier: has(LinkFlags::LowerUp),
        mtu: u32::MAX,
        queued: true,
        kind: None,
        ethernet: matches!(message.header.link_layer_type, LinkLayerType::Ether | LinkLayerType::Loopback),
        noarp: has(LinkFlags::Noarp) || has(LinkFlags::Loopback),
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Address(address) => link.mac = address.as_slice().try_into().unwrap_or_default(),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Qdisc(kind) => link.queued = kind != "noqueue",
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::LinkInfo(infos) => {
                link.kind = infos.iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind_name(kind)),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    link
}

fn kind_name(kind: &InfoKind) -> String {
    match kind {
        InfoKind::Veth => "veth".to_owned(),
        other => other.to_string(),
    }
}

fn read_neighbour(message: &NeighbourMessage) -> Neighbour {
    let usable = matches!(
        message.header.state,
        NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Noarp
            | NeighbourState::Permanent
    );
    let mac = message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(address) => address.as_slice().try_into().ok(),
        _ => None,
    });
    Neighbour { mac: mac.filter(|_| usable), failed: message.header.state == NeighbourState::Failed }
}
