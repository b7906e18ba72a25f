//! How much.

use crate::flow::derive::{down_up_ratio, per_second};
use crate::flow::field::{Field, fields, scopes};

pub(super) const COUNTS: &[Field] = &scopes! { all Basic |scope|
    "packets" Count "packets as on the wire: segments of a super-packet count each"
        => scope.sum(|side| side.packets);
    "frame_bytes" Bytes "sum of the frames' lengths, without preamble and checksum"
        => scope.sum(|side| side.frame_bytes);
    "ip_bytes" Bytes "sum of lengths from the IP header on, without the frame's padding"
        => scope.sum(|side| side.ip_bytes);
    "payload_bytes" Bytes "sum of lengths after the transport header"
        => scope.sum(|side| side.payload_bytes);
    "l4_header_bytes" Bytes "sum of transport headers"
        => scope.sum(|side| side.transport_header_bytes);
    "data_packets" Count "packets with payload"
        => scope.sum(|side| side.data_packets);
    "packets_per_s" Rate "packets by the flow's duration; null where that is 0"
        => per_second(scope.flow(), scope.sum(|side| side.packets));
    "bytes_per_s" Rate "ip_bytes by the flow's duration; null where that is 0"
        => per_second(scope.flow(), scope.sum(|side| side.ip_bytes));
};

pub(super) const RATIO: &[Field] = &fields! { Basic |flow|
    "down_up_ratio" Real "bwd_packets by fwd_packets; null where the initiator sent none"
        => down_up_ratio(flow.numbers);
};

pub(super) const HEADERS: &[Field] = &scopes! { Basic |scope|
    "ttl_min" Id "the smallest TTL or hop limit; null without packets"
        => scope.min(|side| side.min_ttl);
    "ttl_max" Id "the largest TTL or hop limit"
        => scope.max(|side| side.max_ttl);
    "first_ttl" Id "TTL or hop limit of the first packet"
        => scope.max(|side| side.first_ttl);
    "ip_tos_first" Id "traffic class (DSCP and ECN) of the first packet"
        => scope.max(|side| side.first_tos);
    "ip_tos" Id "all traffic classes together, by or"
        => scope.or(|side| side.tos.into());
    "frag_packets" Count "packets that were fragments"
        => scope.sum(|side| side.fragments.into());
};
