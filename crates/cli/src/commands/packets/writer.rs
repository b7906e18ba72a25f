//! Packets become records. Nothing is allocated per packet.

use crate::anonymizing::Anonymizer;
use crate::batch::Batch;
use crate::clock::Moment;
use crate::outputs::Outputs;
use crate::plan::Run;
use plumb_kernel::hook::Direction;
use plumb_kernel::probes::packets::{Event, Fragment};
use plumb_records::column::Time;
use plumb_records::packet::Packet;
use plumb_sinks::text::events::Part;

/// A line of text per packet.
const LINE: [Part; 11] = [
    Part::Plain("time"),
    Part::Plain("interface"),
    Part::Plain("direction"),
    Part::Flow(""),
    Part::Strong("tcp_flags"),
    Part::Plain("frame_len"),
    Part::Named("payload_len"),
    Part::Named("gso_segments"),
    Part::Named("vlan"),
    Part::Named("icmp_type"),
    Part::Named("fragment"),
];

/// Takes packets and writes them.
pub struct Writer<'a> {
    pub batch: Batch,
    anonymizer: &'a Anonymizer,
    /// Names of the interfaces at the start, by their indexes.
    names: Vec<(u32, String)>,
    /// What makes a time of the packets' clock one since the Unix epoch, when added.
    epoch_ns: i64,
}

impl<'a> Writer<'a> {
    pub fn new(run: &Run, anonymizer: &'a Anonymizer, names: Vec<(u32, String)>, epoch_ns: i64) -> Self {
        Self { batch: Batch::aligned(run, LINE), anonymizer, names, epoch_ns }
    }

    /// Writes a packet, or counts it as beyond --count.
    pub fn event(&mut self, outputs: &mut Outputs, event: &Event) {
        let packets = u64::from(event.segments());
        if !self.batch.admit_group(packets) {
            return;
        }
        let time = Moment(event.monotonic_ns()).time(self.epoch_ns);
        let mut packet = record(event, time, &self.names);
        for address in [&mut packet.src_ip, &mut packet.dst_ip].into_iter().flatten() {
            *address = self.anonymizer.address(*address);
        }
        self.batch.write_group(outputs, &packet, &packet, packets);
    }
}

/// The record of a packet.
fn record<'a>(event: &Event, time: Time, names: &'a [(u32, String)]) -> Packet<'a> {
    let (flow, tcp, icmp) = (event.flow(), event.tcp(), event.icmp());
    let ifindex = event.ifindex();
    Packet {
        time,
        interface: names.iter().find(|(index, _)| Some(*index) == ifindex).map(|(_, name)| name.as_str()),
        ifindex,
        direction: event.direction().map(Direction::name),
        src_ip: flow.src,
        dst_ip: flow.dst,
        src_port: flow.src_port,
        dst_port: flow.dst_port,
        icmp_type: icmp.map(|(kind, _)| kind),
        icmp_code: icmp.map(|(_, code)| code),
        protocol: event.protocol(),
        ip_version: event.ip_version(),
        vlan: event.vlan(),
        frame_len: event.frame_length(),
        ip_len: event.ip_length(),
        payload_len: event.payload(),
        l3_header_len: event.network_header(),
        l4_header_len: event.transport_header().map(u16::from),
        tcp_flags: tcp.map(|tcp| tcp.flags),
        tcp_window: tcp.map(|tcp| tcp.window),
        tcp_seq: tcp.map(|tcp| tcp.sequence),
        tcp_ack: tcp.map(|tcp| tcp.ack),
        ip_id: event.ip_id(),
        icmp_id: event.icmp_id(),
        ttl: event.ttl(),
        dscp: event.tos() >> 2,
        ecn: event.tos() & 3,
        fragment: event.fragment().map(|fragment| match fragment {
            Fragment::First => "first",
            Fragment::Later => "later",
        }),
        truncated: event.truncated(),
        gso_segments: u16::try_from(event.segments()).unwrap_or(u16::MAX),
        rx_queue: event.rx_queue(),
        cpu: event.cpu(),
    }
}
