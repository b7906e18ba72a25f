//! One record per packet. Nothing is allocated per packet.

use crate::batch::Batch;
use crate::child::Beside;
use crate::clock::{Moment, Span};
use crate::failure::Outcome;
use crate::hooks::view::View;
use crate::pipeline::{End, Observed, Seen, Stop, observe as run_loop};
use crate::signals::Signals;
use plumb_kernel::hook;
use plumb_kernel::probes::packets::{Event, Fragment, Packets};
use plumb_kernel::ring::Ring;
use plumb_records::packet::Packet;
use plumb_sinks::text::events::Part;
use std::cell::RefCell;
use std::time::Duration;

/// How often interfaces are looked after.
const LOOK: Duration = Duration::from_millis(250);

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
struct Writer<'a, 'view> {
    view: &'a mut View<'view>,
    /// Names of the interfaces at the start, by their indexes.
    names: Vec<(u32, String)>,
    batch: Batch,
}

/// Writes packets until the run ends, detaches, and writes what was under way.
pub fn observe(
    packets: &Packets<'_>,
    view: &mut View<'_>,
    signals: &mut Signals,
    command: &mut Option<Beside>,
) -> Outcome<Seen> {
    let (run, ready) = (view.run, view.ready);
    let writer = RefCell::new(Writer::new(view));
    let mut ring = packets.ring(|event| writer.borrow_mut().event(event))?;
    let end = {
        let mut streaming =
            Streaming { ring: &mut ring, packets, writer: &writer, looked: ready, none_left: false };
        run_loop(run, ready, signals, command.as_mut(), &mut streaming)?.0
    };
    // What went away since the last look is told before we detach ourselves.
    writer.borrow_mut().view.look();
    let removed = writer.borrow_mut().view.hooked.detach();
    hook::quiesce();
    let detached = Moment::now();
    ring.drain()?;
    drop(ring);
    let mut writer = writer.into_inner();
    writer.view.removed = removed;
    writer.batch.flush(&mut writer.view.outputs);
    let ledger = writer.view.ledger(packets.ledger(), detached);
    Ok(Seen { end, ledger: writer.batch.close(&mut writer.view.outputs, ledger) })
}

impl<'a, 'view> Writer<'a, 'view> {
    fn new(view: &'a mut View<'view>) -> Self {
        let names =
            view.hooked.targets.all.iter().map(|target| (target.index, target.name.clone())).collect();
        let batch = Batch::aligned(view.run, LINE);
        Self { view, names, batch }
    }

    fn event(&mut self, event: &Event) {
        let packets = u64::from(event.segments());
        if !self.batch.admit_group(packets) {
            return;
        }
        let time = self.view.time(event.monotonic_ns());
        let mut packet = record(event, time, &self.names);
        for address in [&mut packet.src_ip, &mut packet.dst_ip].into_iter().flatten() {
            *address = self.view.anonymizer.address(*address);
        }
        self.batch.write_group(&mut self.view.outputs, &packet, &packet, packets);
    }
}

/// The record of a packet.
fn record<'a>(event: &Event, time: plumb_records::column::Time, names: &'a [(u32, String)]) -> Packet<'a> {
    let (flow, tcp, icmp) = (event.flow(), event.tcp(), event.icmp());
    let ifindex = event.ifindex();
    Packet {
        time,
        interface: names.iter().find(|(index, _)| *index == ifindex).map(|(_, name)| name.as_str()),
        ifindex,
        direction: event.direction().name(),
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

struct Streaming<'a, 'ring, 'obj, 'w, 'view> {
    ring: &'a mut Ring<'ring>,
    packets: &'a Packets<'obj>,
    writer: &'a RefCell<Writer<'w, 'view>>,
    /// When interfaces were looked after.
    looked: Moment,
    none_left: bool,
}

impl Observed for Streaming<'_, '_, '_, '_, '_> {
    fn wait(&mut self, until: Moment, stop: &mut Stop<'_>) -> Outcome<()> {
        let Self { ring, writer, looked, none_left, .. } = self;
        let mut ended = |sleeps| {
            let over = {
                let Writer { view, batch, .. } = &mut *writer.borrow_mut();
                batch.settle(&mut view.outputs, sleeps);
                batch.over(&view.outputs).is_some()
            };
            if sleeps && looked.after(LOOK).left().is_zero() {
                *looked = Moment::now();
                *none_left = writer.borrow_mut().view.look();
            }
            over || *none_left || stop.asked()
        };
        ring.consume_until(until.instant(), &mut ended)?;
        Ok(())
    }

    fn tick(&mut self, span: Span) -> Outcome<()> {
        let Writer { view, batch, .. } = &mut *self.writer.borrow_mut();
        let mut ledger = view.ledger(self.packets.ledger(), span.end);
        // The counters are of no single moment while programs run.
        ledger.seen = ledger.accounted();
        batch.tick(view.run, &mut view.outputs, ledger, span);
        Ok(())
    }

    fn over(&self) -> Option<End> {
        let writer = self.writer.borrow();
        writer.batch.over(&writer.view.outputs).or(self.none_left.then_some(End::Asked))
    }
}
