//! UDP faults.

use super::{Count, Expect, Fault};
use crate::{
    Lab, Result,
    frames::{Family, Path},
    wait,
};

/// Port where nobody listens, in no registry.
const CLOSED: u16 = 47;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "udp-closed-port",
        what: "UDP datagrams to a port where nobody listens",
        family: Some(Family::V4),
        inject: |lab, n| closed_port(lab, Family::V4, n),
        expect: |_| const { &[Expect::main("NO_SOCKET", "__udp4_lib_rcv")] },
    },
    Fault {
        name: "udp-closed-port-v6",
        what: "UDP datagrams over IPv6 to a port where nobody listens",
        family: Some(Family::V6),
        inject: |lab, n| closed_port(lab, Family::V6, n),
        expect: |_| const { &[Expect::main("NO_SOCKET", "__udp6_lib_rcv")] },
    },
];

fn closed_port(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let counter = match family {
        Family::V4 => "UdpNoPorts",
        Family::V6 => "Udp6NoPorts",
    };
    let before = lab.receiver().nstat(counter)?;
    let frame = Path::between(lab.sender(), lab.receiver()).udp(family, (40_000, CLOSED), b"closed")?;
    lab.sender().packet_sender()?.repeat(&frame, n)?;
    wait::for_count(counter, n, || Ok(lab.receiver().nstat(counter)? - before)).map(Count::main)
}
