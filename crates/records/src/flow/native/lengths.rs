//! How long packets were.

use crate::flow::field::{Field, scopes};
use crate::flow::moments::Moments;

pub(super) const IP: &[Field] = &scopes! { all Stats |scope|
    "ip_len_min" Bytes "the shortest packet, from the IP header on; null without packets"
        => scope.ip_lengths().and_then(Moments::min);
    "ip_len_max" Bytes "the longest packet, from the IP header on"
        => scope.ip_lengths().and_then(Moments::max);
    "ip_len_mean" Real "mean length in bytes, from the IP header on"
        => scope.ip_lengths().and_then(Moments::mean);
    "ip_len_std" Real "sample deviation of that length; null of fewer than two packets"
        => scope.ip_lengths().and_then(Moments::deviation);
    "ip_len_var" Real "sample variance of that length"
        => scope.ip_lengths().and_then(Moments::variance);
};

pub(super) const PAYLOAD: &[Field] = &scopes! { all Stats |scope|
    "payload_len_min" Bytes "the least payload of a packet, after the transport header; null without packets"
        => scope.payload_lengths().and_then(Moments::min);
    "payload_len_max" Bytes "the most payload of a packet"
        => scope.payload_lengths().and_then(Moments::max);
    "payload_len_mean" Real "mean payload in bytes, packets without any among them"
        => scope.payload_lengths().and_then(Moments::mean);
    "payload_len_std" Real "sample deviation of the payload; null of fewer than two packets"
        => scope.payload_lengths().and_then(Moments::deviation);
    "payload_len_var" Real "sample variance of the payload"
        => scope.payload_lengths().and_then(Moments::variance);
};

pub(super) const SEGMENT: &[Field] = &scopes! { Stats |scope|
    "seg_size_min" Bytes "the shortest transport header; null where none was seen"
        => scope.min_transport_header();
};
