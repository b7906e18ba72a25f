//! What TCP headers showed. All of it is null where no TCP header was seen.

use crate::flow::derive::{between_us, is_tcp, shared};
use crate::flow::field::{Field, fields, scopes};
use crate::flow::numbers::{FlowNumbers, Shared};
use crate::flow::scope::Scope;

pub(super) const FLAGS: &[Field] = &scopes! { all Basic |scope|
    "fin_count" Count "packets with FIN; null where no TCP header was seen, as all that is of TCP"
        => flags(scope, 0);
    "syn_count" Count "packets with SYN"
        => flags(scope, 1);
    "rst_count" Count "packets with RST"
        => flags(scope, 2);
    "psh_count" Count "packets with PSH"
        => flags(scope, 3);
    "ack_count" Count "packets with ACK"
        => flags(scope, 4);
    "urg_count" Count "packets with URG"
        => flags(scope, 5);
    "ece_count" Count "packets with ECE"
        => flags(scope, 6);
    "cwr_count" Count "packets with CWR"
        => flags(scope, 7);
};

pub(super) const FIRST: &[Field] = &scopes! { Basic |scope|
    "tcp_flags" Id "all TCP flags together, 12 bits; null without packets"
        => scope.or(|side| side.tcp_flags).filter(|_| is_tcp(scope.flow()));
    "init_window" Id "window of the first TCP packet, unscaled"
        => scope.max(|side| side.init_window).flatten();
};

pub(super) const WINDOWS: &[Field] = &scopes! { Stats |scope|
    "window_min" Id "the smallest window, unscaled; null without TCP packets"
        => scope.tcp_stats().map(|stats| stats.min_window);
    "window_max" Id "the largest window, unscaled"
        => scope.tcp_stats().map(|stats| stats.max_window);
    "zero_window_count" Count "packets with a window of 0"
        => scope.tcp_stats().map(|stats| stats.zero_windows);
    "syn_mss" Id "maximum segment size in the SYN; null where it has none or none was seen"
        => scope.tcp_stats().and_then(|stats| stats.syn_mss);
    "syn_wscale" Id "window scale in the SYN, likewise"
        => scope.tcp_stats().and_then(|stats| stats.syn_scale);
    "retrans_packets" Count "packets with payload, all of which had been seen"
        => scope.tcp_stats().map(|stats| stats.retransmitted_packets);
    "retrans_bytes" Bytes "their payload"
        => scope.tcp_stats().map(|stats| stats.retransmitted_bytes);
};

pub(super) const HANDSHAKE: &[Field] = &fields! { Stats |flow|
    "hs_syn_synack_us" Microseconds "from SYN to SYN+ACK; null where one was not seen"
        => handshake(flow.numbers, |shared| (shared.syn_ns, shared.syn_ack_ns));
    "hs_synack_ack_us" Microseconds "from SYN+ACK to the initiator's ACK"
        => handshake(flow.numbers, |shared| (shared.syn_ack_ns, shared.ack_ns));
    "tcp_rtt_us" Microseconds "from SYN to the initiator's ACK: the sum of both"
        => handshake(flow.numbers, |shared| (shared.syn_ns, shared.ack_ns));
    "ttfb_us" Microseconds "from the initiator's first payload to the responder's; null where one was not seen or the responder spoke first"
        => handshake(flow.numbers, |shared| (shared.first_data_fwd_ns, shared.first_data_bwd_ns));
};

fn flags(scope: Scope<'_>, bit: usize) -> Option<u64> {
    is_tcp(scope.flow()).then(|| scope.sum(|side| side.flags[bit].into()))
}

fn handshake(flow: &FlowNumbers, moments: fn(&Shared) -> (Option<u64>, Option<u64>)) -> Option<u64> {
    let (from, to) = moments(shared(flow)?);
    between_us(from, to)
}
