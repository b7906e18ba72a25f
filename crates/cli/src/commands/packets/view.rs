//! What a run tells, first and last.

use crate::child::Beside;
use crate::clock::{Moment, Span};
use crate::enrich::packet::Families;
use crate::failure::{Exit, Outcome};
use crate::hooks::Hooked;
use crate::outputs::Outputs;
use crate::pipeline::{self, Seen};
use crate::plan::{Run, Stdout};
use crate::{account, text};
use plumb_kernel::probes::packets::{Config, Other, Packets};
use plumb_kernel::support;
use plumb_records::column::Time;
use plumb_records::ledger::Ledger;
use plumb_records::packet::PacketOther;
use plumb_sinks::text::units;

/// The word for what this ledger counts.
const UNIT: &str = "packet";

/// What a run shows, and to whom.
pub struct View<'a> {
    pub run: &'a Run,
    pub hooked: Hooked,
    pub outputs: Outputs,
    pub ready: Moment,
    /// Nothing of ours stays on the interfaces.
    pub removed: bool,
    clock_offset: i64,
}

impl<'a> View<'a> {
    pub fn new(run: &'a Run, hooked: Hooked, outputs: Outputs) -> Self {
        let clock_offset = support::clock_offset_ns();
        Self { run, hooked, outputs, ready: Moment::now(), removed: false, clock_offset }
    }

    /// Everything is attached: privileges go, CMD begins, and the first record and line say what runs.
    pub fn begin(
        &mut self,
        packets: &Packets<'_>,
        config: &Config,
        filters: Vec<String>,
        command: &mut Option<Beside>,
    ) -> Outcome<()> {
        self.ready = pipeline::ready(self.run, command.as_mut())?;
        let session = account::session(filters, self.hooked.mechanisms(), self.clock_offset);
        self.outputs.write_about(&session);
        self.outputs.flush();
        account::programs(self.run, &packets.facts());
        if self.run.verbose {
            text::note(format_args!("ring: {} bytes", config.ring_bytes()));
        }
        if matches!(self.run.stdout, Stdout::Plain | Stdout::Summary) {
            let title = format!("Packets on {}\n", self.hooked.title());
            self.outputs.say(&title);
        }
        Ok(())
    }

    /// Tells which interfaces are gone; true where none is left.
    pub fn look(&mut self) -> bool {
        self.hooked.look().iter().for_each(text::note);
        self.hooked.targets.none_left()
    }

    /// When a moment was, in the world's time.
    pub fn time(&self, monotonic_ns: u64) -> Time {
        Moment(monotonic_ns).time(self.clock_offset)
    }

    /// The account until `end`.
    pub fn ledger(&self, packets: &Packets<'_>, end: Moment) -> Ledger {
        account::with_cost(packets.ledger(), &self.outputs, Span { start: self.ready, end })
    }

    /// Writes the last records, tells people, and decides on the exit code.
    pub fn conclude(&mut self, packets: &Packets<'_>, seen: &Seen) -> Outcome<Exit> {
        let ledger = &seen.ledger;
        self.others(&packets.others()?, ledger.duration_ns);
        if ledger.lost_kernel > 0 {
            text::note(format_args!(
                "{} found no room on their way to us: a larger --ring-size, --sample or a faster output would help",
                units::counted(ledger.lost_kernel, UNIT)
            ));
        }
        account::close(&mut self.outputs, self.run, ledger, text::sentence_about(UNIT, ledger))?;
        Ok(if self.removed { account::exit(self.run, ledger, seen.end) } else { Exit::Failed })
    }

    /// What was passed over, by kind.
    fn others(&mut self, others: &[Other], duration_ns: u64) {
        let mut names = Families::default();
        let mut told = Vec::new();
        for Other { ethertype, malformed, packets, bytes } in others.iter().copied() {
            let ethertype = ethertype.map(|number| names.ethertype(number));
            let name = ethertype.unwrap_or("others");
            let what = if malformed { " that is not whole" } else { "" };
            told.push(format!("{} {name}{what}", units::count(packets)));
            self.outputs.write_about(&PacketOther { duration_ns, ethertype, malformed, packets, bytes });
        }
        if !told.is_empty() && matches!(self.run.stdout, Stdout::Plain | Stdout::Summary) {
            self.outputs.say(&format!("Passed over: {}\n", told.join(", ")));
        }
    }
}
