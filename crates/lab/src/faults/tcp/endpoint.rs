//! Segments without a connection: to a closed port, to a listener, and damaged ones.

use std::{io, net::SocketAddr};

use etherparse::TcpHeader;

use super::{
    Segment, both,
    connection::{address, host_address, listen, socket},
    counted, do_rcv, drops, offer, rcv,
};
use crate::{
    Error, KernelVersion, Lab, Result, Role,
    faults::{
        Count, Expect, Fault,
        inject::{SOURCE_PORT, path},
        since,
    },
    frames::{Family, TRANSPORT_V4, TRANSPORT_V6, corrupt, patch},
};

/// Port where nobody listens.
const CLOSED: u16 = 47;
/// Where a TCP header has its length and its checksum.
const DATA_OFFSET: usize = 12;
const CHECKSUM: usize = 16;

pub(in crate::faults) const FAULTS: &[Fault] = both![
    (
        "tcp-closed-port",
        "TCP connections to a port where nobody listens",
        |lab, n| closed_port(lab, FAMILY, n),
        |_| const { &[Expect::main("NO_SOCKET", rcv(FAMILY))] },
    ),
    (
        "tcp-bad-checksum",
        "TCP segments with a wrong checksum",
        |lab, n| damaged(lab, FAMILY, n, "TcpInCsumErrors", |frame, tcp| corrupt(frame, tcp + CHECKSUM)),
        |_| const { &[Expect::main("TCP_CSUM", rcv(FAMILY))] },
    ),
    (
        "tcp-bad-header-length",
        "TCP segments that say their header is shorter than 20 bytes",
        |lab, n| damaged(lab, FAMILY, n, "TcpInErrs", |frame, tcp| patch(
            frame,
            tcp + DATA_OFFSET,
            &[4 << 4]
        )),
        |_| const { &[Expect::main("PKT_TOO_SMALL", rcv(FAMILY))] },
    ),
    (
        "tcp-listener-reset",
        "TCP resets to a listener",
        |lab, n| knock(lab, FAMILY, n, |header| header.rst = true),
        |_| const { &[Expect::main("TCP_RESET", "tcp_rcv_state_process")] },
    ),
    (
        "tcp-listener-no-flags",
        "TCP segments without any flag to a listener",
        |lab, n| knock(lab, FAMILY, n, |_| ()),
        |_| const { &[Expect::main("TCP_FLAGS", "tcp_rcv_state_process")] },
    ),
    (
        "tcp-listener-syn-fin",
        "TCP segments with both SYN and FIN to a listener",
        |lab, n| knock(lab, FAMILY, n, |header| (header.syn, header.fin) = (true, true)),
        |_| const { &[Expect::main("TCP_FLAGS", "tcp_rcv_state_process")] },
    ),
    (
        "tcp-listener-ack",
        "TCP acknowledgements to a listener that knows no such connection",
        |lab, n| acknowledged(lab, FAMILY, n),
        |kernel| {
            since(
                kernel,
                KernelVersion(6, 12),
                const { &[Expect::main("TCP_FLAGS", do_rcv(FAMILY)), unwanted_reset(FAMILY)] },
                const { &[Expect::main("NOT_SPECIFIED", do_rcv(FAMILY)), unwanted_reset(FAMILY)] },
            )
        },
    ),
];

/// The reset in answer to a forged segment, where nobody waits for it.
const fn unwanted_reset(family: Family) -> Expect {
    Expect::side("NO_SOCKET", rcv(family), Role::Sender)
}

fn closed_port(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let target = SocketAddr::new(host_address(lab.receiver(), family), CLOSED);
    let receiver = lab.receiver();
    let before = receiver.nstat("TcpOutRsts")?;
    for _ in 0..n {
        match socket(lab.sender(), family)?.connect(&target.into()) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(Error::io("connect to a closed port")(error)),
            Ok(()) => return Err(Error::Parse { what: format!("port {CLOSED}: something listens there") }),
        }
    }
    counted(n, before, || receiver.nstat("TcpOutRsts")).map(Count::main)
}

/// Sends a SYN that `damage`, told where its TCP header starts, made invalid.
fn damaged(
    lab: &Lab,
    family: Family,
    n: u64,
    counter: &str,
    damage: fn(&mut [u8], usize) -> Result<()>,
) -> Result<Count> {
    let mut segment = Segment::new(SOURCE_PORT, CLOSED);
    segment.header.syn = true;
    let mut frame = segment.frame(path(lab), family)?;
    let tcp = match family {
        Family::V4 => TRANSPORT_V4,
        Family::V6 => TRANSPORT_V6,
    };
    damage(&mut frame, tcp)?;
    offer(lab, &frame, n, || lab.receiver().nstat(counter)).map(Count::main)
}

/// Sends a segment to a listener that answers it with silence.
fn knock(lab: &Lab, family: Family, n: u64, edit: fn(&mut TcpHeader)) -> Result<Count> {
    let listener = listen(lab.receiver(), family, 1)?;
    let mut segment = Segment::new(SOURCE_PORT, address(&listener)?.port());
    edit(&mut segment.header);
    let frame = segment.frame(path(lab), family)?;
    offer(lab, &frame, n, || drops(&listener)).map(Count::main)
}

fn acknowledged(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let listener = listen(lab.receiver(), family, 1)?;
    let mut segment = Segment::new(SOURCE_PORT, address(&listener)?.port());
    segment.header.ack = true;
    let frame = segment.frame(path(lab), family)?;
    let heard = lab.sender().nstat("TcpInSegs")?;
    let main = offer(lab, &frame, n, || lab.receiver().nstat("TcpOutRsts"))?;
    // Only to know that they have arrived: other connections may count here, too.
    counted(main, heard, || lab.sender().nstat("TcpInSegs"))?;
    Ok(Count { main, side: main })
}
