//! Routing and forwarding, of both IP versions.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, TcpListener, TcpStream},
};

use super::{
    Count, ERRORS_V6, Expect, Fault, answered,
    inject::{Oracle, PORT, SOURCE_PORT, offer, offer_heard, path},
};
use crate::{
    Error, Lab, Result, Role,
    frames::{Family, Path},
    topology::{MLD_REPORTS, settle},
    wait,
};

/// RFC 5737: a network that is nowhere in the lab.
const FAR_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
/// RFC 3849: likewise.
const FAR_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 9);
const FORWARD_V4: &str = "net.ipv4.ip_forward";
const FORWARD_V6: &str = "net.ipv6.conf.all.forwarding";

/// A host that becomes a router, or ceases to be one, reports the groups of routers to the other host.
const REPORTS: Expect = Expect::side("NOT_SPECIFIED", "ip6_mc_input", Role::Sender);

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "route-not-a-router",
        what: "IPv4 packets for another network to a host that does not forward",
        family: Some(Family::V4),
        inject: |lab, n| astray(lab, Family::V4, n, Oracle::Receiver("IpInAddrErrors")),
        expect: |_| const { &[Expect::main("IP_INADDRERRORS", "ip_error")] },
    },
    Fault {
        name: "route-not-a-router-v6",
        what: "IPv6 packets for a network without a route to a host that does not forward",
        family: Some(Family::V6),
        inject: |lab, n| astray(lab, Family::V6, n, Oracle::Receiver("Ip6InNoRoutes")),
        expect: |kernel| {
            answered(
                kernel,
                const { &[Expect::main("IP_INNOROUTES", "ip6_pkt_drop").or_in(&["ip6_pkt_discard"])] },
                const { &[Expect::main("IP_INNOROUTES", "ip6_pkt_drop").or_in(&["ip6_pkt_discard"]), ERRORS_V6] },
            )
        },
    },
    Fault {
        name: "route-missing",
        what: "IPv4 packets to a router that has no route for them",
        family: Some(Family::V4),
        inject: |lab, n| {
            lab.receiver().with_sysctl(FORWARD_V4, "1", || {
                astray(lab, Family::V4, n, Oracle::Receiver("IpExtInNoRoutes"))
            })
        },
        expect: |_| const { &[Expect::main("IP_INNOROUTES", "ip_error")] },
    },
    Fault {
        name: "route-missing-v6",
        what: "IPv6 packets to a router that has no route for them",
        family: Some(Family::V6),
        inject: |lab, n| forwarding_v6(lab, || astray(lab, Family::V6, n, Oracle::Receiver("Ip6InNoRoutes"))),
        expect: |kernel| {
            answered(
                kernel,
                const { &[Expect::main("IP_INNOROUTES", "ip6_pkt_drop").or_in(&["ip6_pkt_discard"]), REPORTS] },
                const {
                    &[
                        Expect::main("IP_INNOROUTES", "ip6_pkt_drop").or_in(&["ip6_pkt_discard"]),
                        REPORTS,
                        ERRORS_V6,
                    ]
                },
            )
        },
    },
    Fault {
        name: "route-blackhole",
        what: "IPv4 packets for which the router has a blackhole route",
        family: Some(Family::V4),
        inject: |lab, n| blackhole(lab, Family::V4, n),
        expect: |_| const { &[Expect::main("NOT_SPECIFIED", "ip_error")] },
    },
    Fault {
        name: "route-blackhole-v6",
        what: "IPv6 packets for which the router has a blackhole route",
        family: Some(Family::V6),
        inject: |lab, n| blackhole(lab, Family::V6, n),
        expect: |_| const { &[Expect::main("NOT_SPECIFIED", "dst_discard_out").or_in(&["dst_discard"])] },
    },
    Fault {
        name: "route-ttl-expired",
        what: "IPv4 packets whose time to live ends at the router",
        family: Some(Family::V4),
        inject: |lab, n| {
            onward(lab, Family::V4, 1500, || expiring(lab, Family::V4, n, Oracle::Receiver("IpInHdrErrors")))
        },
        expect: |_| const { &[Expect::main("IP_INHDR", "ip_forward")] },
    },
    Fault {
        name: "route-hop-limit-v6",
        what: "IPv6 packets whose hop limit ends at the router",
        family: Some(Family::V6),
        inject: |lab, n| {
            onward(lab, Family::V6, 1500, || expiring(lab, Family::V6, n, Oracle::Receiver("Ip6InHdrErrors")))
        },
        expect: |kernel| {
            answered(
                kernel,
                const { &[Expect::main("IP_INHDR", "ip6_forward"), REPORTS] },
                const { &[Expect::main("IP_INHDR", "ip6_forward"), REPORTS, ERRORS_V6] },
            )
        },
    },
    Fault {
        name: "route-too-big",
        what: "IPv4 packets that may not be fragmented and exceed the next link's MTU",
        family: Some(Family::V4),
        inject: |lab, n| onward(lab, Family::V4, 1000, || too_big(lab, Family::V4, n, "IpFragFails")),
        expect: |_| const { &[Expect::main("PKT_TOO_BIG", "ip_forward")] },
    },
    Fault {
        name: "route-too-big-v6",
        what: "IPv6 packets that exceed the next link's MTU",
        family: Some(Family::V6),
        inject: |lab, n| onward(lab, Family::V6, 1300, || too_big(lab, Family::V6, n, "Ip6InTooBigErrors")),
        expect: |kernel| {
            answered(
                kernel,
                const { &[Expect::main("PKT_TOO_BIG", "ip6_forward"), REPORTS] },
                const { &[Expect::main("PKT_TOO_BIG", "ip6_forward"), REPORTS, ERRORS_V6] },
            )
        },
    },
    Fault {
        name: "route-vanished",
        what: "a TCP connection whose route is removed: its segments find no way out",
        family: Some(Family::V4),
        inject: vanished,
        expect: |_| const { &[Expect::main("IP_OUTNOROUTES", "__ip_queue_xmit").at_sender()] },
    },
];

fn datagram(path: Path, family: Family, length: usize) -> Result<Vec<u8>> {
    path.to(FAR_V4).to(FAR_V6).udp(family, (SOURCE_PORT, PORT), &vec![0; length])
}

fn astray(lab: &Lab, family: Family, n: u64, oracle: Oracle) -> Result<Count> {
    offer(lab, &datagram(path(lab), family, 10)?, n, oracle)
}

fn expiring(lab: &Lab, family: Family, n: u64, oracle: Oracle) -> Result<Count> {
    let mut path = path(lab);
    path.ttl = 1;
    offer(lab, &datagram(path, family, 10)?, n, oracle)
}

fn too_big(lab: &Lab, family: Family, n: u64, counter: &'static str) -> Result<Count> {
    offer(lab, &datagram(path(lab), family, 1400)?, n, Oracle::Receiver(counter))
}

fn blackhole(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let receiver = lab.receiver();
    let far: IpAddr = match family {
        Family::V4 => FAR_V4.into(),
        Family::V6 => FAR_V6.into(),
    };
    let [on, off] = ["add", "del"].map(|verb| format!("route {verb} blackhole {far}"));
    let frame = datagram(path(lab), family, 10)?;
    receiver.with_ip(&[&on], &[&off], || match family {
        Family::V4 => receiver.with_sysctl(FORWARD_V4, "1", || offer_heard(lab, &frame, n)),
        // IPv6 discards by the route alone, router or not.
        Family::V6 => offer_heard(lab, &frame, n),
    })
}

/// Makes the receiver a router that sends the far network's packets back to the sender, on a path of this MTU.
fn onward(lab: &Lab, family: Family, mtu: u32, work: impl FnOnce() -> Result<Count>) -> Result<Count> {
    let receiver = lab.receiver();
    let (far, next): (IpAddr, IpAddr) = match family {
        Family::V4 => (FAR_V4.into(), lab.sender().v4.into()),
        Family::V6 => (FAR_V6.into(), lab.sender().v6.into()),
    };
    let on = format!("route add {far} via {next} dev {} mtu lock {mtu}", receiver.interface);
    let off = format!("route del {far} via {next} dev {}", receiver.interface);
    receiver.with_ip(&[&on], &[&off], || match family {
        Family::V4 => receiver.with_sysctl(FORWARD_V4, "1", work),
        Family::V6 => forwarding_v6(lab, work),
    })
}

/// Does `work` while the receiver forwards, and adds its reports of the routers' groups to what `work` counted.
fn forwarding_v6(lab: &Lab, work: impl FnOnce() -> Result<Count>) -> Result<Count> {
    let receiver = lab.receiver();
    let before = receiver.nstat(MLD_REPORTS)?;
    let (count, joined) = receiver.with_sysctl(FORWARD_V6, "1", || {
        settle(receiver, before + 1)?;
        Ok((work()?, receiver.nstat(MLD_REPORTS)?))
    })?;
    settle(receiver, joined + 1)?;
    Ok(Count { side: receiver.nstat(MLD_REPORTS)? - before, ..count })
}

fn vanished(lab: &Lab, n: u64) -> Result<Count> {
    let (sender, receiver) = (lab.sender(), lab.receiver());
    let own = format!("{FAR_V4}/32 dev lo");
    let [add, del] = ["add", "del"]
        .map(|verb| format!("route {verb} {FAR_V4}/32 via {} dev {}", receiver.v4, sender.interface));
    receiver.with_ip(&[&format!("address add {own}")], &[&format!("address del {own}")], || {
        sender.with_ip(&[&add], &[&del], || {
            let listener = receiver
                .run(|| TcpListener::bind((FAR_V4, PORT)).map_err(Error::io("listen for a connection")))?;
            let mut stream = sender
                .run(|| TcpStream::connect((FAR_V4, PORT)).map_err(Error::io("connect to the receiver")))?;
            let (mut accepted, _) = listener.accept().map_err(Error::io("accept a connection"))?;
            stream.set_nodelay(true).map_err(Error::io("TCP_NODELAY"))?;
            let oracle = Oracle::Sender("IpOutNoRoutes");
            let before = oracle.read(lab)?;
            let mut written = 0;
            // Each write tries to send all that waits.
            let mut write = || {
                written += 1;
                stream.write_all(b"?").map_err(Error::io("write to a connection"))
            };
            sender.with_ip(&[&del], &[&add], || {
                wait::for_count("segments without a route", n, || {
                    write()?;
                    Ok(oracle.read(lab)? - before)
                })
            })?;
            write()?;
            // All has arrived, so nothing is sent again after the count.
            accepted.read_exact(&mut vec![0; written]).map_err(Error::io("read from a connection"))?;
            let dropped = oracle.read(lab)? - before;
            close(stream, accepted)?;
            Ok(Count::main(dropped))
        })
    })
}

/// Ends a connection with both FINs read: one left unread is a drop of its own (QUEUE_PURGE).
fn close(mut near: TcpStream, mut far: TcpStream) -> Result<()> {
    let mut rest = Vec::new();
    near.shutdown(Shutdown::Write).map_err(Error::io("end a connection"))?;
    far.read_to_end(&mut rest).map_err(Error::io("read the end of a connection"))?;
    drop(far);
    near.read_to_end(&mut rest).map_err(Error::io("read the end of a connection"))?;
    Ok(())
}
