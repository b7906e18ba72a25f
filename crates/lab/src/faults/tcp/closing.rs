//! Segments that come when a connection is over.

use std::net::Shutdown;

use socket2::Socket;

use super::{
    both,
    connection::{Connection, read_end},
    counted, do_rcv, offer, rcv,
};
use crate::{
    Error, KernelVersion, Lab, Result,
    faults::{Count, Expect, Fault, since},
    frames::Family,
};

pub(in crate::faults) const FAULTS: &[Fault] = both![
    (
        "tcp-data-after-close",
        "TCP data to a host that has closed the connection",
        |lab, n| data_after_close(lab, FAMILY, n),
        |kernel| {
            since(
                kernel,
                KernelVersion(6, 12),
                const { &[Expect::main("TCP_ABORT_ON_DATA", do_rcv(FAMILY))] },
                const { &[Expect::main("NOT_SPECIFIED", do_rcv(FAMILY))] },
            )
        },
    ),
    (
        "tcp-time-wait-timestamp",
        "TCP segments of a closed connection with a time stamp that ran backwards (RFC 1337)",
        |lab, n| time_wait(lab, FAMILY, n),
        |kernel| {
            since(
                kernel,
                KernelVersion(6, 18),
                const { &[Expect::main("TCP_RFC7323_TW_PAWS", rcv(FAMILY))] },
                const { &[Expect::main("NOT_SPECIFIED", rcv(FAMILY))] },
            )
        },
    ),
];

fn close(socket: &Socket, how: Shutdown) -> Result<()> {
    socket.shutdown(how).map_err(Error::io("close a connection"))
}

/// Every connection takes one segment: the reset in answer ends it.
fn data_after_close(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let aborted = || lab.receiver().nstat("TcpExtTCPAbortOnData");
    let before = aborted()?;
    for _ in 0..n {
        let connection = Connection::open(lab, family)?;
        // Not close(2): its FIN_WAIT_2 is another kind of socket when the answer comes late.
        close(&connection.server, Shutdown::Both)?;
        read_end(&connection.client)?;
        connection.deliver(b"late")?;
    }
    counted(n, before, aborted).map(Count::main)
}

/// A reset gets no answer. The state ends by itself after a minute or with the lab.
fn time_wait(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let connection = Connection::open(lab, family)?;
    close(&connection.server, Shutdown::Write)?;
    read_end(&connection.client)?;
    let frame = connection.forge(|segment| {
        super::established::age(segment);
        segment.payload = b"";
        segment.header.rst = true;
    })?;
    close(&connection.client, Shutdown::Write)?;
    read_end(&connection.server)?;
    let rejected = || {
        let counters = lab.receiver().counters()?;
        // Older kernels count these with those of established connections.
        counters.get("TcpExtPAWSTimewait").or_else(|_| counters.get("TcpExtPAWSEstab"))
    };
    offer(lab, &frame, n, rejected).map(Count::main)
}
