//! Exceptions and redirect errors of a run's programs, as they are told beside the actions.

use crate::clock::Span;
use crate::counted::Since;
use crate::outputs::Outputs;
use crate::text::note;
use plumb_kernel::probes::xdp::{Fault, Faults};
use plumb_records::column::Time;
use plumb_records::xdp::XdpFault;
use plumb_sinks::text::units;
use std::collections::BTreeMap;

/// How many there were: at readiness, at the reading before the last one, and at the last one.
#[derive(Debug, Default)]
pub struct Faulty {
    first: BTreeMap<Fault, u64>,
    before: BTreeMap<Fault, u64>,
    now: BTreeMap<Fault, u64>,
}

impl Faulty {
    /// What came before is not told.
    pub fn from(first: BTreeMap<Fault, u64>) -> Self {
        Self { before: first.clone(), now: first.clone(), first }
    }

    /// The next reading.
    pub fn read(&mut self, now: BTreeMap<Fault, u64>) {
        self.before = std::mem::replace(&mut self.now, now);
    }

    fn since(&self, since: Since) -> impl Iterator<Item = (&Fault, u64)> {
        let before = if since == Since::Interval { &self.before } else { &self.first };
        let less = |fault, packets: u64| packets.saturating_sub(before.get(fault).copied().unwrap_or(0));
        let each = self.now.iter().map(move |(fault, packets)| (fault, less(fault, *packets)));
        each.filter(|(_, packets)| *packets > 0)
    }

    /// Writes a record for each. `place`: name of the interface, and inode of its namespace, where they are known.
    pub fn write<'a>(
        &self,
        outputs: &mut Outputs,
        since: Since,
        (time, span): (Option<Time>, Span),
        place: impl Fn(&Fault) -> Option<(&'a str, u64)>,
    ) {
        for (fault, packets) in self.since(since) {
            let place = place(fault);
            // The packets are in the records of actions.
            let record = XdpFault {
                time,
                duration_ns: span.nanoseconds(),
                interface: place.map(|(name, _)| name),
                ifindex: Some(fault.ifindex),
                netns: place.map(|(_, netns)| netns),
                program_id: Some(fault.program),
                kind: Some(fault.kind),
                cause: Some(&fault.cause),
                packets,
            };
            outputs.write_group(&record, 0);
        }
    }

    /// A line for each.
    pub fn told<'a>(&self, since: Since, place: impl Fn(&Fault) -> Option<(&'a str, u64)>) -> String {
        let line = |(fault, packets): (&Fault, u64)| {
            let name =
                place(fault).map_or_else(|| format!("interface {}", fault.ifindex), |it| it.0.to_owned());
            format!("{name}: {} {}: {}\n", fault.kind, fault.cause, units::count(packets))
        };
        self.since(since).map(line).collect()
    }
}

/// Says where some are missing: they are counted for the whole machine, in a table of so many kinds.
pub fn unroomed(faults: &Faults<'_>) {
    let lost = faults.unroomed();
    if lost > 0 {
        note(format_args!(
            "{lost} exceptions and redirect errors of this machine found no room in the table of them; some may be of the \
             programs told"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_before_is_not_told() {
        let fault = Fault { netns: 1, ifindex: 3, program: 7, kind: "redirect", cause: "EINVAL".to_owned() };
        let count = |packets| BTreeMap::from([(fault.clone(), packets)]);
        let mut faulty = Faulty::from(count(2));
        let name = |_: &Fault| Some(("eth0", 1));
        assert_eq!(faulty.told(Since::Ready, name), "");
        faulty.read(count(5));
        faulty.read(count(6));
        assert_eq!(faulty.told(Since::Interval, name), "eth0: redirect EINVAL: 1\n");
        assert_eq!(faulty.told(Since::Ready, |_| None), "interface 3: redirect EINVAL: 4\n");
    }
}
