//! Frames by their number, in user space: the same as the BPF program makes, for transports that cannot run it.
//!
//! `traffic.bpf.c` is the other half; a live test compares the two byte by byte.

use super::stamp::Stamp;
use plumb_kernel::traffic::{Plan, Range};

/// Writes frame `number` of all streams into `frame`. `sequence` is its number within the plan's stream, and `now` the
/// clock of stamps.
pub fn craft(plan: &Plan, number: u64, sequence: u64, now: u64, frame: &mut Vec<u8>) {
    let random = if plan.random == 1 { scrambled(plan.seed, number) } else { 0 };
    let size = size_of_frame(plan, number, random);
    frame.clear();
    frame.extend(plan.header.iter().flat_map(|word| word.to_ne_bytes()).take(plan.header_bytes as usize));
    frame.resize(size as usize, 0);
    let flow = match plan.flows {
        0 | 1 => 0,
        flows if plan.random == 1 => below((random >> 32) as u32, flows),
        flows => (number % u64::from(flows)) as u32,
    };
    write_fields(plan, size, number, sequence, now, flow, frame);
}

fn write_fields(
    plan: &Plan,
    size: u32,
    number: u64,
    sequence: u64,
    now: u64,
    mut flow: u32,
    frame: &mut [u8],
) {
    let mut taken = |at: u32, range: &Range| {
        if at == 0 {
            return None;
        }
        let (value, rest) = (flow % range.count.max(1), flow / range.count.max(1));
        flow = rest;
        Some((at, range.first.wrapping_add(value)))
    };
    let (at, length) = (&plan.at, size - plan.transport_at);
    let ports =
        [taken(at.source_port, &plan.source_port), taken(at.destination_port, &plan.destination_port)];
    let addresses = [taken(at.source, &plan.source), taken(at.destination, &plan.destination)];
    let (mut ip, mut sum) = (plan.ip_sum, plan.transport_sum);
    for (at, port) in ports.into_iter().flatten() {
        put(frame, at, &low(port));
        sum += port;
    }
    for (at, address) in addresses.into_iter().flatten() {
        put(frame, at, &address.to_be_bytes());
        ip += halves(address);
        sum += if plan.covers_ip == 1 { halves(address) } else { 0 };
    }
    if at.total_length > 0 {
        put(frame, at.total_length, &low(length + plan.ip_header));
        ip += length + plan.ip_header;
        sum += if plan.covers_ip == 1 { length } else { 0 };
    }
    if at.ip_checksum > 0 {
        put(frame, at.ip_checksum, &folded(ip).to_be_bytes());
    }
    if at.udp_length > 0 {
        put(frame, at.udp_length, &low(length));
        sum += length;
    }
    if at.echo_sequence > 0 {
        put(frame, at.echo_sequence, &low(number as u32));
        sum += number as u32 & 0xffff;
    }
    if at.stamp > 0 {
        let stamp = Stamp { stream: plan.stream, sequence, time_ns: now }.bytes();
        put(frame, at.stamp, &stamp);
        sum += words(&stamp);
    }
    if at.checksum > 0 {
        put(frame, at.checksum, &checksum(plan.is_udp == 1, sum).to_be_bytes());
    }
}

/// The checksum of the transport: UDP sends zero as all ones, because zero says that there is none (RFC 768).
pub(super) fn checksum(is_udp: bool, sum: u32) -> u16 {
    match folded(sum) {
        0 if is_udp => 0xffff,
        sum => sum,
    }
}

/// Sum of 16-bit words in network order; the length is even.
pub(super) fn words(bytes: &[u8]) -> u32 {
    bytes.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum()
}

/// A field that lies within the header or the stamp, for which every frame has room.
fn put(frame: &mut [u8], at: u32, bytes: &[u8]) {
    if let Some(field) = frame.get_mut(at as usize..at as usize + bytes.len()) {
        field.copy_from_slice(bytes);
    }
}

fn low(word: u32) -> [u8; 2] {
    (word as u16).to_be_bytes()
}

fn halves(word: u32) -> u32 {
    (word >> 16) + (word & 0xffff)
}

pub(super) fn folded(sum: u32) -> u16 {
    !(halves(halves(sum)) as u16)
}

fn below(random: u32, count: u32) -> u32 {
    ((u64::from(random) * u64::from(count)) >> 32) as u32
}

fn scrambled(seed: u64, number: u64) -> u64 {
    let mixed = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

fn size_of_frame(plan: &Plan, number: u64, random: u64) -> u32 {
    let pick = |count: u32| {
        if plan.random == 1 { below(random as u32, count) } else { (number % u64::from(count)) as u32 }
    };
    if plan.size_span > 1 {
        plan.sizes[0] + pick(plan.size_span)
    } else if plan.size_count > 1 {
        plan.sizes[pick(plan.size_count) as usize % plan.sizes.len()]
    } else {
        plan.sizes[0]
    }
}
