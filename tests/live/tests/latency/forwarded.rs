//! Packets that a host between two others routes.

use crate::scene::{PORT, Scene, seen};
use anyhow::{Context, Result, ensure};
use plumb_lab::Host;
use plumb_live::TestResult;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

const TIMES: usize = 30;
const MESSAGE: [u8; 100] = [7; 100];

/// The first scene's sender, its receiver as the router, and behind that the second scene's sender.
struct Routed {
    near: Scene,
    far: Scene,
}

impl Routed {
    fn new() -> Result<Self> {
        let routed = Self { near: Scene::new()?, far: Scene::new()? };
        let (host, router, server) = (routed.near.lab.sender(), routed.near.lab.receiver(), routed.server());
        server.ip(&[&format!("link delete {}", server.interface)])?;
        let other = server.netns.name();
        // Without a link-local address, as the lab's hosts are, a router does not ask for IPv6 neighbours.
        router.ip(&[
            &format!("link add far0 type veth peer name near0 netns {other} address 02:00:00:00:00:0d"),
            "link set far0 up",
            "address add 198.19.0.1/24 dev far0",
            "address add 2001:db8:1::1/64 dev far0 nodad",
            "neighbour add 198.19.0.2 lladdr 02:00:00:00:00:0d nud permanent dev far0",
            "neighbour add 2001:db8:1::2 lladdr 02:00:00:00:00:0d nud permanent dev far0",
        ])?;
        server.ip(&[
            "link set near0 up",
            "address add 198.19.0.2/24 dev near0",
            "address add 2001:db8:1::2/64 dev near0 nodad",
        ])?;
        for setting in ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"] {
            router.sysctl(setting, "1")?;
        }
        host.ip(&[
            &format!("route add 198.19.0.0/24 via {}", router.v4),
            &format!("route add 2001:db8:1::/64 via {}", router.v6),
        ])?;
        Ok(routed)
    }

    fn server(&self) -> &Host {
        self.far.lab.sender()
    }
}

#[test]
fn a_routed_packet_is_a_journey_at_each_host() -> TestResult {
    let routed = Routed::new()?;
    for address in ["198.19.0.2", "2001:db8:1::2"] {
        passes(&routed, address.parse()?).context(address)?;
    }
    Ok(())
}

fn passes(routed: &Routed, address: IpAddr) -> TestResult {
    let at = SocketAddr::new(address, PORT);
    let from = if address.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
    let client = routed.near.lab.sender().run(|| Ok(UdpSocket::bind(from).expect("a port")))?;
    let server = routed.server().run(|| Ok(UdpSocket::bind(at).expect("a port")))?;
    server.set_read_timeout(Some(Duration::from_secs(20)))?;
    seen(|| {
        let plumb = routed.near.plumb(&["--events"])?.start()?;
        for _ in 0..TIMES {
            client.send_to(&MESSAGE, at)?;
            server.recv(&mut [0; 200])?;
        }
        let records = plumb.stop()?.records()?;
        let journeys: Vec<&Value> = records.of("journey").collect();
        ensure!(records.ledger()?["complete"] == true, "{}", records.ledger()?);
        ensure!(journeys.len() == 3 * TIMES, "{} journeys: {}", journeys.len(), records.ledger()?);
        let mut hosts = BTreeSet::new();
        for (direction, ended, hooks, never) in WAYS {
            let ways: Vec<&&Value> = journeys.iter().filter(|way| way["direction"] == *direction).collect();
            ensure!(ways.len() == TIMES, "{} of {TIMES} {direction}: {}", ways.len(), records.ledger()?);
            for way in ways {
                let stages = way["stages"].as_array().context("stages")?;
                let names: Vec<&str> = stages.iter().filter_map(|stage| stage["name"].as_str()).collect();
                ensure!(way["ended"] == *ended, "{way}");
                ensure!(hooks.iter().all(|hook| names.contains(hook)), "{way}");
                ensure!(!never.iter().any(|hook| names.contains(hook)), "{way}");
                hosts.insert((direction, way["netns_cookie"].as_u64().context("a namespace")?));
            }
        }
        let namespaces: BTreeSet<u64> = hosts.iter().map(|(_, namespace)| *namespace).collect();
        ensure!(hosts.len() == 3 && namespaces.len() == 3, "{hosts:?}");
        Ok(())
    })
}

const READER: &[&str] = &[
    "local",
    "transport",
    "socket",
    "in_order",
    "readable",
    "woken",
    "running",
    "copied",
    "send",
    "transport_out",
];

/// Direction, end, hooks that a packet's way has, and those that it has not.
const WAYS: &[(&str, &str, &[&str], &[&str])] = &[
    ("tx", "transmitted", &["queue", "to_driver", "from_driver"], &["driver", "receive", "copied"]),
    ("forward", "forwarded", &["driver", "receive", "queue", "to_driver", "from_driver"], READER),
    ("rx", "delivered", &["driver", "receive", "copied"], &["queue", "to_driver", "from_driver"]),
];
