//! Where frames go: from an interface and an address to hardware addresses, and what keeps frames from arriving.

use super::network::{Link, Netlink};
use crate::{Error, Result, wait};
use nix::ifaddrs::InterfaceAddress;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// The kernel asks three times, a second apart (neigh/default: mcast_solicit, retrans_time_ms).
const PATIENCE: Duration = Duration::from_millis(3500);

/// What keeps frames from arriving, as it can be told before the first one.
#[derive(Debug, thiserror::Error)]
pub enum Obstacle {
    /// There is no such interface in this namespace.
    #[error("there is no interface {0} in this network namespace")]
    NoInterface(String),
    /// Its frames are no Ethernet frames.
    #[error("interface {0} carries no Ethernet frames")]
    NotEthernet(String),
    /// It was not set up.
    #[error("interface {0} is down")]
    Down(String),
    /// The other end is missing or down.
    #[error("interface {0} has no carrier: its other end is down or not there")]
    NoCarrier(String),
    /// Frames of so many bytes do not fit.
    #[error("frames of {longest} bytes do not fit interface {name}: its MTU of {mtu} allows {most}")]
    TooLong {
        /// The interface.
        name: String,
        /// Longest frame.
        longest: u32,
        /// Longest IP packet of the interface.
        mtu: u32,
        /// Longest frame of the interface.
        most: u32,
    },
    /// No route leads there by this interface.
    #[error("no route leads to {to} by interface {name}")]
    NoRoute {
        /// The destination.
        to: IpAddr,
        /// The interface.
        name: String,
    },
    /// The interface has no address of the destination's family.
    #[error("interface {name} has no address to send to {to} from")]
    NoSource {
        /// The destination.
        to: IpAddr,
        /// The interface.
        name: String,
    },
    /// Nobody answers for the address.
    #[error("no neighbour on interface {name} answers for {hop}")]
    NoNeighbour {
        /// The destination or its gateway.
        hop: IpAddr,
        /// The interface.
        name: String,
    },
    /// It is our own: what is sent by the interface does not come back to us.
    #[error("{to} is this host's own address (of interface {name})")]
    Own {
        /// The destination or its gateway.
        to: IpAddr,
        /// The interface that has it.
        name: String,
    },
    /// The kernel asks for IPv6 neighbours from a link-local address only (ndisc_send_ns, where no packet waits).
    #[error(
        "the hardware address of {hop} is not known, and interface {name} has no link-local address to ask for it from"
    )]
    NoLinkLocal {
        /// The destination or its gateway.
        hop: IpAddr,
        /// The interface.
        name: String,
    },
    /// The kernel does not let us ask for a neighbour.
    #[error("the hardware address of {hop} is not known, and asking for it needs CAP_NET_ADMIN")]
    MayNotAsk {
        /// The destination or its gateway.
        hop: IpAddr,
    },
}

type Found<T> = std::result::Result<T, Obstacle>;

/// The interface called `name` of the calling thread's namespace, if frames can leave by it.
pub fn link(name: &str) -> Result<Found<Link>> {
    let Some(link) = Netlink::open()?.link(name)? else {
        return Ok(Err(Obstacle::NoInterface(name.to_owned())));
    };
    let name = name.to_owned();
    Ok(match &link {
        link if !link.ethernet => Err(Obstacle::NotEthernet(name)),
        link if !link.up => Err(Obstacle::Down(name)),
        link if !link.carrier => Err(Obstacle::NoCarrier(name)),
        _ => Ok(link),
    })
}

/// What has become of an interface that took frames and takes none any more; `None` where it looks as it did.
pub(super) fn lost(name: &str, ifindex: u32) -> Option<String> {
    let name = name.to_owned();
    match Netlink::open().and_then(|netlink| netlink.link_at(ifindex)).ok()? {
        None => Some(format!("interface {name} was deleted or moved to another network namespace")),
        Some(link) if !link.up => Some(Obstacle::Down(name).to_string()),
        Some(link) if !link.carrier => Some(Obstacle::NoCarrier(name).to_string()),
        Some(_) => None,
    }
}

/// Whether frames of `longest` bytes, of which a VLAN tag does not count, fit the interface.
pub fn fits(link: &Link, longest: u32, tagged: bool) -> Found<()> {
    let most = link.mtu.saturating_add(14 + if tagged { 4 } else { 0 });
    if longest <= most {
        return Ok(());
    }
    Err(Obstacle::TooLong { name: link.name.clone(), longest, mtu: link.mtu, most })
}

/// The address that the kernel would send from to reach `to` by this interface.
pub fn source(link: &Link, to: IpAddr) -> Result<Found<IpAddr>> {
    let name = link.name.clone();
    Ok(match Netlink::open()?.route(to, link.index)? {
        None => Err(Obstacle::NoRoute { to, name }),
        Some(hop) => hop.source.ok_or(Obstacle::NoSource { to, name }),
    })
}

/// The hardware address that frames to `to` bear. Where the neighbour is not known, the kernel is made to find it.
pub fn hardware_address(link: &Link, to: IpAddr) -> Result<Found<[u8; 6]>> {
    if let Some(mac) = group_address(to) {
        return Ok(Ok(mac));
    }
    if link.noarp {
        return Ok(Ok(link.mac));
    }
    let own = own_addresses()?;
    if let Some((_, name)) = own.iter().find(|(address, _)| *address == to) {
        return Ok(Err(Obstacle::Own { to, name: name.clone() }));
    }
    let netlink = Netlink::open()?;
    let Some(route) = netlink.route(to, link.index)? else {
        return Ok(Err(Obstacle::NoRoute { to, name: link.name.clone() }));
    };
    let hop = route.gateway.unwrap_or(to);
    let known = |found: Option<super::network::Neighbour>| found.and_then(|found| found.mac);
    if let Some(mac) = known(netlink.neighbour(hop, link.index)?) {
        return Ok(Ok(mac));
    }
    let asks = |(address, name): &(IpAddr, String)| {
        *name == link.name && matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
    };
    if hop.is_ipv6() && !own.iter().any(asks) {
        return Ok(Err(Obstacle::NoLinkLocal { hop, name: link.name.clone() }));
    }
    if netlink.provoke(hop, link.index).is_err() {
        return Ok(Err(Obstacle::MayNotAsk { hop }));
    }
    let found = wait::until("a neighbour to answer", PATIENCE, || {
        let found = netlink.neighbour(hop, link.index)?;
        let failed = found.is_some_and(|found| found.failed).then_some(None);
        Ok(known(found).map(Some).or(failed))
    });
    let nobody = || Obstacle::NoNeighbour { hop, name: link.name.clone() };
    match found {
        Ok(found) => Ok(found.ok_or_else(nobody)),
        Err(Error::Timeout { .. }) => Ok(Err(nobody())),
        Err(error) => Err(error),
    }
}

/// The addresses of the calling thread's namespace, each with its interface.
pub fn own_addresses() -> Result<Vec<(IpAddr, String)>> {
    let entries = nix::ifaddrs::getifaddrs().map_err(Error::io("list the addresses of interfaces"))?;
    let address = |entry: InterfaceAddress| {
        let address = entry.address?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::from(address.ip()));
        let v6 = || address.as_sockaddr_in6().map(|address| IpAddr::from(address.ip()));
        Some((v4.or_else(v6)?, entry.interface_name))
    };
    Ok(entries.filter_map(address).collect())
}

/// Multicast and broadcast (RFC 1112, section 6.4; RFC 2464, section 7).
fn group_address(to: IpAddr) -> Option<[u8; 6]> {
    match to {
        IpAddr::V4(Ipv4Addr::BROADCAST) => Some([0xff; 6]),
        IpAddr::V4(to) if to.is_multicast() => {
            let [_, b, c, d] = to.octets();
            Some([0x01, 0x00, 0x5e, b & 0x7f, c, d])
        }
        IpAddr::V6(to) if to.is_multicast() => {
            let [.., a, b, c, d] = to.octets();
            Some([0x33, 0x33, a, b, c, d])
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::group_address;

    #[test]
    fn groups_have_addresses_of_their_own() {
        let of = |text: &str| group_address(text.parse().unwrap());
        assert_eq!(of("224.129.2.3"), Some([1, 0, 0x5e, 1, 2, 3]));
        assert_eq!(of("ff02::1:ff00:7"), Some([0x33, 0x33, 0xff, 0, 0, 7]));
        assert_eq!(of("255.255.255.255"), Some([0xff; 6]));
        assert_eq!(of("10.0.0.1"), None);
    }
}
