//! The ways that packets go.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Op {
    Received,
    /// Likewise, of TCP.
    Segment,
    Sent,
    Other,
    Driver,
    Receive,
    Readable,
    Queue,
    Start,
    Driven,
    Merged,
    Consumed,
    Dropped,
    Unseen,
    /// The driver of the packet that had the address before returns.
    Late,
}

/// `enum latency_outcome`.
const DELIVERED: u32 = 0;
pub(crate) const TRANSMITTED: u32 = 1;
const FORWARDED: u32 = 2;
const DROPPED: u32 = 3;
const MERGED: u32 = 4;

/// A step of a packet on a CPU of two, where something ends with what it ends as.
pub(crate) type Part = (Op, u8, Option<u32>);

/// Ways that packets go, from where they come into being to where they are freed. What GRO merged, and what a socket merges, is
/// freed unseen.
pub(crate) const WAYS: &[&[Part]] = &[
    // Of no interest, and with an address that others had.
    &[(Op::Other, 0, None), (Op::Consumed, 0, None)],
    &[(Op::Other, 0, None), (Op::Dropped, 1, None)],
    &[
        (Op::Received, 0, None),
        (Op::Driver, 0, None),
        (Op::Receive, 0, None),
        (Op::Readable, 0, None),
        (Op::Consumed, 1, Some(DELIVERED)),
    ],
    &[(Op::Received, 0, None), (Op::Driver, 0, None), (Op::Dropped, 0, Some(DROPPED))],
    &[
        (Op::Received, 0, None),
        (Op::Driver, 0, None),
        (Op::Receive, 1, None),
        (Op::Dropped, 1, Some(DROPPED)),
    ],
    &[(Op::Received, 0, None), (Op::Driver, 0, None), (Op::Receive, 0, None), (Op::Unseen, 0, None)],
    &[
        (Op::Received, 0, None),
        (Op::Driver, 0, None),
        (Op::Receive, 0, None),
        (Op::Readable, 0, None),
        (Op::Unseen, 1, None),
    ],
    &[(Op::Received, 0, None), (Op::Merged, 0, Some(MERGED))],
    &[
        (Op::Sent, 0, None),
        (Op::Queue, 0, None),
        (Op::Start, 0, None),
        (Op::Driven, 0, None),
        (Op::Consumed, 1, Some(TRANSMITTED)),
    ],
    &[(Op::Sent, 0, None), (Op::Queue, 0, None), (Op::Dropped, 0, Some(DROPPED))],
    // Forwarded.
    &[
        (Op::Received, 0, None),
        (Op::Driver, 0, None),
        (Op::Receive, 0, None),
        (Op::Queue, 0, None),
        (Op::Start, 1, None),
        (Op::Driven, 1, None),
        (Op::Consumed, 0, Some(FORWARDED)),
    ],
    // Out of a veth's one end, into its other.
    &[
        (Op::Sent, 0, None),
        (Op::Queue, 0, None),
        (Op::Start, 0, None),
        (Op::Driver, 0, None),
        (Op::Driven, 0, Some(TRANSMITTED)),
        (Op::Receive, 0, None),
        (Op::Readable, 0, None),
        (Op::Consumed, 0, Some(DELIVERED)),
    ],
    // The one before went through a veth and was read before its driver returned.
    &[
        (Op::Sent, 0, None),
        (Op::Queue, 0, None),
        (Op::Start, 0, None),
        (Op::Late, 1, None),
        (Op::Driven, 0, None),
        (Op::Consumed, 0, Some(TRANSMITTED)),
    ],
    // Freed unseen in the stack, and after the driver.
    &[(Op::Sent, 0, None), (Op::Queue, 0, None), (Op::Unseen, 0, None)],
    &[
        (Op::Sent, 0, None),
        (Op::Queue, 0, None),
        (Op::Start, 0, None),
        (Op::Driven, 0, None),
        (Op::Unseen, 1, None),
    ],
    // Merged into another one perhaps, which waits for its socket's owner.
    &[(Op::Segment, 0, None), (Op::Driver, 0, None), (Op::Receive, 0, None), (Op::Unseen, 0, None)],
    &[(Op::Segment, 0, None), (Op::Driver, 0, None), (Op::Dropped, 1, Some(DROPPED))],
];

/// The first ones of these: their first hook is one that may free any packet.
pub(crate) const OTHERS: usize = 2;
