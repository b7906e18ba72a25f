//! Interrupts, softirqs and NAPI polls of the whole machine. What their times include, `irq.bpf.c` says.

use super::per_cpu;
use crate::error::{Class, Error};
use crate::session::{self, Attached, Storage};
use crate::wire::{
    self, histogram, irq_config, irq_const, irq_line, irq_lost, irq_napi, irq_napi_key, plain_bytes,
};
use crate::{support, sys};
use libbpf_rs::skel::{OpenSkel, Skel};
use libbpf_rs::{Link, MapCore, MapFlags};
use plumb_records::enrich::softirqs;
use plumb_records::histogram::Histogram;
use skeleton::{IrqSkel, IrqSkelBuilder};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};

skeleton!("irq");

plain_bytes!(skeleton::types::irq_config);

/// Programs, their tracepoints and what they are for, ends before beginnings: what begins is then seen to its end.
const PROGRAMS: &[(&str, &str, &str)] = &[
    ("irq_end", "irq_handler_exit", "interrupts"),
    ("irq_begin", "irq_handler_entry", "interrupts"),
    ("softirq_end", "softirq_exit", "softirqs"),
    ("softirq_begin", "softirq_entry", "softirqs and their waits"),
    ("softirq_raised", "softirq_raise", "waits of softirqs"),
    (POLLED, "napi_poll", "NAPI polls"),
];

/// The program that packets are not joined to.
const POLLED: &str = "napi_polled";

/// What took a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Span {
    /// A handler of an interrupt, from entry to exit.
    Irq,
    /// A softirq, from raised to entered.
    SoftirqWait,
    /// The same, from entry to exit.
    Softirq,
}

/// Times of one kind.
#[derive(Clone, Debug)]
pub struct Times {
    /// What took them.
    pub span: Span,
    /// Number of the interrupt or of the softirq's vector.
    pub number: u32,
    /// The action's name, or the vector's; `None` where the kernel does not tell.
    pub name: Option<String>,
    /// The times, in nanoseconds.
    pub times: Histogram,
}

/// A NAPI instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Napi {
    /// Name of the device when it was first polled; `None`: the CPUs' backlog, which has none.
    pub device: Option<String>,
    /// Cookie of its network namespace, and its index there.
    pub place: Option<(u64, u32)>,
    /// The kernel's number of the instance, where it has one.
    pub id: Option<u32>,
}

/// What polling an instance did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Polls {
    /// Calls of its poll function.
    pub polls: u64,
    /// Packets that they took.
    pub packets: u64,
    /// Calls that used their whole budget.
    pub exhausted: u64,
}

/// What was not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Handlers that found no room in the table.
    pub irqs: u64,
    /// Polls that found none.
    pub polls: u64,
    /// Ends whose beginning was not seen, or the other way round.
    pub unmatched: u64,
    /// Softirqs with a vector that we have no place for.
    pub vectors: u64,
    /// Events that the kernel skipped.
    pub skipped: u64,
}

/// Everything that was counted.
#[derive(Clone, Debug, Default)]
pub struct Interrupts {
    /// Times, by what took them and number.
    pub times: Vec<Times>,
    /// Polls.
    pub napis: BTreeMap<Napi, Polls>,
    /// What is missing in them.
    pub lost: Lost,
    /// Nanoseconds that the programs took, where the kernel's statistics are on.
    pub cost_ns: Option<u64>,
}

/// The programs, loaded; attached after [`Irqs::attach`].
pub struct Irqs<'obj> {
    skel: Box<IrqSkel<'obj>>,
    links: Vec<Link>,
    mechanisms: Vec<Attached>,
    missing: Vec<String>,
    vectors: Vec<String>,
}

impl<'obj> Irqs<'obj> {
    /// Opens and loads. Without `tables` nothing is counted but what is lost: packets are joined to interrupts and softirqs.
    pub fn load(storage: &'obj mut Storage, tables: bool) -> Result<Self, Error> {
        let mut open = session::open("latency irq", IrqSkelBuilder::default(), storage)?;
        if let Some(data) = open.maps.rodata_data.as_mut() {
            data.irq_config =
                bytemuck::cast(irq_config { tables: u8::from(tables), ..irq_config::default() });
        }
        let there = support::tracepoints(PROGRAMS.iter().map(|(_, tracepoint, _)| *tracepoint))?;
        let mut missing = Vec::new();
        for (name, tracepoint, what) in PROGRAMS {
            let wanted = tables || *name != POLLED;
            if wanted && there.contains(tracepoint) {
                continue;
            }
            if wanted {
                missing.push(format!("this kernel has no tracepoint {tracepoint}: {what} are left out"));
            }
            for mut program in open.open_object_mut().progs_mut().filter(|program| program.name() == *name) {
                program.set_autoload(false);
            }
        }
        let skel = Box::new(session::load("latency irq", open)?);
        let vectors = softirqs::names(&std::fs::read("/proc/softirqs").unwrap_or_default());
        if vectors.is_empty() {
            missing.push("/proc/softirqs cannot be read: softirqs have numbers, not names".to_owned());
        }
        Ok(Self { skel, links: Vec::new(), mechanisms: Vec::new(), missing, vectors })
    }

    /// Attaches.
    pub fn attach(&mut self) -> Result<(), Error> {
        for (name, tracepoint, _) in PROGRAMS {
            let found = self.skel.object().progs_mut().find(|program| program.name() == *name);
            let Some(program) = found.filter(|program| program.autoload()) else { continue };
            self.links.push(session::attach(tracepoint, &program)?);
            self.mechanisms.push(session::attached(tracepoint, "tp_btf", &program));
        }
        Ok(())
    }

    /// The map of what each CPU is at.
    pub(super) fn cpus(&self) -> BorrowedFd<'_> {
        self.skel.maps.irq_cpus.as_fd()
    }

    /// What is attached.
    pub fn mechanisms(&self) -> &[Attached] {
        &self.mechanisms
    }

    /// Sentences about what this kernel does not give.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// Everything so far.
    pub fn read(&self) -> Result<Interrupts, Error> {
        let mut times = self.irqs()?;
        times.extend(self.softirqs(Span::SoftirqWait, &self.skel.maps.softirq_waits)?);
        times.extend(self.softirqs(Span::Softirq, &self.skel.maps.softirq_times)?);
        let (lost, cost_ns) = self.account()?;
        Ok(Interrupts { times, napis: self.napis(), lost, cost_ns })
    }

    /// What was not counted so far, and the nanoseconds that the programs took, where the kernel's statistics are on.
    pub fn account(&self) -> Result<(Lost, Option<u64>), Error> {
        let mut lost = Lost::default();
        for cpu in per_cpu::<irq_lost>(&self.skel.maps.irq_losses, 0)? {
            lost.irqs += cpu.lines;
            lost.polls += cpu.napis;
            lost.unmatched += cpu.unmatched;
            lost.vectors += cpu.vectors;
        }
        let (mut cost, mut runs) = (0, 0);
        for program in self.skel.object().progs_mut() {
            let facts = sys::program_facts(program.as_fd()).unwrap_or_default();
            lost.skipped += facts.recursion_misses;
            cost += facts.run_time_ns;
            runs += facts.runs;
        }
        Ok((lost, (runs > 0).then_some(cost)))
    }

    /// Handlers, those of all CPUs together.
    fn irqs(&self) -> Result<Vec<Times>, Error> {
        let mut lines: BTreeMap<(u32, String), Histogram> = BTreeMap::new();
        let map = &self.skel.maps.irq_lines;
        for key in map.keys() {
            let Ok(Some(number)) = map.lookup(&key, MapFlags::ANY) else { continue };
            let line: irq_line = wire::read(&key).map_err(unread)?;
            let found = self.skel.maps.irq_times.lookup(&number, MapFlags::ANY).map_err(unread)?;
            let times: histogram = wire::read(&found.unwrap_or_default()).map_err(unread)?;
            lines.entry((line.irq, text(&line.name))).or_default().merge(&times.into());
        }
        let times = lines.into_iter().map(|((number, name), times)| {
            let name = (!name.is_empty()).then_some(name);
            Times { span: Span::Irq, number, name, times }
        });
        Ok(times.collect())
    }

    fn softirqs(&self, span: Span, map: &impl MapCore) -> Result<Vec<Times>, Error> {
        let times = (0..irq_const::IRQ_VECTORS.0).map(|number| {
            let mut times = Histogram::default();
            for cpu in per_cpu::<histogram>(map, number)? {
                times.merge(&cpu.into());
            }
            Ok(Times { span, number, name: self.vectors.get(number as usize).cloned(), times })
        });
        times.collect()
    }

    /// Instances, those of all CPUs together.
    fn napis(&self) -> BTreeMap<Napi, Polls> {
        let map = &self.skel.maps.irq_napis;
        let entry = |key: Vec<u8>| {
            let value: irq_napi = wire::read(&map.lookup(&key, MapFlags::ANY).ok()??).ok()?;
            Some((wire::read::<irq_napi_key>(&key).ok()?, value))
        };
        let mut napis: BTreeMap<Napi, Polls> = BTreeMap::new();
        for (key, value) in map.keys().filter_map(entry) {
            let device = text(&value.device);
            let napi = Napi {
                device: (!device.is_empty()).then_some(device),
                place: (key.ifindex > 0).then_some((key.netns, key.ifindex)),
                id: (key.napi_id > 0).then_some(key.napi_id),
            };
            let polls = napis.entry(napi).or_default();
            polls.polls += value.polls;
            polls.packets += value.packets;
            polls.exhausted += value.exhausted;
        }
        napis
    }

    /// Detaches; returns when no program runs any more.
    pub fn detach(&mut self) {
        session::detach(&mut self.links);
    }
}

fn unread(why: impl std::fmt::Display) -> Error {
    Error::new(Class::Failed, "cannot read the counters of interrupts", why)
}

/// A name up to its 0. What is not UTF-8 is replaced.
pub(super) fn text<C: Copy + Into<i64>>(name: &[C]) -> String {
    let bytes: Vec<u8> = name.iter().map(|byte| (*byte).into() as u8).take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_at_their_zero() {
        assert_eq!(text(b"eth0\0old"), "eth0");
        assert_eq!(text(&[0x61_i8, -1]), "a\u{fffd}");
        assert_eq!(text::<u8>(&[]), "");
    }
}
