//! From what was typed to what is sent; what would keep packets from arriving is found here.

use super::obstacles::{failed, obstructed};
use crate::args::traffic::{Frames, Proto, TcpFlag, Traffic as Arguments, Way as Asked};
use crate::failure::{Failure, Outcome};
use plumb_kernel::support;
use plumb_lab::traffic::target;
use plumb_lab::traffic::{
    Capture, Contents, Link, Order, Rate, Shape, Sizes, Transport, Way, What, least_size,
};
use plumb_records::filter::{PortRange, Prefix};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// Packets per second where nothing is said: harmless.
const RATE: f64 = 1000.0;
/// The usual length.
const SIZE: u32 = 64;
/// Source ports begin here: below are services, above are ports that the kernel gives away.
const FIRST_PORT: u16 = 10_000;
/// Discard (RFC 863).
const DISCARD: u16 = 9;

/// What is to be sent, and what people should know about it. In the namespace of the interface.
pub fn plan(arguments: &Arguments) -> Outcome<(Order, Vec<String>)> {
    let way = way(arguments.pace.transport)?;
    let link = target::link(&arguments.interface).map_err(failed)?.map_err(obstructed)?;
    let (what, mean, mut notes) = match &arguments.frames.pcap {
        Some(path) => captured(path, &link)?,
        None => crafted(&arguments.frames, &link)?,
    };
    let rate = match (arguments.pace.rate, arguments.pace.bandwidth) {
        (Some(rate), _) => Some(rate),
        (None, Some(bandwidth)) => Some(bandwidth.frames(mean)),
        (None, None) if arguments.frames.pcap.is_some() => None,
        (None, None) => Some(Rate::PerSecond(RATE)),
    };
    let (way, fallen) = way;
    notes.extend(fallen);
    let order = Order {
        interface: link.name,
        ifindex: link.index,
        queued: link.queued,
        is_veth: link.kind.as_deref() == Some("veth"),
        what,
        rate,
        time: arguments.ends.duration,
        count: arguments.ends.count,
        threads: arguments.pace.threads,
        way,
    };
    Ok((order, notes))
}

/// The way that was asked for, or the one that our privileges leave; then it is said why.
fn way(asked: Asked) -> Outcome<(Option<Way>, Option<String>)> {
    let live = || support::require("traffic --transport live");
    let packet = || support::require("traffic --transport packet");
    match asked {
        Asked::Live => Ok((Some(Way::Live), live().map(|()| None)?)),
        Asked::Packet => Ok((Some(Way::Packet), packet().map(|()| None)?)),
        Asked::Auto => match live() {
            Ok(()) => Ok((None, None)),
            // Who may do neither hears what the less demanding one needs.
            Err(error) => packet()
                .map(|()| {
                    (Some(Way::Packet), Some(format!("packet sockets instead of live frames: {}", error.why)))
                })
                .map_err(|packet| {
                    Failure::from(plumb_kernel::Error { what: "cannot run traffic".to_owned(), ..packet })
                }),
        },
    }
}

type Planned = (What, f64, Vec<String>);

fn captured(path: &Path, link: &Link) -> Outcome<Planned> {
    let contents: Contents = Capture::contents(path).map_err(failed)?;
    let what = path.display();
    if contents.frames == 0 {
        return Err(Failure::arguments(format!("{what} holds no frames")));
    }
    if contents.shortest < 14 {
        return Err(Failure::arguments(format!(
            "{what} holds a frame of {} bytes, which is less than an Ethernet header",
            contents.shortest
        )));
    }
    let longest = u32::try_from(contents.longest).unwrap_or(u32::MAX);
    target::fits(link, longest, true).map_err(obstructed)?;
    let mut notes = Vec::new();
    if contents.cut > 0 {
        notes.push(format!(
            "{} of {} frames were cut when they were captured, and are sent as they are in the file",
            contents.cut, contents.frames
        ));
    }
    #[allow(clippy::cast_precision_loss, reason = "a mean")]
    let mean = contents.bytes as f64 / contents.frames as f64;
    Ok((What::Captured(path.to_owned(), contents), mean, notes))
}

fn crafted(frames: &Frames, link: &Link) -> Outcome<Planned> {
    let destination = frames.dst.ok_or_else(|| Failure::arguments("--dst says where packets go"))?;
    let own = target::own_addresses().map_err(failed)?;
    let to = first(destination, &own.into_iter().map(|(address, _)| address).collect::<Vec<_>>());
    let source = match frames.src {
        Some(source) if source.network().is_ipv4() != to.is_ipv4() => {
            return Err(Failure::arguments(format!(
                "--src {source} and --dst {destination} are not of one IP version"
            )));
        }
        Some(source) => source,
        None => {
            let source = target::source(link, to).map_err(failed)?.map_err(obstructed)?;
            Prefix::containing(source, if source.is_ipv4() { 32 } else { 128 })
                .ok_or_else(|| Failure::failed("the interface's address is no address"))?
        }
    };
    let hardware = match frames.dst_mac {
        Some(mac) => mac.0,
        None => target::hardware_address(link, to).map_err(failed)?.map_err(obstructed)?,
    };
    let mut shape = Shape {
        mac: (link.mac, hardware),
        vlan: frames.vlan,
        source,
        destination,
        transport: transport(frames)?,
        source_ports: PortRange::between(FIRST_PORT, FIRST_PORT),
        destination_ports: frames.dport.unwrap_or(PortRange::between(DISCARD, DISCARD)),
        flows: frames.flows,
        sizes: Sizes::Fixed(SIZE),
        seed: frames.random.then(|| frames.seed.unwrap_or_default()),
        stamp: frames.stamp,
    };
    shape.source_ports = match (frames.sport, frames.flows) {
        (Some(ports), _) => ports,
        (None, Some(_)) => PortRange::between(FIRST_PORT, u16::MAX),
        (None, None) => shape.source_ports,
    };
    // The usual length is raised to what the headers need; one that was asked for is not.
    shape.sizes = frames.size.unwrap_or_else(|| Sizes::Fixed(SIZE.max(least_size(&shape))));
    target::fits(link, shape.sizes.bounds().1, shape.vlan.is_some()).map_err(obstructed)?;
    let mean = shape.sizes.mean();
    // What cannot be a frame is found before anything is loaded.
    plumb_lab::traffic::plan(&shape).map_err(|error| Failure::arguments(error.to_string()))?;
    Ok((What::Crafted(shape), mean, Vec::new()))
}

/// The first address of a prefix that a host may have and that is not one of our `own`; if all are, the first.
fn first(prefix: Prefix, own: &[IpAddr]) -> IpAddr {
    let behind = |number: u128| match prefix.network() {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits().wrapping_add(number as u32)).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits().wrapping_add(number)).into(),
    };
    // Network and anycast addresses are no host's; links between two have none (RFC 3021, RFC 6164).
    let bits = if prefix.network().is_ipv4() { 32 } else { 128 };
    let start = u128::from(bits - prefix.length() > 1);
    let candidates = (start..).take(own.len() + 1).map(behind);
    let mut others =
        candidates.filter(|address: &IpAddr| prefix.contains(*address) && !own.contains(address));
    others.next().unwrap_or_else(|| behind(start))
}

fn transport(frames: &Frames) -> Outcome<Transport> {
    let wrong = |what: &str| Err(Failure::arguments(what.to_owned()));
    let ports = frames.sport.is_some() || frames.dport.is_some();
    match frames.proto {
        Proto::Icmp if ports => wrong("echo requests have no ports, so --sport and --dport mean nothing"),
        Proto::Udp | Proto::Icmp if !frames.tcp_flags.is_empty() => wrong("--tcp-flags is for --proto tcp"),
        Proto::Udp => Ok(Transport::Udp),
        Proto::Icmp => Ok(Transport::Icmp),
        Proto::Tcp => match frames.tcp_flags.as_slice() {
            [] => Ok(Transport::Tcp(bit(TcpFlag::Syn))),
            flags if flags.len() > 1 && flags.contains(&TcpFlag::None) => {
                wrong("--tcp-flags none goes with no other flag")
            }
            flags => Ok(Transport::Tcp(flags.iter().fold(0, |set, flag| set | bit(*flag)))),
        },
    }
}

/// RFC 9293, section 3.1.
fn bit(flag: TcpFlag) -> u8 {
    match flag {
        TcpFlag::None => 0,
        TcpFlag::Fin => 1,
        TcpFlag::Syn => 1 << 1,
        TcpFlag::Rst => 1 << 2,
        TcpFlag::Psh => 1 << 3,
        TcpFlag::Ack => 1 << 4,
        TcpFlag::Urg => 1 << 5,
        TcpFlag::Ece => 1 << 6,
        TcpFlag::Cwr => 1 << 7,
    }
}

#[cfg(test)]
mod tests {
    use super::first;
    use std::net::IpAddr;

    #[test]
    fn ones_own_address_is_not_the_first_of_a_prefix() {
        let own: Vec<IpAddr> = ["10.0.0.1", "10.0.0.2", "fd00::1"].map(|text| text.parse().unwrap()).into();
        for (prefix, expected) in [
            ("10.0.0.0/24", "10.0.0.3"),
            ("10.0.1.0/24", "10.0.1.1"),
            ("10.0.0.1/32", "10.0.0.1"),
            ("10.0.0.0/31", "10.0.0.0"),
            ("10.0.0.2/31", "10.0.0.3"),
            ("0.0.0.0/0", "0.0.0.1"),
            ("fd00::/64", "fd00::2"),
            ("fd00::/127", "fd00::"),
            ("::/0", "::1"),
        ] {
            let found = first(prefix.parse().unwrap(), &own);
            assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{prefix}");
        }
    }
}
