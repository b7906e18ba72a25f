//! Segments that an established connection refuses.

use socket2::SockFilter;

use super::{
    Segment, both,
    connection::{Connection, window_end},
    do_rcv, drops, offer, rcv,
};
use crate::{
    Error, KernelVersion, Lab, Result,
    faults::{Count, Expect, Fault, since},
    frames::Family,
};

/// Farther than any window of a new connection.
const FAR: u32 = 1 << 28;
/// Time stamps of a new connection count milliseconds: this is some seconds.
const LONG_AGO: u32 = 5_000;

pub(in crate::faults) const FAULTS: &[Fault] = both![
    (
        "tcp-no-flags",
        "TCP segments of a connection with neither ACK, SYN nor RST",
        |lab, n| forged(lab, FAMILY, n, |segment| segment.header.ack = false),
        |_| const { &[Expect::main("TCP_FLAGS", do_rcv(FAMILY))] },
    ),
    (
        "tcp-syn-in-connection",
        "SYNs inside an established TCP connection (RFC 5961, section 4)",
        |lab, n| forged(lab, FAMILY, n, |segment| segment.header.syn = true),
        |_| const { &[Expect::main("TCP_INVALID_SYN", "tcp_validate_incoming")] },
    ),
    (
        "tcp-reset-guess",
        "TCP resets inside the window but not at its start (RFC 5961, section 3)",
        |lab, n| forged(lab, FAMILY, n, guess_reset),
        |_| const { &[Expect::main("TCP_RESET", "tcp_validate_incoming")] },
    ),
    (
        "tcp-duplicate-data",
        "TCP data that was received and acknowledged just before",
        |lab, n| forged(lab, FAMILY, n, |segment| data_at(segment, 1_u32.wrapping_neg())),
        // Newer compilers inline the queueing of data.
        |kernel| {
            since(
                kernel,
                KernelVersion(6, 18),
                const { &[Expect::main("TCP_OLD_DATA", "tcp_rcv_established")] },
                const { &[Expect::main("TCP_OLD_DATA", "tcp_data_queue")] },
            )
        },
    ),
    (
        "tcp-old-sequence",
        "TCP data from long before the window",
        |lab, n| forged(lab, FAMILY, n, |segment| data_at(segment, 1_000_u32.wrapping_neg())),
        |kernel| {
            since(
                kernel,
                KernelVersion(6, 12),
                const { &[Expect::main("TCP_OLD_SEQUENCE", "tcp_validate_incoming")] },
                const { &[Expect::main("TCP_INVALID_SEQUENCE", "tcp_validate_incoming")] },
            )
        },
    ),
    (
        "tcp-beyond-window",
        "TCP data from far beyond the window",
        |lab, n| forged(lab, FAMILY, n, |segment| data_at(segment, FAR)),
        |_| const { &[Expect::main("TCP_INVALID_SEQUENCE", "tcp_validate_incoming")] },
    ),
    (
        "tcp-window-edge",
        "TCP data right behind the window of a socket with unread data",
        |lab, n| window_edge(lab, FAMILY, n),
        |kernel| {
            since(
                kernel,
                KernelVersion(6, 18),
                const { &[Expect::main("TCP_INVALID_END_SEQUENCE", "tcp_validate_incoming")] },
                const { &[Expect::main("TCP_OVERWINDOW", "tcp_data_queue")] },
            )
        },
    ),
    (
        "tcp-future-ack",
        "TCP acknowledgements of data that was never sent",
        |lab, n| forged(lab, FAMILY, n, |segment| acknowledge_at(segment, 1_000)),
        |_| const { &[Expect::main("TCP_ACK_UNSENT_DATA", do_rcv(FAMILY))] },
    ),
    (
        "tcp-old-ack",
        "TCP acknowledgements from before the connection (RFC 5961, section 5)",
        |lab, n| forged(lab, FAMILY, n, |segment| acknowledge_at(segment, FAR.wrapping_neg())),
        |_| const { &[Expect::main("TCP_TOO_OLD_ACK", do_rcv(FAMILY))] },
    ),
    (
        "tcp-old-timestamp",
        "TCP data with a time stamp that ran backwards (PAWS, RFC 7323, section 5)",
        |lab, n| forged(lab, FAMILY, n, age),
        |_| const { &[Expect::main("TCP_RFC7323_PAWS", "tcp_validate_incoming")] },
    ),
    (
        "tcp-socket-filter",
        "TCP data that the socket's own filter refuses",
        |lab, n| filtered(lab, FAMILY, n),
        |_| const { &[Expect::main("SOCKET_FILTER", rcv(FAMILY))] },
    ),
];

fn guess_reset(segment: &mut Segment) {
    segment.header.rst = true;
    segment.header.ack = false;
    segment.header.sequence_number = segment.header.sequence_number.wrapping_add(1);
    segment.stamps = None;
}

fn data_at(segment: &mut Segment, offset: u32) {
    segment.header.sequence_number = segment.header.sequence_number.wrapping_add(offset);
    segment.payload = b"x";
}

fn acknowledge_at(segment: &mut Segment, offset: u32) {
    segment.header.acknowledgment_number = segment.header.acknowledgment_number.wrapping_add(offset);
}

pub(super) fn age(segment: &mut Segment) {
    segment.stamps = segment.stamps.map(|(value, echo)| (value.wrapping_sub(LONG_AGO), echo));
    segment.payload = b"x";
}

/// Sends a segment of a new connection that `edit` made wrong.
fn forged(lab: &Lab, family: Family, n: u64, edit: fn(&mut Segment)) -> Result<Count> {
    let connection = Connection::open(lab, family)?;
    let frame = connection.forge(edit)?;
    offer(lab, &frame, n, || drops(&connection.server)).map(Count::main)
}

/// An empty receive queue would take some data beyond the window since Linux 6.16.
fn window_edge(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let connection = Connection::open(lab, family)?;
    connection.deliver(b"unread")?;
    let end = window_end(&connection.server)?;
    let frame = connection.forge(|segment| {
        segment.header.sequence_number = end;
        segment.payload = b"x";
    })?;
    offer(lab, &frame, n, || drops(&connection.server)).map(Count::main)
}

fn filtered(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let connection = Connection::open(lab, family)?;
    let frame = connection.forge(|segment| segment.payload = b"x")?;
    // Return 0: keep no byte of the packet.
    let refuse = SockFilter::new((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, 0);
    connection.server.attach_filter(&[refuse]).map_err(Error::io("attach a socket filter"))?;
    offer(lab, &frame, n, || drops(&connection.server)).map(Count::main)
}
