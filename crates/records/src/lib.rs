//! What Plumb says about the network, as pure values: no I/O, no kernel, no `unsafe`.

pub mod bench;
pub mod column;
pub mod drop;
pub mod enrich;
pub mod explain;
pub mod filter;
pub mod flow;
pub mod histogram;
pub mod interrupt;
pub mod latency;
pub mod ledger;
pub mod noise;
pub mod packet;
pub mod session;
pub mod traffic;
pub mod xdp;

use column::Column;

/// Every record kind with its columns: what `plumb schema` prints.
pub const RECORDS: &[(&str, &[Column])] = &[
    (session::Session::RECORD, session::Session::COLUMNS),
    (drop::DropGroup::RECORD, drop::DropGroup::COLUMNS),
    (drop::Drop::RECORD, drop::Drop::COLUMNS),
    (latency::Stage::RECORD, latency::Stage::COLUMNS),
    (latency::Journey::RECORD, latency::Journey::COLUMNS),
    (packet::Packet::RECORD, packet::Packet::COLUMNS),
    (packet::PacketOther::RECORD, packet::PacketOther::COLUMNS),
    (flow::NATIVE.record, flow::NATIVE.columns),
    (flow::CICFLOWMETER.record, flow::CICFLOWMETER.columns),
    (flow::NFSTREAM.record, flow::NFSTREAM.columns),
    (interrupt::Irq::RECORD, interrupt::Irq::COLUMNS),
    (interrupt::IrqLedger::RECORD, interrupt::IrqLedger::COLUMNS),
    (xdp::XdpProgram::RECORD, xdp::XdpProgram::COLUMNS),
    (xdp::XdpAction::RECORD, xdp::XdpAction::COLUMNS),
    (xdp::XdpPacket::RECORD, xdp::XdpPacket::COLUMNS),
    (xdp::XdpFault::RECORD, xdp::XdpFault::COLUMNS),
    (traffic::Traffic::RECORD, traffic::Traffic::COLUMNS),
    (bench::ReaderBench::RECORD, bench::ReaderBench::COLUMNS),
    (bench::ReaderFit::RECORD, bench::ReaderFit::COLUMNS),
    (bench::Bench::RECORD, bench::Bench::COLUMNS),
    (bench::LatencyBench::RECORD, bench::LatencyBench::COLUMNS),
    (traffic::TrafficBench::RECORD, traffic::TrafficBench::COLUMNS),
    (ledger::Ledger::RECORD, ledger::Ledger::COLUMNS),
];
