//! UDP: nobody listens, the receiver is too slow, refuses, goes away, or the checksum is wrong.

use std::{io, net::UdpSocket};

use socket2::{SockFilter, SockRef};

use super::{
    Count, ERRORS_V6, Expect, Fault, answered,
    inject::{Oracle, PORT, SOURCE_PORT, offer, offer_heard, path, udp_socket},
    since,
};
use crate::{
    Error, KernelVersion, Lab, Result,
    frames::{Family, TRANSPORT_V4, TRANSPORT_V6, corrupt},
    wait,
};

/// Port where nobody listens.
const CLOSED: u16 = 47;
/// Datagrams that surely fit into a receive buffer of default size.
const FITTING: u64 = 64;

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
        expect: |kernel| {
            answered(
                kernel,
                const { &[Expect::main("NO_SOCKET", "__udp6_lib_rcv")] },
                const { &[Expect::main("NO_SOCKET", "__udp6_lib_rcv"), ERRORS_V6] },
            )
        },
    },
    Fault {
        name: "udp-receive-buffer",
        what: "UDP datagrams to a socket whose receive buffer is full",
        family: Some(Family::V4),
        inject: |lab, n| receive_buffer(lab, Family::V4, n),
        expect: |_| const { &[Expect::main("SOCKET_RCVBUFF", "udp_queue_rcv_one_skb")] },
    },
    Fault {
        name: "udp-receive-buffer-v6",
        what: "UDP datagrams over IPv6 to a socket whose receive buffer is full",
        family: Some(Family::V6),
        inject: |lab, n| receive_buffer(lab, Family::V6, n),
        expect: |_| const { &[Expect::main("SOCKET_RCVBUFF", "udpv6_queue_rcv_one_skb")] },
    },
    Fault {
        name: "udp-socket-filter",
        what: "UDP datagrams that the socket's own filter refuses",
        family: Some(Family::V4),
        inject: |lab, n| socket_filter(lab, Family::V4, n),
        expect: |_| const { &[Expect::main("SOCKET_FILTER", "udp_queue_rcv_one_skb")] },
    },
    Fault {
        name: "udp-socket-filter-v6",
        what: "UDP datagrams over IPv6 that the socket's own filter refuses",
        family: Some(Family::V6),
        inject: |lab, n| socket_filter(lab, Family::V6, n),
        expect: |_| const { &[Expect::main("SOCKET_FILTER", "udpv6_queue_rcv_one_skb")] },
    },
    Fault {
        name: "udp-closed-unread",
        what: "a socket closed with UDP datagrams that nobody read",
        family: Some(Family::V4),
        inject: |lab, n| closed_unread(lab, Family::V4, n),
        expect: |_| const { &[Expect::main("NOT_SPECIFIED", "udp_destruct_common")] },
    },
    Fault {
        name: "udp-closed-unread-v6",
        what: "a socket closed with UDP datagrams over IPv6 that nobody read",
        family: Some(Family::V6),
        inject: |lab, n| closed_unread(lab, Family::V6, n),
        expect: |_| const { &[Expect::main("NOT_SPECIFIED", "udp_destruct_common")] },
    },
    Fault {
        name: "udp-bad-checksum",
        what: "UDP datagrams with a wrong checksum, noticed when no socket is found",
        family: Some(Family::V4),
        inject: |lab, n| bad_checksum(lab, Family::V4, n),
        expect: |_| const { &[Expect::main("UDP_CSUM", "__udp4_lib_rcv")] },
    },
    Fault {
        name: "udp-bad-checksum-v6",
        what: "UDP datagrams over IPv6 with a wrong checksum, noticed when no socket is found",
        family: Some(Family::V6),
        inject: |lab, n| bad_checksum(lab, Family::V6, n),
        expect: |_| const { &[Expect::main("UDP_CSUM", "__udp6_lib_rcv")] },
    },
    Fault {
        name: "udp-bad-checksum-read",
        what: "UDP datagrams with a wrong checksum, noticed when the application reads them",
        family: Some(Family::V4),
        inject: |lab, n| bad_checksum_read(lab, Family::V4, n),
        expect: |kernel| {
            since(
                kernel,
                KernelVersion(6, 13),
                const { &[Expect::main("UDP_CSUM", "udp_recvmsg")] },
                const { &[Expect::main("NOT_SPECIFIED", "udp_recvmsg")] },
            )
        },
    },
    Fault {
        name: "udp-bad-checksum-read-v6",
        what: "UDP datagrams over IPv6 with a wrong checksum, noticed when the application reads them",
        family: Some(Family::V6),
        inject: |lab, n| bad_checksum_read(lab, Family::V6, n),
        expect: |kernel| {
            since(
                kernel,
                KernelVersion(6, 13),
                const { &[Expect::main("UDP_CSUM", "udpv6_recvmsg")] },
                const { &[Expect::main("NOT_SPECIFIED", "udpv6_recvmsg")] },
            )
        },
    },
];

fn closed_port(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let frame = path(lab).udp(family, (SOURCE_PORT, CLOSED), b"nobody")?;
    offer(lab, &frame, n, Oracle::Receiver(counter(family, "UdpNoPorts", "Udp6NoPorts")))
}

fn receive_buffer(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    // The kernel raises it to its minimum, which a few datagrams of this size fill.
    const BUFFER: usize = 1;
    const MAY_FIT: u64 = 16;
    let socket = udp_socket(lab.receiver(), family, PORT)?;
    SockRef::from(&socket).set_recv_buffer_size(BUFFER).map_err(Error::io("shrink a receive buffer"))?;
    let oracle = Oracle::Receiver(counter(family, "UdpRcvbufErrors", "Udp6RcvbufErrors"));
    let frame = path(lab).udp(family, (SOURCE_PORT, PORT), &[0; 512])?;
    let sender = lab.sender().packet_sender()?;
    let sent = n + MAY_FIT;
    let dropped = oracle.watch(lab, n, || sender.repeat(&frame, sent))?;
    let read = drain(&socket)?;
    if read + dropped != sent {
        let what = format!("UDP's books: {read} datagrams read and {dropped} dropped of {sent}");
        return Err(Error::Parse { what });
    }
    Ok(Count::main(dropped))
}

fn socket_filter(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let socket = udp_socket(lab.receiver(), family, PORT)?;
    // Return 0: keep no byte of the packet.
    let refuse = SockFilter::new((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, 0);
    SockRef::from(&socket).attach_filter(&[refuse]).map_err(Error::io("attach a socket filter"))?;
    let frame = path(lab).udp(family, (SOURCE_PORT, PORT), b"refused")?;
    offer(lab, &frame, n, Oracle::Receiver(counter(family, "UdpInErrors", "Udp6InErrors")))
}

fn closed_unread(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let frame = path(lab).udp(family, (SOURCE_PORT, PORT), b"unread")?;
    let mut main = 0;
    while main < n {
        let socket = udp_socket(lab.receiver(), family, PORT)?;
        main += offer_heard(lab, &frame, FITTING.min(n - main))?.main;
        // As the receiver's own processes would: a packet from a queue belongs to the namespace of who frees it.
        lab.receiver().run(|| {
            drop(socket);
            Ok(())
        })?;
    }
    Ok(Count::main(main))
}

fn bad_checksum(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let mut frame = path(lab).udp(family, (SOURCE_PORT, CLOSED), b"wrong")?;
    corrupt(&mut frame, payload(family))?;
    offer(lab, &frame, n, Oracle::Receiver(counter(family, "UdpInCsumErrors", "Udp6InCsumErrors")))
}

/// A payload longer than CHECKSUM_BREAK (76 bytes, include/linux/skbuff.h) is summed up only while it is copied.
fn bad_checksum_read(lab: &Lab, family: Family, n: u64) -> Result<Count> {
    let socket = udp_socket(lab.receiver(), family, PORT)?;
    let mut frame = path(lab).udp(family, (SOURCE_PORT, PORT), &[0; 1200])?;
    corrupt(&mut frame, payload(family))?;
    let sender = lab.sender().packet_sender()?;
    let oracle = Oracle::Receiver(counter(family, "UdpInCsumErrors", "Udp6InCsumErrors"));
    let before = oracle.read(lab)?;
    let mut sent = 0;
    while sent < n {
        let round = FITTING.min(n - sent);
        sender.repeat(&frame, round)?;
        sent += round;
        wait::for_count("wrong checksums", sent, || {
            lab.receiver().run(|| drain(&socket))?;
            Ok(oracle.read(lab)? - before)
        })?;
    }
    Ok(Count::main(oracle.read(lab)? - before))
}

/// Reads what waits in the socket's buffer; returns the number of datagrams.
fn drain(socket: &UdpSocket) -> Result<u64> {
    socket.set_nonblocking(true).map_err(Error::io("unblock a socket"))?;
    let mut buffer = [0; 2048];
    let mut read = 0;
    loop {
        match socket.recv(&mut buffer) {
            Ok(_) => read += 1,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(read),
            Err(error) => return Err(Error::io("read a datagram")(error)),
        }
    }
}

fn counter(family: Family, v4: &'static str, v6: &'static str) -> &'static str {
    match family {
        Family::V4 => v4,
        Family::V6 => v6,
    }
}

fn payload(family: Family) -> usize {
    const HEADER: usize = 8;
    HEADER
        + match family {
            Family::V4 => TRANSPORT_V4,
            Family::V6 => TRANSPORT_V6,
        }
}
