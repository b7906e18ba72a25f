//! Socket options that no library wraps yet, through the macro that nix has for them.

use nix::{getsockopt_impl, setsockopt_impl, sockopt_impl, sys::socket};
use socket2::Socket;

use crate::{Error, Result};

sockopt_impl!(
    /// Seconds that a listener waits for data before it believes in a connection.
    DeferAccept,
    SetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_DEFER_ACCEPT,
    u32
);
sockopt_impl!(
    /// Least time to live of the IPv4 packets that a socket accepts.
    MinTtl,
    SetOnly,
    libc::IPPROTO_IP,
    libc::IP_MINTTL,
    u32
);
sockopt_impl!(
    /// Least hop limit of the IPv6 packets that a socket accepts.
    MinHopCount,
    SetOnly,
    libc::IPPROTO_IPV6,
    libc::IPV6_MINHOPCOUNT,
    u32
);
sockopt_impl!(
    /// Signature key for a peer (RFC 2385), as the bytes of `struct tcp_md5sig`.
    Md5Key,
    SetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_MD5SIG,
    [u8; MD5_KEY]
);
sockopt_impl!(
    /// Memory and drop counters, indexed as in include/uapi/linux/sock_diag.h.
    MemInfo,
    GetOnly,
    libc::SOL_SOCKET,
    libc::SO_MEMINFO,
    [u32; 9]
);
sockopt_impl!(
    /// The first words of `struct tcp_info`, which later kernels made longer.
    Info,
    GetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    [u32; 36]
);
sockopt_impl!(
    /// Repair mode, in which a socket tells its numbers and closes without a word: 1 on, -1 off.
    Repair,
    SetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_REPAIR,
    i32
);
sockopt_impl!(
    /// The queue that [`QueueSequence`] means: 1 receive, 2 send.
    RepairQueue,
    SetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_REPAIR_QUEUE,
    i32
);
sockopt_impl!(
    /// The next sequence number of a queue, in repair mode.
    QueueSequence,
    GetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_QUEUE_SEQ,
    u32
);
sockopt_impl!(
    /// The time stamp that the socket would send now.
    Timestamp,
    GetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_TIMESTAMP,
    u32
);
sockopt_impl!(
    /// Window in repair mode: snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup.
    RepairWindow,
    GetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_REPAIR_WINDOW,
    [u32; 5]
);

/// Size of `struct tcp_md5sig`, include/uapi/linux/tcp.h.
pub(super) const MD5_KEY: usize = 216;

/// Reads an option.
pub(super) fn get<O: socket::GetSockOpt>(of: &Socket, option: O, name: &str) -> Result<O::Val> {
    socket::getsockopt(of, option).map_err(Error::io(format!("read {name}")))
}

/// Sets an option.
pub(super) fn set<O: socket::SetSockOpt>(of: &Socket, option: O, value: &O::Val, name: &str) -> Result<()> {
    socket::setsockopt(of, option, value).map_err(Error::io(format!("set {name}")))
}
