//! The hooks: where packets are stamped, by what, and what they mean. docs/latency.md tells the same to people.

/// Where a packet is stamped, in the order in which it gets there: `enum latency_hook`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// The handler of the interrupt that raised NET_RX begins.
    Interrupt = 1,
    /// NET_RX is raised.
    Raised = 2,
    /// Its softirq begins.
    Softirq = 3,
    /// The driver hands the packet over.
    Driver = 4,
    /// The stack begins with it.
    Receive = 5,
    /// IP begins with it.
    Ip = 6,
    /// IP finds it to be for this host.
    Local = 7,
    /// TCP or UDP begins with it.
    Transport = 8,
    /// Its socket was found.
    Socket = 9,
    /// TCP's slow path begins with its data.
    DataQueue = 10,
    /// The hole before its data is filled.
    InOrder = 11,
    /// The socket can be read.
    Readable = 12,
    /// The reader was woken.
    Woken = 13,
    /// The reader has a CPU.
    Running = 14,
    /// The reader has the data.
    Copied = 15,
    /// The send call.
    Send = 16,
    /// TCP or UDP makes a packet of the data.
    TransportOut = 17,
    /// IP sends it.
    IpOut = 18,
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
    pub const ALL: [Self; 24] = [
        Self::Interrupt,
        Self::Raised,
        Self::Softirq,
        Self::Driver,
        Self::Receive,
        Self::Ip,
        Self::Local,
        Self::Transport,
        Self::Socket,
        Self::DataQueue,
        Self::InOrder,
        Self::Readable,
        Self::Woken,
        Self::Running,
        Self::Copied,
        Self::Send,
        Self::TransportOut,
        Self::IpOut,
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
            Self::Interrupt => "interrupt",
            Self::Raised => "raised",
            Self::Softirq => "softirq",
            Self::Driver => "driver",
            Self::Receive => "receive",
            Self::Ip => "ip",
            Self::Local => "local",
            Self::Transport => "transport",
            Self::Socket => "socket",
            Self::DataQueue => "data_queue",
            Self::InOrder => "in_order",
            Self::Readable => "readable",
            Self::Woken => "woken",
            Self::Running => "running",
            Self::Copied => "copied",
            Self::Send => "send",
            Self::TransportOut => "transport_out",
            Self::IpOut => "ip_out",
            Self::Queue => "queue",
            Self::Enqueue => "enqueue",
            Self::Dequeue => "dequeue",
            Self::ToDriver => "to_driver",
            Self::FromDriver => "from_driver",
            Self::Freed => "freed",
        }
    }

    /// Whether packets come by only where they are joined to interrupts and softirqs.
    const fn of_softirq(self) -> bool {
        matches!(self, Self::Interrupt | Self::Raised | Self::Softirq)
    }

    /// Where the stage from here to another hook is told, among those of its way. A softirq comes after the driver for what
    /// waited in a CPU's backlog.
    pub(super) fn place(self, to: Self) -> (bool, Self, Self) {
        (self != Self::Driver || !to.of_softirq(), self, to)
    }

    /// The hook with the kernel side's number.
    pub(super) fn of(number: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|hook| *hook as usize == number)
    }
}

/// How a hook is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// A tracepoint with BTF.
    Tracepoint,
    /// The entry of a function, by trampoline.
    Fentry,
    /// The entry of a function, by breakpoint.
    Kprobe,
}

impl Mechanism {
    /// The name in records and to `--mechanism`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tracepoint => "tp_btf",
            Self::Fentry => "fentry",
            Self::Kprobe => "kprobe",
        }
    }
}

/// A program of ours and what runs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program {
    /// Its name.
    pub(super) name: &'static str,
    pub(super) mechanism: Mechanism,
    /// The tracepoint or the function.
    pub(super) target: &'static str,
}

/// A place in the kernel with the programs that may serve it, the best first: the first usable one is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) programs: &'static [Program],
    /// Whether nothing works without it.
    pub(super) required: bool,
    /// The hook that is lost without it, at least for a part of the packets, where that is told.
    pub(super) hook: Option<Hook>,
    /// Whether it serves only to tell whose packets are.
    pub(super) process: bool,
}

/// Whether packets' ways begin at this program: one that the kernel skips there is not seen.
pub(super) fn takes_up(name: &str) -> bool {
    ["on_gro", "on_netif_rx", "on_receive_entry", "on_list_entry", "on_queue"].contains(&name)
}

const fn by(name: &'static str, mechanism: Mechanism, target: &'static str) -> Program {
    Program { name, mechanism, target }
}

/// A tracepoint that every supported kernel has.
macro_rules! needs {
    ($name:literal, $target:literal) => {
        needs!($name, $target, None)
    };
    ($name:literal, $target:literal, $hook:expr) => {
        Point {
            programs: &[by($name, Mechanism::Tracepoint, $target)],
            required: true,
            hook: $hook,
            process: false,
        }
    };
}

/// The same, where processes are noted.
macro_rules! process {
    ($name:literal, $target:literal) => {
        Point { process: true, ..needs!($name, $target) }
    };
}

/// What only some kernels have: programs in their order.
macro_rules! may {
    ($hook:expr, $($name:literal $mechanism:ident $target:literal),+) => {
        Point {
            programs: &[$(by($name, Mechanism::$mechanism, $target)),+],
            required: false,
            hook: $hook,
            process: false,
        }
    };
}

/// Every point, in the order in which packets come by.
pub(super) const POINTS: &[Point] = &[
    needs!("on_gro", "napi_gro_receive_entry"),
    needs!("on_gro_done", "napi_gro_receive_exit"),
    needs!("on_netif_rx", "netif_rx_entry"),
    needs!("on_receive_entry", "netif_receive_skb_entry"),
    needs!("on_list_entry", "netif_receive_skb_list_entry"),
    needs!("on_receive", "netif_receive_skb"),
    may!(Some(Hook::Ip), "in_ip4_f" Fentry "ip_rcv", "in_ip4_k" Kprobe "ip_rcv"),
    may!(Some(Hook::Ip), "in_ip6_f" Fentry "ipv6_rcv", "in_ip6_k" Kprobe "ipv6_rcv"),
    may!(Some(Hook::Local), "in_here4_f" Fentry "ip_local_deliver", "in_here4_k" Kprobe "ip_local_deliver"),
    may!(Some(Hook::Local), "in_here6_f" Fentry "ip6_input", "in_here6_k" Kprobe "ip6_input"),
    may!(Some(Hook::Transport), "in_tcp4_f" Fentry "tcp_v4_rcv", "in_tcp4_k" Kprobe "tcp_v4_rcv"),
    may!(Some(Hook::Transport), "in_tcp6_f" Fentry "tcp_v6_rcv", "in_tcp6_k" Kprobe "tcp_v6_rcv"),
    may!(Some(Hook::Transport), "in_udp4_f" Fentry "udp_rcv", "in_udp4_k" Kprobe "udp_rcv"),
    may!(Some(Hook::Transport), "in_udp6_f" Fentry "udpv6_rcv", "in_udp6_k" Kprobe "udpv6_rcv"),
    needs!("on_tcp", "tcp_probe", Some(Hook::Socket)),
    may!(Some(Hook::Socket), "in_sock4_f" Fentry "udp_queue_rcv_skb", "in_sock4_k" Kprobe "udp_queue_rcv_skb"),
    may!(Some(Hook::Socket), "in_sock6_f" Fentry "udpv6_queue_rcv_skb", "in_sock6_k" Kprobe "udpv6_queue_rcv_skb"),
    may!(Some(Hook::DataQueue), "in_data_f" Fentry "tcp_data_queue", "in_data_k" Kprobe "tcp_data_queue"),
    may!(Some(Hook::Readable), "on_readable" Tracepoint "sk_data_ready", "on_readable_f" Fentry "sock_def_readable"),
    may!(Some(Hook::Woken), "on_waking" Tracepoint "sched_waking"),
    may!(Some(Hook::Running), "on_switch" Tracepoint "sched_switch"),
    Point {
        required: true,
        ..may!(None, "on_recv" Tracepoint "sock_recv_length", "on_copy" Tracepoint "skb_copy_datagram_iovec")
    },
    needs!("on_read", "tcp_rcv_space_adjust"),
    needs!("on_state", "inet_sock_set_state"),
    needs!("on_destroyed", "tcp_destroy_sock"),
    may!(Some(Hook::Send), "on_send" Tracepoint "tcp_sendmsg_locked", "on_send_f" Fentry "tcp_sendmsg_locked"),
    may!(Some(Hook::Send), "out_send4_f" Fentry "udp_sendmsg", "out_send4_k" Kprobe "udp_sendmsg"),
    may!(Some(Hook::Send), "out_send6_f" Fentry "udpv6_sendmsg", "out_send6_k" Kprobe "udpv6_sendmsg"),
    may!(None, "out_sent4" Fentry "udp_sendmsg"),
    may!(None, "out_sent6" Fentry "udpv6_sendmsg"),
    may!(Some(Hook::TransportOut), "out_tcp_f" Fentry "__tcp_transmit_skb", "out_tcp_k" Kprobe "__tcp_transmit_skb"),
    may!(Some(Hook::TransportOut), "out_udp4_f" Fentry "udp_send_skb", "out_udp4_k" Kprobe "udp_send_skb"),
    may!(Some(Hook::TransportOut), "out_udp6_f" Fentry "udp_v6_send_skb", "out_udp6_k" Kprobe "udp_v6_send_skb"),
    may!(Some(Hook::IpOut), "out_ip4_f" Fentry "ip_output", "out_ip4_k" Kprobe "ip_output"),
    may!(Some(Hook::IpOut), "out_ip6_f" Fentry "ip6_output", "out_ip6_k" Kprobe "ip6_output"),
    needs!("on_queue", "net_dev_queue"),
    may!(Some(Hook::Enqueue), "on_enqueue" Tracepoint "qdisc_enqueue"),
    may!(Some(Hook::Dequeue), "on_dequeue" Tracepoint "qdisc_dequeue"),
    needs!("on_start", "net_dev_start_xmit"),
    needs!("on_driven", "net_dev_xmit"),
    needs!("on_consumed", "consume_skb"),
    needs!("on_dropped", "kfree_skb"),
    // Last, and so attached first: no softirq that began before still runs when the first packet is taken up.
    process!("on_softirq", "softirq_entry"),
    process!("on_softirq_done", "softirq_exit"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Every hook has its row, every program its tracepoint there.
    #[test]
    fn the_documentation_has_every_hook() {
        let text = include_str!("../../../../../docs/latency.md");
        let section = text.lines().skip_while(|line| *line != "## Hooks").skip(1);
        let section = section.take_while(|line| !line.starts_with("## "));
        let rows: Vec<&str> = section.filter(|line| line.starts_with("| `")).collect();
        let named: Vec<&str> = rows.iter().filter_map(|row| row.split('`').nth(1)).collect();
        assert_eq!(named, Hook::ALL.map(Hook::name));
        // These end journeys or tell whether a process runs, and stamp nothing.
        let silent = [
            "napi_gro_receive_exit",
            "inet_sock_set_state",
            "tcp_destroy_sock",
            "kfree_skb",
            "softirq_entry",
            "softirq_exit",
        ];
        for program in POINTS.iter().flat_map(|point| point.programs) {
            let told =
                silent.contains(&program.target) || rows.iter().any(|row| row.contains(program.target));
            assert!(told, "{} is in no row", program.target);
        }
    }
}
