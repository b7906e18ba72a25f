//! What a run on hooks of interfaces tells, first and last.

use super::Hooked;
use crate::anonymizing::Anonymizer;
use crate::child::Beside;
use crate::clock::{Moment, Span};
use crate::enrich::packet::Families;
use crate::failure::{Exit, Outcome};
use crate::outputs::Outputs;
use crate::pipeline::{self, Seen};
use crate::plan::{Run, Stdout};
use crate::{account, text};
use plumb_kernel::others::Other;
use plumb_kernel::session::Attached;
use plumb_kernel::support;
use plumb_records::filter::Filter;
use plumb_records::ledger::Ledger;
use plumb_records::packet::PacketOther;
use plumb_sinks::text::units;

/// The word for what these ledgers count.
const UNIT: &str = "packet";

/// What a run shows, and to whom.
pub struct View<'a> {
    pub run: &'a Run,
    pub anonymizer: &'a Anonymizer,
    pub hooked: Hooked,
    pub outputs: Outputs,
    pub ready: Moment,
    /// Nothing of ours stays on the interfaces.
    pub removed: bool,
    /// What makes a kernel's time one of the world's, when added.
    pub clock_offset: i64,
}

impl<'a> View<'a> {
    pub fn new(run: &'a Run, anonymizer: &'a Anonymizer, hooked: Hooked, outputs: Outputs) -> Self {
        let clock_offset = support::clock_offset_ns();
        Self { run, anonymizer, hooked, outputs, ready: Moment::now(), removed: false, clock_offset }
    }

    /// Everything is attached: privileges go, CMD begins, and the first record and line say what runs. `what` is the
    /// line's first word.
    pub fn begin(
        &mut self,
        what: &str,
        programs: &[Attached],
        ring_bytes: u32,
        filter: &Filter,
        command: &mut Option<Beside>,
    ) -> Outcome<()> {
        let interfaces = self.hooked.targets.all.iter().map(|target| format!("interface {}", target.name));
        let filters = interfaces.chain(self.anonymizer.filters(filter)).collect();
        self.ready = pipeline::ready(self.run, command.as_mut())?;
        let (mechanisms, offset) = (self.hooked.mechanisms(), self.clock_offset);
        let session = account::anonymous_session(self.anonymizer, filters, mechanisms, offset);
        self.outputs.write_about(&session);
        self.outputs.flush();
        account::programs(self.run, programs);
        if self.run.verbose {
            text::note(format_args!("ring: {ring_bytes} bytes"));
        }
        if matches!(self.run.stdout, Stdout::Plain | Stdout::Summary) {
            let title = format!("{what} on {}\n", self.hooked.title());
            self.outputs.say(&title);
        }
        Ok(())
    }

    /// Tells which interfaces are gone; true where none is left.
    pub fn look(&mut self) -> bool {
        self.hooked.look().iter().for_each(text::note);
        self.hooked.targets.none_left()
    }

    /// A probe's account until `end`, with what was written and what it cost.
    pub fn ledger(&self, ledger: Ledger, end: Moment) -> Ledger {
        account::with_cost(ledger, &self.outputs, Span { start: self.ready, end })
    }

    /// Writes the last records, tells people, and decides on the exit code.
    pub fn conclude(&mut self, others: &[Other], seen: &Seen) -> Outcome<Exit> {
        let ledger = &seen.ledger;
        tell_others(self.run, &mut self.outputs, others, ledger.duration_ns);
        if ledger.lost_kernel > 0 {
            text::note(format_args!(
                "{} found no room on their way to us: a larger --ring-size, --sample or a faster output would help",
                units::counted(ledger.lost_kernel, UNIT)
            ));
        }
        account::close(&mut self.outputs, self.run, ledger, |ledger| text::sentence_about(UNIT, ledger))?;
        Ok(if self.removed { account::exit(self.run, ledger, seen.end) } else { Exit::Failed })
    }
}

/// What was passed over, by kind.
pub fn tell_others(run: &Run, outputs: &mut Outputs, others: &[Other], duration_ns: u64) {
    let mut names = Families::default();
    let mut told = Vec::new();
    for Other { ethertype, malformed, packets, bytes } in others.iter().copied() {
        let ethertype = ethertype.map(|number| names.ethertype(number));
        let name = ethertype.unwrap_or("others");
        let what = if malformed { " that is not whole" } else { "" };
        told.push(format!("{} {name}{what}", units::count(packets)));
        outputs.write_about(&PacketOther { duration_ns, ethertype, malformed, packets, bytes });
    }
    if !told.is_empty() && matches!(run.stdout, Stdout::Plain | Stdout::Summary) {
        outputs.say(&format!("Passed over: {}\n", told.join(", ")));
    }
}
