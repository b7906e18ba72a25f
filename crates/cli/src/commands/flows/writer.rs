//! Flows that ended become records.

use super::asked::{Asked, PROFILES};
use crate::batch::{Batch, Fates};
use crate::outputs::Outputs;
use crate::plan::Run;
use plumb_kernel::probes::flows::{Counters, End, Entry};
use plumb_records::column::Shown;
use plumb_records::flow::{Flow, NATIVE};
use plumb_records::ledger::Ledger;
use plumb_sinks::text::events::Part;

/// A line of text per flow.
const LINE: [Part; 9] = [
    Part::Plain("time"),
    Part::Plain("interface"),
    Part::Flow(""),
    Part::Named("fwd_packets"),
    Part::Named("bwd_packets"),
    Part::Named("fwd_ip_bytes"),
    Part::Named("bwd_ip_bytes"),
    Part::Named("duration_us"),
    Part::Named("end_reason"),
];

/// Takes flows and writes them.
pub struct Writer<'a> {
    pub batch: Batch,
    asked: &'a Asked,
    /// Names of the interfaces at the start, by their indexes.
    names: Vec<(u32, String)>,
    /// What makes a time of the packets' clock one since the Unix epoch, when added.
    epoch_ns: i64,
}

impl<'a> Writer<'a> {
    pub fn new(run: &Run, asked: &'a Asked, names: Vec<(u32, String)>, epoch_ns: i64) -> Self {
        Self { batch: Batch::aligned(run, LINE), asked, names, epoch_ns }
    }

    /// Writes a flow, or counts it as beyond --count.
    pub fn flow(&mut self, outputs: &mut Outputs, entry: &Entry<'_>, end: End) {
        let mut numbers = entry.numbers(end);
        for address in [&mut numbers.src_ip, &mut numbers.dst_ip] {
            *address = self.asked.anonymizer.address(*address);
        }
        let packets = numbers.sides.iter().map(|side| side.packets).sum();
        if !self.batch.admit_group(packets) {
            return;
        }
        let name = self.names.iter().find(|(index, _)| *index == numbers.ifindex);
        let flow = Flow {
            numbers: &numbers,
            interface: name.map(|(_, name)| name.as_str()),
            epoch_ns: self.epoch_ns,
            sampling: u64::from(self.asked.config.sample),
            firsts: self.asked.config.firsts as usize,
        };
        let row = self.asked.table.row(flow, self.asked.shown);
        self.batch.write_group(outputs, &row, &NATIVE.row(flow, Shown::ALL), packets);
        // What is written has gone to the feed of its own columns.
        let others =
            PROFILES.iter().filter(|(_, table)| !std::ptr::eq(table.columns, self.asked.table.columns));
        for (feed, table) in others {
            if outputs.is_read(feed) {
                outputs.offer(&table.row(flow, table.shown(self.asked.config.level)));
            }
        }
    }

    /// The account of packets by now: of those in flows that go on it is `stay` that tells.
    pub fn ledger(&self, outputs: &Outputs, counters: &Counters) -> Ledger {
        let Fates { written, beyond, lost } = self.batch.fates(outputs);
        Ledger {
            seen: counters.seen,
            filtered: counters.filtered + beyond,
            sampled_out: counters.sampled_out,
            passed_over: counters.passed_over + counters.malformed,
            aggregated: written,
            lost_kernel: counters.lock_timeout + counters.ended_lost,
            lost_table_full: counters.table_full,
            lost_user: lost,
            ..Ledger::default()
        }
    }
}
