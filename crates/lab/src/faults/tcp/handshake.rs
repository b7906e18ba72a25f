//! Segments that come before a connection is established.

use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::Socket;

use super::{
    Segment, both,
    connection::{accept, address, connect, listen, numbers, segments_in, silence, socket, stamp},
    counted, do_rcv, drops, offer,
    options::{self, DeferAccept},
    rcv, told_apart_since,
};
use crate::{
    Error, Host, KernelVersion, Lab, Result, Role,
    faults::{Count, Expect, Fault, inject::path, since},
    frames::Family,
    wait,
};

/// Measured to give reasons for what it drops of a handshake; older ones do not.
const TELLS_HANDSHAKES: KernelVersion = KernelVersion(6, 18);

pub(in crate::faults) const FAULTS: &[Fault] = both![
    (
        "tcp-listen-overflow",
        "last TCP segments of handshakes, to a listener whose queue is full",
        |lab, n| overflow(lab, FAMILY, n),
        |kernel| {
            since(
                kernel,
                KernelVersion(6, 18),
                const { &[Expect::main("TCP_LISTEN_OVERFLOW", rcv(FAMILY))] },
                const { &[Expect::main("NOT_SPECIFIED", rcv(FAMILY))] },
            )
        },
    ),
    (
        "tcp-handshake-window",
        "TCP segments outside the window of a handshake that is under way",
        |lab, n| half_open(lab, FAMILY, n, |segment| {
            segment.header.sequence_number = segment.header.sequence_number.wrapping_add(1 << 28);
        }),
        |kernel| {
            since(
                kernel,
                TELLS_HANDSHAKES,
                const { &[Expect::main("TCP_OVERWINDOW", rcv(FAMILY)), deferred(FAMILY)] },
                const { &[Expect::main("NOT_SPECIFIED", rcv(FAMILY))] },
            )
        },
    ),
    (
        "tcp-handshake-echo",
        "last TCP segments of a handshake that echo a time stamp which was never sent (RFC 7323, section 3.2)",
        |lab, n| half_open(lab, FAMILY, n, |segment| {
            segment.stamps = segment.stamps.map(|(value, _)| (value, 1));
        }),
        |kernel| {
            since(
                kernel,
                TELLS_HANDSHAKES,
                const { &[Expect::main("TCP_RFC7323_TSECR", rcv(FAMILY)), deferred(FAMILY)] },
                const { &[Expect::main("NOT_SPECIFIED", rcv(FAMILY))] },
            )
        },
    ),
    (
        "tcp-connect-reset-guess",
        "TCP resets to a host that connects, which acknowledge what it never sent",
        |lab, n| blind_reset(lab, FAMILY, n),
        |kernel| {
            since(
                kernel,
                KernelVersion(6, 12),
                const { &[Expect::main("TCP_INVALID_ACK_SEQUENCE", do_rcv(FAMILY))] },
                const { &[Expect::main("NOT_SPECIFIED", do_rcv(FAMILY))] },
            )
        },
    ),
];

/// The client's last segment of the handshake, which a listener that waits for data does not count.
const fn deferred(family: Family) -> Expect {
    Expect::side("NOT_SPECIFIED", rcv(family), Role::Receiver)
}

/// The last segment of a handshake, held back by its client until the queue is full.
///
/// The client is gone then, so that it does not send that segment by itself. All must be over within a second, when
/// the listener repeats its SYN-ACK and the client's host answers with a reset.
fn overflow(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let listener = listen(lab.receiver(), family, 2)?;
    let client = socket(lab.sender(), family)?;
    // Such a client waits for data to send along, 200 ms at most (tcp_rcv_synsent_state_process).
    client.set_tcp_quickack(false).map_err(Error::io("set TCP_QUICKACK"))?;
    connect(&client, &listener)?;
    let frame = Segment::of(&client, address(&listener)?.port())?.frame(path(lab), family)?;
    silence(&client);
    drop(client);
    let _queue = FullQueue::of(listener, lab.sender(), family)?;
    // Not the listener's drop counter, which counts these twice (tcp_listendrop).
    offer(lab, &frame, n, || lab.receiver().nstat("TcpExtListenOverflows")).map(Count::main)
}

/// Sends segments, made wrong by `edit`, of a handshake that has all but its last segment.
fn half_open(lab: &Lab, family: Family, n: u64, edit: fn(&mut Segment)) -> Result<Count> {
    const PATIENT: u32 = 60;
    let listener = listen(lab.receiver(), family, 1)?;
    options::set(&listener, DeferAccept, &PATIENT, "TCP_DEFER_ACCEPT")?;
    let client = socket(lab.sender(), family)?;
    connect(&client, &listener)?;
    let side = counted(1, 0, || drops(&listener))?;
    let mut segment = Segment::of(&client, address(&listener)?.port())?;
    segment.stamps = Some((stamp(&client)?, 0));
    edit(&mut segment);
    let frame = segment.frame(path(lab), family)?;
    let main = offer(lab, &frame, n, || drops(&listener))?;
    silence(&client);
    told_apart_since(TELLS_HANDSHAKES, Count { main, side })
}

/// The receiver connects to a listener that has no room and does not answer.
fn blind_reset(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let listener = listen(lab.sender(), family, 1)?;
    let queue = FullQueue::of(listener, lab.receiver(), family)?;
    let target = address(&queue.listener)?;
    let client = socket(lab.receiver(), family)?;
    client.set_nonblocking(true).map_err(Error::io("make a socket non-blocking"))?;
    match client.connect(&target.into()) {
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(Error::io("start to connect")(error)),
        Ok(()) => return Err(Error::Parse { what: "a full queue: it took a connection".to_owned() }),
    }
    let (sequence, _) = numbers(&client)?;
    let mut segment = Segment::new(target.port(), address(&client)?.port());
    (segment.header.rst, segment.header.ack) = (true, true);
    segment.header.acknowledgment_number = sequence.wrapping_add(1_000);
    let frame = segment.frame(path(lab), family)?;
    offer(lab, &frame, n, || segments_in(&client)).map(Count::main)
}

/// A listener whose queue has one connection and room for no more.
struct FullQueue {
    listener: Socket,
    client: Socket,
}

impl FullQueue {
    /// Fills the queue of `listener` from the host `from`.
    fn of(listener: Socket, from: &Host, family: Family) -> Result<Self> {
        let client = socket(from, family)?;
        connect(&client, &listener)?;
        wait::until("a connection to be queued", wait::PATIENCE, || {
            let mut queue = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
            let ready = poll(&mut queue, PollTimeout::ZERO).map_err(Error::io("poll a listener"))?;
            Ok((ready == 1).then_some(()))
        })?;
        listener.listen(0).map_err(Error::io("shorten a listener's queue"))?;
        Ok(Self { listener, client })
    }
}

impl Drop for FullQueue {
    fn drop(&mut self) {
        // What waits in the queue of a closed listener is reset.
        if let Ok(server) = accept(&self.listener) {
            silence(&server);
        }
        silence(&self.client);
    }
}
