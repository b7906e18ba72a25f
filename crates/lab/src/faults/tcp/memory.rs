//! Segments that come out of order, and connections without memory for them.

use super::{
    both,
    connection::{Connection, read},
    counted, drops, offer, told_apart_since,
};
use crate::{
    Error, KernelVersion, Lab, Result, Role,
    faults::{Count, Expect, Fault, since},
    frames::Family,
};

/// Most bytes that are sent as one segment on the lab's links, options included.
const ONE_SEGMENT: usize = 1_400;

/// Measured to close its window when memory runs out (tcp_select_window); older ones leave it open.
const CLOSES_WINDOW: KernelVersion = KernelVersion(6, 12);

pub(in crate::faults) const FAULTS: &[Fault] = both![
    (
        "tcp-ofo-duplicate",
        "TCP data out of order that waits already",
        |lab, n| out_of_order_twice(lab, FAMILY, n),
        |_| {
            const {
                &[
                    Expect::main("TCP_OFOMERGE", "tcp_data_queue"),
                    // The one that waits still when the connection ends.
                    Expect::side("NOT_SPECIFIED", "skb_rbtree_purge", Role::Receiver),
                ]
            }
        },
    ),
    (
        "tcp-ofo-covered",
        "TCP data out of order that the missing data brings once more",
        |lab, n| covered(lab, FAMILY, n),
        |_| const { &[Expect::main("TCP_OFO_DROP", "tcp_data_queue")] },
    ),
    (
        "tcp-ofo-pruned",
        "TCP data out of order that makes room when memory runs out",
        |lab, n| pruned(lab, FAMILY, n),
        |kernel| {
            since(
                kernel,
                KernelVersion(6, 18),
                const {
                    &[
                        Expect::main("TCP_OFO_QUEUE_PRUNE", "tcp_prune_ofo_queue"),
                        Expect::side("PROTO_MEM", "tcp_rcv_established", Role::Receiver),
                    ]
                },
                const {
                    &[
                        Expect::main("TCP_OFO_QUEUE_PRUNE", "tcp_prune_ofo_queue"),
                        Expect::side("PROTO_MEM", "tcp_data_queue", Role::Receiver),
                    ]
                },
            )
        },
    ),
    (
        "tcp-receive-memory",
        "TCP data out of order to a socket whose receive memory is used up",
        |lab, n| no_memory(lab, FAMILY, n),
        |kernel| {
            since(
                kernel,
                KernelVersion(6, 18),
                const { &[Expect::main("PROTO_MEM", "tcp_rcv_established")] },
                const { &[Expect::main("PROTO_MEM", "tcp_data_queue")] },
            )
        },
    ),
    (
        "tcp-zero-window",
        "TCP data to a socket that closed its window because its receive memory is used up",
        |lab, n| zero_window(lab, FAMILY, n),
        |kernel| {
            if kernel < CLOSES_WINDOW {
                return const { &[Expect::main("PROTO_MEM", "tcp_data_queue")] };
            }
            since(
                kernel,
                KernelVersion(6, 18),
                const {
                    &[
                        Expect::main("TCP_INVALID_END_SEQUENCE", "tcp_validate_incoming"),
                        Expect::side("PROTO_MEM", "tcp_rcv_established", Role::Receiver),
                    ]
                },
                const {
                    &[
                        Expect::main("TCP_ZEROWINDOW", "tcp_data_queue"),
                        Expect::side("PROTO_MEM", "tcp_data_queue", Role::Receiver),
                    ]
                },
            )
        },
    ),
];

impl Connection {
    /// The frame of one byte, `offset` bytes behind the next that the receiver waits for.
    fn byte_at(&self, offset: u32) -> Result<Vec<u8>> {
        self.forge(|segment| {
            segment.header.sequence_number = segment.header.sequence_number.wrapping_add(offset);
            segment.payload = b"x";
        })
    }

    /// Sends single bytes that do not touch each other, the first of them `from` bytes behind the next that the
    /// receiver waits for; returns how many wait at the receiver.
    fn scatter(&self, lab: &Lab, from: u32, n: u32) -> Result<u64> {
        let queued = || lab.receiver().nstat("TcpExtTCPOFOQueue");
        let before = queued()?;
        let sender = lab.sender().packet_sender()?;
        for number in 0..n {
            sender.repeat(&self.byte_at(from + 2 * number)?, 1)?;
        }
        counted(u64::from(n), before, queued)
    }

    /// Leaves more unread data at the receiver than its memory may hold once [`Self::shrink`] is called.
    fn fill(&self) -> Result<()> {
        // Twice: the kernel may repack a single segment into just as much memory as is allowed.
        self.deliver(&[0; ONE_SEGMENT])?;
        self.deliver(&[0; ONE_SEGMENT])
    }

    /// Limits the receiver's memory to the least that the kernel sets. The window that it promised stays.
    fn shrink(&self) -> Result<()> {
        self.server.set_recv_buffer_size(1).map_err(Error::io("shrink a receive buffer"))
    }
}

fn out_of_order_twice(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let connection = Connection::open(lab, family)?;
    let side = connection.scatter(lab, 1, 1)?;
    let main = offer(lab, &connection.byte_at(1)?, n, || drops(&connection.server))?;
    Ok(Count { main, side })
}

fn covered(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    const ROUND: u32 = 500;
    let connection = Connection::open(lab, family)?;
    let mut main = 0;
    while main < n {
        let round = u32::try_from(n - main).unwrap_or(ROUND).min(ROUND);
        connection.scatter(lab, 1, round)?;
        let before = drops(&connection.server)?;
        let all = vec![0; 2 * round as usize + 1];
        connection.deliver(&all)?;
        read(&connection.server, all.len())?;
        main += counted(u64::from(round), before, || drops(&connection.server))?;
    }
    Ok(Count::main(main))
}

/// What waits out of order is freed when a segment in front of it finds no memory.
fn pruned(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    // As many small segments as the default receive buffer surely holds.
    const ROUND: u32 = 64;
    let mut count = Count::default();
    while count.main < n {
        let connection = Connection::open(lab, family)?;
        connection.fill()?;
        let round = u32::try_from(n - count.main).unwrap_or(ROUND).min(ROUND);
        let waiting = connection.scatter(lab, 3, round)?;
        connection.shrink()?;
        let before = drops(&connection.server)?;
        lab.sender().packet_sender()?.repeat(&connection.byte_at(1)?, 1)?;
        let freed = counted(waiting + 1, before, || drops(&connection.server))?;
        count.main += waiting;
        count.side += freed - waiting;
    }
    Ok(count)
}

fn no_memory(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let connection = Connection::open(lab, family)?;
    connection.fill()?;
    connection.shrink()?;
    offer(lab, &connection.byte_at(1)?, n, || drops(&connection.server)).map(Count::main)
}

/// The first segment without memory closes the window, the others find it closed.
fn zero_window(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let connection = Connection::open(lab, family)?;
    connection.fill()?;
    connection.shrink()?;
    let side = offer(lab, &connection.byte_at(0)?, 1, || drops(&connection.server))?;
    let main = offer(lab, &connection.byte_at(0)?, n, || drops(&connection.server))?;
    told_apart_since(CLOSES_WINDOW, Count { main, side })
}
