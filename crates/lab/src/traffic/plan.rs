//! From a shape to the plan that kernel and user space make frames by: a header by etherparse with holes where frames
//! differ, and partial checksums over the rest.

use super::craft::{checksum, folded, words};
use super::shape::{Shape, Transport};
use crate::{Error, Result};
use etherparse::{
    IpHeaders, Ipv4Header, Ipv6Header, PacketBuilder, PacketBuilderStep, TcpHeader, VlanId,
    err::packet::BuildWriteError,
};
use plumb_kernel::traffic::{Fields, Plan, Range, SIZES, Stamp};
use std::net::IpAddr;

/// Time to live and hop limit, as Linux sends.
const TTL: u8 = 64;
/// Sequence number of TCP segments.
const SEQUENCE: u32 = 1;
/// Window of TCP segments: as much as can be said without scaling.
const WINDOW: u16 = u16::MAX;

/// Where headers start, in bytes from the start of the frame.
struct Layout {
    ip: u32,
    transport: u32,
    payload: u32,
}

impl Layout {
    fn of(shape: &Shape) -> Self {
        let ip = if shape.vlan.is_some() { 18 } else { 14 };
        let transport = ip + if shape.is_v6() { 40 } else { 20 };
        let payload = transport + if matches!(shape.transport, Transport::Tcp(_)) { 20 } else { 8 };
        Self { ip, transport, payload }
    }

    /// Offsets of RFC 791, 8200, 768, 9293 and 792 with 4443.
    fn fields(&self, shape: &Shape) -> Fields {
        let (ip, transport) = (self.ip, self.transport);
        let common = if shape.is_v6() {
            Fields { total_length: ip + 4, source: ip + 20, destination: ip + 36, ..Fields::default() }
        } else {
            Fields {
                total_length: ip + 2,
                ip_checksum: ip + 10,
                source: ip + 12,
                destination: ip + 16,
                ..Fields::default()
            }
        };
        let common = Fields { stamp: if shape.stamp { self.payload } else { 0 }, ..common };
        match shape.transport {
            Transport::Udp => Fields {
                source_port: transport,
                destination_port: transport + 2,
                udp_length: transport + 4,
                checksum: transport + 6,
                ..common
            },
            Transport::Tcp(_) => Fields {
                source_port: transport,
                destination_port: transport + 2,
                checksum: transport + 16,
                ..common
            },
            Transport::Icmp => Fields {
                source_port: transport + 4,
                echo_sequence: transport + 6,
                checksum: transport + 2,
                ..common
            },
        }
    }
}

/// Shortest frame that holds the headers of the shape, and its stamp where it has one.
pub fn least_size(shape: &Shape) -> u32 {
    Layout::of(shape).payload + if shape.stamp { size_of::<Stamp>() as u32 } else { 0 }
}

/// The plan of a single stream. Interface, streams and clock are the caller's to set.
pub fn plan(shape: &Shape) -> Result<Plan> {
    let layout = Layout::of(shape);
    let (least, most) = shape.sizes.bounds();
    if least < least_size(shape) {
        let what = if shape.stamp { "headers and stamp" } else { "headers" };
        return Err(Error::Frame(format!(
            "{least} bytes are too few for a frame: its {what} take {}",
            least_size(shape)
        )));
    }
    let flows = flows(shape)?;
    // A single flow has one value of each.
    let [source_port, destination_port, source, destination] =
        shape.ranges().map(|range| Range { count: if flows == 1 { 1 } else { range.count }, ..range });
    let mut plan = Plan {
        seed: shape.seed.unwrap_or_default(),
        at: layout.fields(shape),
        source,
        destination,
        source_port,
        destination_port,
        size_span: shape.sizes.span(),
        flows,
        streams: 1,
        header_bytes: layout.payload,
        largest: most,
        transport_at: layout.transport,
        ip_header: if shape.is_v6() { 0 } else { 20 },
        random: u8::from(shape.seed.is_some()),
        covers_ip: u8::from(shape.transport != Transport::Icmp || shape.is_v6()),
        is_udp: u8::from(shape.transport == Transport::Udp),
        ..Plan::default()
    };
    let sizes = shape.sizes.listed();
    plan.size_count = sizes.len().min(SIZES) as u32;
    plan.sizes.iter_mut().zip(sizes).for_each(|(to, size)| *to = size);
    let mut header = header(shape, &layout)?;
    settle(&mut plan, &mut header, &layout, shape.is_v6());
    for (to, from) in plan.header.iter_mut().zip(header.chunks(8)) {
        let mut word = [0; 8];
        word[..from.len()].copy_from_slice(from);
        *to = u64::from_ne_bytes(word);
    }
    Ok(plan)
}

/// Writes into the header what is the same in all frames, and keeps the offsets of what is not; then sums what is there.
fn settle(plan: &mut Plan, header: &mut [u8], layout: &Layout, v6: bool) {
    let mut write = |at: &mut u32, bytes: &[u8]| {
        if *at > 0 {
            header[*at as usize..][..bytes.len()].copy_from_slice(bytes);
            *at = 0;
        }
    };
    let half = |value: u32| (value as u16).to_be_bytes();
    let at = &mut plan.at;
    for (field, range) in
        [(&mut at.source_port, plan.source_port), (&mut at.destination_port, plan.destination_port)]
    {
        if range.count == 1 {
            write(field, &half(range.first));
        }
    }
    for (field, range) in [(&mut at.source, plan.source), (&mut at.destination, plan.destination)] {
        if range.count == 1 {
            write(field, &range.first.to_be_bytes());
        }
    }
    let length = plan.largest - plan.transport_at;
    let fixed = plan.size_span <= 1 && plan.size_count == 1;
    if fixed {
        write(&mut at.total_length, &half(length + plan.ip_header));
        write(&mut at.udp_length, &half(length));
    }
    let ip = &header[layout.ip as usize..layout.transport as usize];
    plan.ip_sum = if at.ip_checksum > 0 { words(ip) } else { 0 };
    plan.transport_sum = words(&header[layout.transport as usize..]);
    if plan.covers_ip == 1 {
        // The pseudo header (RFC 768, RFC 8200 section 8.1).
        let addresses = if v6 { &ip[8..40] } else { &ip[12..20] };
        let protocol = if v6 { ip[6] } else { ip[9] };
        plan.transport_sum += words(addresses) + u32::from(protocol) + if fixed { length } else { 0 };
    }
    let addresses_differ = at.source > 0 || at.destination > 0;
    if !addresses_differ && fixed && at.ip_checksum > 0 {
        header[at.ip_checksum as usize..][..2].copy_from_slice(&folded(plan.ip_sum).to_be_bytes());
        at.ip_checksum = 0;
    }
    let ports_differ = at.source_port > 0 || at.destination_port > 0;
    let covered_differ = plan.covers_ip == 1 && addresses_differ;
    if !ports_differ && !covered_differ && fixed && at.stamp == 0 && at.echo_sequence == 0 {
        let sum = checksum(plan.is_udp == 1, plan.transport_sum);
        header[at.checksum as usize..][..2].copy_from_slice(&sum.to_be_bytes());
        at.checksum = 0;
    }
}

fn flows(shape: &Shape) -> Result<u32> {
    let most = shape.most_flows();
    match shape.flows {
        Some(flows) if u64::from(flows) > most => {
            Err(Error::Frame(format!("{flows} flows are too many: addresses and ports give {most}")))
        }
        Some(flows) => Ok(flows.max(1)),
        None => Ok(u32::try_from(most).unwrap_or(u32::MAX)),
    }
}

/// The headers, with zeros in every field that differs between frames.
fn header(shape: &Shape, layout: &Layout) -> Result<Vec<u8>> {
    let ethernet = PacketBuilder::ethernet2(shape.mac.0, shape.mac.1);
    let ip = ip(shape);
    let step = match shape.vlan {
        None => ethernet.ip(ip),
        Some(vlan) => {
            let vlan = VlanId::try_new(vlan).map_err(|error| Error::Frame(error.to_string()))?;
            ethernet.single_vlan(vlan).ip(ip)
        }
    };
    let mut frame = built(shape, step).map_err(|error| Error::Frame(error.to_string()))?;
    frame.truncate(layout.payload as usize);
    let at = layout.fields(shape);
    let halves = [at.total_length, at.ip_checksum, at.source_port, at.destination_port, at.udp_length];
    let halves = halves.into_iter().chain([at.checksum, at.echo_sequence]).map(|field| (field, 2));
    let words = [at.source, at.destination].map(|field| (field, 4));
    for (field, length) in halves.chain(words).filter(|(field, _)| *field > 0) {
        frame[field as usize..][..length].fill(0);
    }
    Ok(frame)
}

fn ip(shape: &Shape) -> IpHeaders {
    match (shape.source.network(), shape.destination.network()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let header = Ipv4Header {
                source: source.octets(),
                destination: destination.octets(),
                time_to_live: TTL,
                dont_fragment: true,
                ..Default::default()
            };
            IpHeaders::Ipv4(header, Default::default())
        }
        (source, destination) => {
            let octets = |address: IpAddr| match address {
                IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                IpAddr::V6(address) => address.octets(),
            };
            let header = Ipv6Header {
                source: octets(source),
                destination: octets(destination),
                hop_limit: TTL,
                ..Default::default()
            };
            IpHeaders::Ipv6(header, Default::default())
        }
    }
}

fn built(shape: &Shape, step: PacketBuilderStep<IpHeaders>) -> std::result::Result<Vec<u8>, BuildWriteError> {
    let mut frame = Vec::new();
    match shape.transport {
        Transport::Udp => step.udp(0, 0).write(&mut frame, &[])?,
        Transport::Tcp(flags) => {
            let mut header = TcpHeader::new(0, 0, SEQUENCE, WINDOW);
            let bits = [
                &mut header.fin,
                &mut header.syn,
                &mut header.rst,
                &mut header.psh,
                &mut header.ack,
                &mut header.urg,
                &mut header.ece,
                &mut header.cwr,
            ];
            bits.into_iter().enumerate().for_each(|(bit, flag)| *flag = flags >> bit & 1 == 1);
            step.tcp_header(header).write(&mut frame, &[])?;
        }
        Transport::Icmp if shape.is_v6() => step.icmpv6_echo_request(0, 0).write(&mut frame, &[])?,
        Transport::Icmp => step.icmpv4_echo_request(0, 0).write(&mut frame, &[])?,
    }
    Ok(frame)
}
