//! TCP: segments that a listener, a handshake, a connection or its memory refuse.
//!
//! Faults of a connection use real sockets at both ends and add forged segments, so that whatever the receiver answers
//! is expected by somebody and no reset follows.
//!
//! Expected drops differ by kernel as measured on 6.1, 6.12 and 6.18; a kernel between is taken for the older one. Which
//! of `tcp_data_queue` and its caller is named depends on the compiler that built the kernel, too.

use etherparse::{TcpHeader, TcpOptionElement};
use socket2::Socket;

use crate::{
    Error, KernelVersion, Lab, Result,
    faults::Count,
    frames::{Family, Path},
    wait,
};

pub(super) mod closing;
mod connection;
pub(super) mod endpoint;
pub(super) mod established;
pub(super) mod handshake;
pub(super) mod memory;
mod options;
pub(super) mod refused;

/// Rows of faults that exist over both IP versions, as tuples of name, description, injection and expected drops.
/// Inside the last two, `FAMILY` is the row's IP version.
macro_rules! both {
    [$(($name:literal, $what:literal, $inject:expr, $expect:expr $(,)?)),* $(,)?] => {
        &[$(
            {
                const FAMILY: Family = Family::V4;
                Fault { name: $name, what: $what, family: Some(FAMILY), inject: $inject, expect: $expect }
            },
            {
                const FAMILY: Family = Family::V6;
                Fault {
                    name: concat!($name, "-v6"),
                    what: concat!($what, ", over IPv6"),
                    family: Some(FAMILY),
                    inject: $inject,
                    expect: $expect,
                }
            },
        )*]
    };
}
use both;

/// The family's function that takes segments in from IP.
const fn rcv(family: Family) -> &'static str {
    match family {
        Family::V4 => "tcp_v4_rcv",
        Family::V6 => "tcp_v6_rcv",
    }
}

/// The family's function that hands segments to a socket's state machine.
const fn do_rcv(family: Family) -> &'static str {
    match family {
        Family::V4 => "tcp_v4_do_rcv",
        Family::V6 => "tcp_v6_do_rcv",
    }
}

/// What a forged segment says.
#[derive(Debug, Clone)]
struct Segment {
    /// Ports, numbers, flags and window; its options are the time stamps below.
    header: TcpHeader,
    /// Value and echo of the time stamp option (RFC 7323), where there is one.
    stamps: Option<(u32, u32)>,
    payload: &'static [u8],
}

impl Segment {
    /// Without flags, options and payload; the sequence number means nothing to anybody.
    fn new(from: u16, to: u16) -> Self {
        Self { header: TcpHeader::new(from, to, 1, u16::MAX), stamps: None, payload: b"" }
    }

    /// An acknowledgement that the established socket `client` could send to `port`, without time stamps.
    fn of(client: &Socket, port: u16) -> Result<Self> {
        let (sequence, acknowledgement) = connection::numbers(client)?;
        let mut segment = Self::new(connection::address(client)?.port(), port);
        segment.header.sequence_number = sequence;
        segment.header.acknowledgment_number = acknowledgement;
        segment.header.ack = true;
        Ok(segment)
    }

    fn frame(mut self, path: Path, family: Family) -> Result<Vec<u8>> {
        use TcpOptionElement::{Noop, Timestamp};
        if let Some((value, echo)) = self.stamps {
            self.header
                .set_options(&[Noop, Noop, Timestamp(value, echo)])
                .map_err(|error| Error::Frame(error.to_string()))?;
        }
        path.tcp(family, self.header, self.payload)
    }
}

/// Sends `frame` `n` times and returns what `oracle` counted.
fn offer(lab: &Lab, frame: &[u8], n: u64, oracle: impl Fn() -> Result<u64>) -> Result<u64> {
    let before = oracle()?;
    lab.sender().packet_sender()?.repeat(frame, n)?;
    counted(n, before, oracle)
}

/// Waits until `oracle` has counted `n` more than `before`; returns how many.
fn counted(n: u64, before: u64, oracle: impl Fn() -> Result<u64>) -> Result<u64> {
    wait::for_count("TCP segments dropped", n, || Ok(oracle()?.saturating_sub(before)))
}

/// Adds both numbers of `count` up on kernels before `version`, which give both the same reason.
fn told_apart_since(version: KernelVersion, count: Count) -> Result<Count> {
    let before = KernelVersion::running()? < version;
    Ok(if before { Count::main(count.main + count.side) } else { count })
}

/// Segments that the kernel says a socket dropped: what `ss -m` prints behind `d`.
fn drops(socket: &Socket) -> Result<u64> {
    // SK_MEMINFO_DROPS, include/uapi/linux/sock_diag.h.
    const DROPS: usize = 8;
    let info = options::get(socket, options::MemInfo, "SO_MEMINFO")?;
    Ok(u64::from(info[DROPS]))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use etherparse::{SlicedPacket, TransportSlice};

    use super::*;

    #[test]
    fn a_segment_carries_its_stamps_and_payload() {
        let path = Path {
            mac: ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]),
            v4: (Ipv4Addr::new(198, 18, 0, 1), Ipv4Addr::new(198, 18, 0, 2)),
            v6: ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap()),
            ttl: 64,
        };
        let mut segment = Segment::new(1000, 2000);
        segment.stamps = Some((7, 8));
        segment.payload = b"x";
        let frame = segment.frame(path, Family::V6).unwrap();
        let packet = SlicedPacket::from_ethernet(&frame).unwrap();
        let Some(TransportSlice::Tcp(tcp)) = packet.transport else { panic!("no TCP") };
        assert!(tcp.options_iterator().any(|option| option == Ok(TcpOptionElement::Timestamp(7, 8))));
        assert_eq!((tcp.source_port(), tcp.destination_port(), tcp.payload()), (1000, 2000, &b"x"[..]));
    }
}
