//! The hooks: where packets are stamped, by what, and what they mean. docs/latency.md tells the same to people.

/// Where a packet is stamped, in the order in which it gets there: `enum latency_hook`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// The driver hands the packet over.
    Driver = 1,
    /// The stack begins with it.
    Receive = 2,
    /// The socket's protocol begins with it.
    Socket = 6,
    /// The hole before its data is filled.
    InOrder = 7,
    /// The socket can be read.
    Readable = 8,
    /// The reader was woken.
    Woken = 9,
    /// The reader has a CPU.
    Running = 10,
    /// The reader has the data.
    Copied = 11,
    /// The send call.
    Send = 16,
    /// The device's queue begins.
    Queue = 19,
    /// In a queueing discipline.
    Enqueue = 20,
    /// Out of it.
    Dequeue = 21,
    /// The driver is called.
    ToDriver = 22,
    /// It returned.
    FromDriver = 23,
    /// The device was done with the packet.
    Freed = 24,
}

impl Hook {
    /// Every hook, in its order.
    pub const ALL: [Self; 15] = [
        Self::Driver,
        Self::Receive,
        Self::Socket,
        Self::InOrder,
        Self::Readable,
        Self::Woken,
        Self::Running,
        Self::Copied,
        Self::Send,
        Self::Queue,
        Self::Enqueue,
        Self::Dequeue,
        Self::ToDriver,
        Self::FromDriver,
        Self::Freed,
    ];

    /// The name in records and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Driver => "driver",
            Self::Receive => "receive",
            Self::Socket => "socket",
            Self::InOrder => "in_order",
            Self::Readable => "readable",
            Self::Woken => "woken",
            Self::Running => "running",
            Self::Copied => "copied",
            Self::Send => "send",
            Self::Queue => "queue",
            Self::Enqueue => "enqueue",
            Self::Dequeue => "dequeue",
            Self::ToDriver => "to_driver",
            Self::FromDriver => "from_driver",
            Self::Freed => "freed",
        }
    }

    /// The hook with the kernel side's number.
    pub(super) fn of(number: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|hook| *hook as usize == number)
    }
}

/// A program of ours, and the tracepoint that runs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program {
    /// Its name.
    pub(super) name: &'static str,
    pub(super) tracepoint: &'static str,
    /// What is lost where the kernel does not have it; `None`: nothing works without.
    pub(super) without: Option<&'static str>,
}

/// Whether packets' ways begin at this program: one that the kernel skips there is not seen.
pub(super) fn takes_up(name: &str) -> bool {
    ["on_gro", "on_netif_rx", "on_receive_entry", "on_list_entry", "on_queue"].contains(&name)
}

const fn program(name: &'static str, tracepoint: &'static str, without: Option<&'static str>) -> Program {
    Program { name, tracepoint, without }
}

/// Every program.
pub(super) const PROGRAMS: &[Program] = &[
    program("on_gro", "napi_gro_receive_entry", None),
    program("on_gro_done", "napi_gro_receive_exit", None),
    program("on_netif_rx", "netif_rx_entry", None),
    program("on_receive_entry", "netif_receive_skb_entry", None),
    program("on_list_entry", "netif_receive_skb_list_entry", None),
    program("on_receive", "netif_receive_skb", None),
    program("on_tcp", "tcp_probe", None),
    program("on_readable", "sk_data_ready", Some("readable, woken and running")),
    program("on_waking", "sched_waking", Some("woken and running")),
    program("on_switch", "sched_switch", Some("running")),
    program("on_copy", "skb_copy_datagram_iovec", None),
    program("on_recv", "sock_recv_length", Some("")),
    program("on_read", "tcp_rcv_space_adjust", None),
    program("on_state", "inet_sock_set_state", None),
    program("on_send", "tcp_sendmsg_locked", Some("send")),
    program("on_queue", "net_dev_queue", None),
    program("on_enqueue", "qdisc_enqueue", Some("enqueue")),
    program("on_dequeue", "qdisc_dequeue", Some("dequeue")),
    program("on_start", "net_dev_start_xmit", None),
    program("on_driven", "net_dev_xmit", None),
    program("on_consumed", "consume_skb", None),
    program("on_dropped", "kfree_skb", None),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Every hook has its row, every program its tracepoint there.
    #[test]
    fn the_documentation_has_every_hook() {
        let text = include_str!("../../../../../docs/latency.md");
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
        let named: Vec<&str> = rows.iter().filter_map(|row| row.split('`').nth(1)).collect();
        assert_eq!(named, Hook::ALL.map(Hook::name));
        // These end journeys and stamp nothing.
        let silent = ["napi_gro_receive_exit", "inet_sock_set_state", "kfree_skb"];
        for program in PROGRAMS.iter().filter(|program| !silent.contains(&program.tracepoint)) {
            assert!(rows.iter().any(|row| row.contains(program.tracepoint)), "{}", program.tracepoint);
        }
    }
}
