//! Names of flows: Community ID, which other tools have too, and a number of our own.

use super::numbers::{FlowNumbers, Ports};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use std::net::IpAddr;

/// Protocol numbers that are treated on their own.
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;

/// Messages that answer each other: those of the Community ID specification, which are Zeek's.
const ICMP_PAIRS: &[(u8, u8)] = &[(8, 0), (13, 14), (15, 16), (10, 9), (17, 18)];
const ICMPV6_PAIRS: &[(u8, u8)] = &[(128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145)];

/// The type of the message that answers `kind`, or that `kind` answers; none where there is none.
pub fn icmp_counterpart(protocol: u8, kind: u8) -> Option<u8> {
    let pairs = match protocol {
        ICMP => ICMP_PAIRS,
        ICMPV6 => ICMPV6_PAIRS,
        _ => return None,
    };
    pairs.iter().find_map(|&(ask, answer)| match kind {
        _ if kind == ask => Some(answer),
        _ if kind == answer => Some(ask),
        _ => None,
    })
}

/// Community ID version 1 with seed 0; none where the protocol has ports and they are not known (later fragments).
///
/// <https://github.com/corelight/community-id-spec>
pub(super) fn community_id(flow: &FlowNumbers) -> Option<String> {
    let (ports, one_way) = match (flow.protocol, flow.ports) {
        (TCP | UDP | SCTP, Ports::Ports(src, dst)) => (Some((src, dst)), false),
        (ICMP | ICMPV6, Ports::Icmp(kind, code)) => {
            let counterpart = icmp_counterpart(flow.protocol, kind);
            (Some((kind.into(), counterpart.unwrap_or(code).into())), counterpart.is_none())
        }
        (TCP | UDP | SCTP | ICMP | ICMPV6, _) => return None,
        _ => (None, false),
    };
    let mut ends = [(flow.src_ip, ports.map(|ports| ports.0)), (flow.dst_ip, ports.map(|ports| ports.1))];
    if !one_way {
        ends.sort();
    }
    let mut hash = Sha1::new();
    hash.update([0, 0]);
    for (address, _) in ends {
        update(&mut hash, address);
    }
    hash.update([flow.protocol, 0]);
    for port in ends.iter().filter_map(|(_, port)| *port) {
        hash.update(port.to_be_bytes());
    }
    Some(format!("1:{}", STANDARD.encode(hash.finalize())))
}

/// Which flow and segment this is, as a number that is not negative: the upper 63 bits of the SHA-1 of addresses, ports
/// (of ICMP type and code, else 0), VLAN (0xffff without), protocol, ifindex and the segment's start since the epoch in
/// nanoseconds, numbers in network order.
pub(super) fn flow_id(flow: &FlowNumbers, start_ns: u64) -> i64 {
    let (src_port, dst_port) = match flow.ports {
        Ports::None => (0, 0),
        Ports::Ports(src, dst) => (src, dst),
        Ports::Icmp(kind, code) => (kind.into(), code.into()),
    };
    let mut hash = Sha1::new();
    update(&mut hash, flow.src_ip);
    update(&mut hash, flow.dst_ip);
    hash.update(src_port.to_be_bytes());
    hash.update(dst_port.to_be_bytes());
    hash.update(flow.vlan.unwrap_or(0xffff).to_be_bytes());
    hash.update([flow.protocol]);
    hash.update(flow.ifindex.to_be_bytes());
    hash.update(start_ns.to_be_bytes());
    let digest = hash.finalize();
    let upper = digest.iter().take(8).fold(0u64, |upper, byte| upper << 8 | u64::from(*byte));
    (upper >> 1).cast_signed()
}

fn update(hash: &mut Sha1, address: IpAddr) {
    match address {
        IpAddr::V4(address) => hash.update(address.octets()),
        IpAddr::V6(address) => hash.update(address.octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(protocol: u8, src: &str, dst: &str, ports: Ports) -> String {
        let [src_ip, dst_ip] = [src, dst].map(|address| address.parse().unwrap());
        community_id(&FlowNumbers { src_ip, dst_ip, ports, protocol, ..FlowNumbers::default() })
            .unwrap_or_default()
    }

    /// The specification's own values (baseline.py, seed 0).
    #[test]
    fn community_ids_of_the_specification() {
        let ports = Ports::Ports;
        assert_eq!(
            id(6, "128.232.110.120", "66.35.250.204", ports(34855, 80)),
            "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
        );
        assert_eq!(
            id(6, "66.35.250.204", "128.232.110.120", ports(80, 34855)),
            "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
        );
        assert_eq!(id(17, "192.168.1.52", "8.8.8.8", ports(54585, 53)), "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
        assert_eq!(id(1, "192.168.0.89", "192.168.0.1", Ports::Icmp(8, 0)), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=");
        assert_eq!(id(1, "192.168.0.1", "192.168.0.89", Ports::Icmp(0, 0)), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=");
        let (a, b) = ("fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea");
        assert_eq!(id(58, a, b, Ports::Icmp(135, 0)), "1:dGHyGvjMfljg6Bppwm3bg0LO8TY=");
        assert_eq!(id(58, b, a, Ports::Icmp(136, 0)), "1:dGHyGvjMfljg6Bppwm3bg0LO8TY=");
        assert_eq!(id(132, "192.168.170.8", "192.168.170.56", ports(7, 7)), "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs=");
    }

    #[test]
    fn unknown_ports_give_no_community_id() {
        assert_eq!(id(17, "192.0.2.1", "192.0.2.2", Ports::None), "");
        assert_ne!(id(47, "192.0.2.1", "192.0.2.2", Ports::None), "");
        assert_eq!(
            id(47, "192.0.2.1", "192.0.2.2", Ports::None),
            id(47, "192.0.2.2", "192.0.2.1", Ports::None)
        );
    }

    #[test]
    fn flow_ids_differ_by_key_and_start() {
        let flow = FlowNumbers::default();
        let other = FlowNumbers { ifindex: 1, ..FlowNumbers::default() };
        assert!(flow_id(&flow, 0) >= 0);
        assert_ne!(flow_id(&flow, 0), flow_id(&flow, 1));
        assert_ne!(flow_id(&flow, 0), flow_id(&other, 0));
    }
}
