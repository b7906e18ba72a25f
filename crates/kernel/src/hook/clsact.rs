//! TC programs as filters of the clsact qdisc, for kernels without TCX (before 6.6). Filters stay until somebody removes
//! them, also where the process that attached them is killed.
//!
//! Filters and qdiscs of others are left alone: ours has a priority of its own, and the qdisc goes only where we made it
//! and nobody hangs anything else at it.

use super::netlink::Netlink;
use super::xdp::failed_io;
use super::{Direction, Whereabouts};
use crate::error::{Class, Error};
use crate::{links, session, sys};
use libbpf_rs::{TC_EGRESS, TC_INGRESS, TcHook};
use netlink_packet_core::{NLA_HEADER_SIZE, NlasIterator};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcHandle, TcHeader, TcMessage};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};

/// `TC_H_CLSACT`, `TC_H_MIN_INGRESS` and `TC_H_MIN_EGRESS` of include/uapi/linux/pkt_sched.h.
const CLSACT: u32 = 0xffff_fff1;
const INGRESS: u32 = 0xffff_fff2;
const EGRESS: u32 = 0xffff_fff3;

/// Our priority where there is no other filter: others find room before it and after it.
const PRIORITY: u32 = 4096;

impl Direction {
    const fn parent(self) -> u32 {
        match self {
            Self::Ingress => INGRESS,
            Self::Egress => EGRESS,
        }
    }
}

/// A filter of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Filter {
    priority: u32,
    handle: u32,
    /// The kernel's id of its program, where it has one.
    program: Option<u32>,
}

/// The kernel's id of a program.
pub fn id_of(program: BorrowedFd<'_>) -> Result<u32, Error> {
    let facts = sys::program_facts(program);
    Ok(facts.map_err(|error| failed_io("cannot ask about a program of ours", &error))?.id)
}

/// A way to ask about the filters of one namespace's interfaces, from anywhere.
#[derive(Debug)]
pub struct Filtering(Netlink);

impl Filtering {
    /// The calling thread's namespace.
    pub fn here() -> Result<Self, Error> {
        let failed = |error| failed_io("cannot ask for the TC filters of interfaces", &error);
        Netlink::here().map(Self).map_err(failed)
    }

    /// Whether a filter with the program of this id is there.
    pub fn whereabouts(&self, ifindex: u32, direction: Direction, program: u32) -> Whereabouts {
        let found = self.filters(ifindex, direction).unwrap_or_default();
        let there = found.iter().any(|filter| filter.program == Some(program));
        if there { Whereabouts::Attached } else { Whereabouts::Detached }
    }

    /// Filters of one direction in the order in which they are asked; none where there is no such qdisc or interface.
    fn filters(&self, ifindex: u32, direction: Direction) -> io::Result<Vec<Filter>> {
        let mut question = TcMessage::default();
        question.header.index = index(ifindex)?;
        question.header.parent = TcHandle::from(direction.parent());
        let mut found = Vec::new();
        self.0
            .dump(RouteNetlinkMessage::GetTrafficFilter(question), |message| found.extend(filter(message)))?;
        Ok(found)
    }

    /// Kind of the qdisc that incoming packets pass: `clsact`, `ingress` or none.
    fn qdisc(&self, ifindex: u32) -> io::Result<Option<String>> {
        let wanted = index(ifindex)?;
        let mut kind = None;
        self.0.dump(RouteNetlinkMessage::GetQueueDiscipline(TcMessage::default()), |message| {
            let Ok(header) = TcHeader::parse(message) else { return };
            if header.index == wanted && u32::from(header.parent) == CLSACT {
                kind = attribute(attributes(message), KIND).map(text);
            }
        })?;
        Ok(kind)
    }
}

fn index(ifindex: u32) -> io::Result<i32> {
    i32::try_from(ifindex).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))
}

/// `TCA_KIND` and `TCA_OPTIONS` of include/uapi/linux/rtnetlink.h, `TCA_BPF_ID` of include/uapi/linux/pkt_cls.h.
const KIND: u16 = 1;
const OPTIONS: u16 = 2;
const PROGRAM_ID: u16 = 11;
/// Bytes of struct tcmsg, which comes before the attributes.
const HEADER: usize = 20;

fn attributes(message: &[u8]) -> &[u8] {
    message.get(HEADER..).unwrap_or_default()
}

/// The value of the first attribute of this number.
fn attribute(attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    let found = NlasIterator::new(attributes).flatten().find(|found| found.kind() == wanted)?;
    let length = usize::from(found.length());
    found.into_inner().get(NLA_HEADER_SIZE..length)
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.strip_suffix(&[0]).unwrap_or(value)).into_owned()
}

/// A filter of a dump; a message without handle is about all filters of a priority.
fn filter(message: &[u8]) -> Option<Filter> {
    let header = TcHeader::parse(message).ok()?;
    let program = attribute(attributes(message), OPTIONS).and_then(|options| attribute(options, PROGRAM_ID));
    let program = program.and_then(|id| id.first_chunk()).map(|id| u32::from_ne_bytes(*id));
    let handle = u32::from(header.handle);
    Some(Filter { priority: header.info >> 16, handle, program })
}

/// A priority before all others. The lowest is shared: the kernel asks the newest filter of a priority first
/// (cls_bpf_change in net/sched/cls_bpf.c).
fn before(others: &[Filter]) -> u32 {
    others.iter().map(|filter| filter.priority).min().map_or(PRIORITY, |lowest| (lowest - 1).max(1))
}

/// Makes the qdisc where there is none; whether it is ours.
fn make(asking: &Filtering, ifindex: u32, programs: &[(Direction, BorrowedFd<'_>)]) -> Result<bool, Error> {
    let what = "cannot attach to TC by clsact";
    let failed = |error: io::Error| failed_io(what, &error);
    match asking.qdisc(ifindex).map_err(failed)?.as_deref() {
        Some("clsact") => return Ok(false),
        // It would take filters for outgoing packets too, and show them incoming ones (net/sched/sch_ingress.c).
        Some(_) if programs.iter().any(|(direction, _)| *direction == Direction::Egress) => {
            let why = "it has a qdisc of kind ingress, which sees no outgoing packets";
            return Err(Error::new(Class::Unsupported, what, why).help("--direction ingress works beside it"));
        }
        Some(_) => return Ok(false),
        None => {}
    }
    match links::create_clsact(index(ifindex).map_err(failed)?) {
        Ok(()) => Ok(true),
        // Somebody was faster.
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(false),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EOPNOTSUPP)) => {
            Err(Error::new(Class::Unsupported, what, "this kernel has neither TCX nor clsact"))
        }
        Err(error) => Err(failed(error)),
    }
}

struct Ours {
    hook: TcHook,
    direction: Direction,
    program: u32,
}

/// Filters of ours on an interface. Dropping this removes them, in the namespace that they were attached in and with
/// CAP_NET_ADMIN.
pub struct Filters {
    asking: Filtering,
    ifindex: u32,
    ours: Vec<Ours>,
    made: bool,
}

impl Filters {
    /// Attaches programs; one that cannot be leaves none behind.
    pub fn attach(ifindex: u32, programs: &[(Direction, BorrowedFd<'_>)]) -> Result<Self, Error> {
        let failed = |error: io::Error| failed_io("cannot attach to TC by clsact", &error);
        session::listen();
        let asking = Filtering::here()?;
        let made = make(&asking, ifindex, programs)?;
        let mut filters = Self { asking, ifindex, ours: Vec::new(), made };
        for (direction, program) in programs {
            let others = filters.asking.filters(ifindex, *direction).map_err(failed)?;
            filters.add(*direction, *program, before(&others))?;
        }
        Ok(filters)
    }

    /// The same with inherited descriptors.
    pub fn inherit(ifindex: u32, programs: &[(Direction, RawFd)]) -> Result<Self, Error> {
        let held = |(direction, number): &(Direction, RawFd)| Ok((*direction, links::inherited(*number)?));
        let held: io::Result<Vec<_>> = programs.iter().map(held).collect();
        let held = held.map_err(|error| failed_io("cannot hold the programs to attach", &error))?;
        let lent: Vec<_> = held.iter().map(|(direction, program)| (*direction, program.as_fd())).collect();
        Self::attach(ifindex, &lent)
    }

    fn add(&mut self, direction: Direction, program: BorrowedFd<'_>, priority: u32) -> Result<(), Error> {
        let what = format!("cannot attach to TC {} by clsact", direction.name());
        let id = id_of(program)?;
        let mut hook = TcHook::new(program);
        let point = if direction == Direction::Ingress { TC_INGRESS } else { TC_EGRESS };
        hook.ifindex(self.ifindex as i32).attach_point(point).priority(priority);
        hook.attach().map_err(|error| {
            let why = match priority {
                1 => format!(
                    "a filter of another kind has priority 1, so that none can come before it: {error}"
                ),
                _ => error.to_string(),
            };
            Error::new(Class::Failed, what, why)
        })?;
        self.ours.push(Ours { hook, direction, program: id });
        Ok(())
    }

    /// Removes what is still there of ours. An interface that is gone has taken everything with it.
    pub fn remove(mut self) -> Result<(), Error> {
        self.take_away().map_err(|error| failed_io("cannot remove the TC filters", &error))
    }

    fn take_away(&mut self) -> io::Result<()> {
        let ours = std::mem::take(&mut self.ours);
        let any = ours.first().map(|ours| ours.hook);
        for Ours { mut hook, direction, program } in ours {
            let ours =
                Filter { priority: hook.get_priority(), handle: hook.get_handle(), program: Some(program) };
            // Another program may have been put in its place: that one is not ours.
            if self.asking.filters(self.ifindex, direction)?.contains(&ours) {
                hook.detach().map_err(io::Error::other)?;
            }
        }
        if let Some(mut hook) = any
            && std::mem::take(&mut self.made)
            && self.empty()?
        {
            hook.attach_point(TC_INGRESS | TC_EGRESS).destroy().map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// Whether the qdisc is still there and nothing hangs at it.
    fn empty(&self) -> io::Result<bool> {
        let mut left = 0;
        for direction in Direction::ALL {
            left += self.asking.filters(self.ifindex, direction)?.len();
        }
        Ok(left == 0 && self.asking.qdisc(self.ifindex)?.as_deref() == Some("clsact"))
    }
}

impl Drop for Filters {
    fn drop(&mut self) {
        let _ = self.take_away();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(priority: u32) -> Filter {
        Filter { priority, handle: 1, program: None }
    }

    #[test]
    fn ours_comes_before_all_others() {
        assert_eq!(before(&[]), PRIORITY);
        assert_eq!(before(&[at(49152), at(10)]), 9);
        assert_eq!(before(&[at(1), at(2)]), 1);
    }

    #[test]
    fn dumps_are_read_and_damage_is_not() {
        let mut message = vec![0; HEADER];
        message[8..12].copy_from_slice(&5_u32.to_ne_bytes());
        message[16..20].copy_from_slice(&(7_u32 << 16 | 3).to_ne_bytes());
        let mut nla = |kind: u16, value: &[u8]| {
            message.extend((value.len() as u16 + 4).to_ne_bytes());
            message.extend(kind.to_ne_bytes());
            message.extend(value);
        };
        nla(KIND, b"bpf\0");
        nla(OPTIONS, &[8, 0, PROGRAM_ID as u8, 0, 9, 0, 0, 0]);
        assert_eq!(filter(&message), Some(Filter { priority: 7, handle: 5, program: Some(9) }));
        for length in 0..message.len() {
            assert!(filter(&message[..length]).is_none_or(|filter| filter.program.is_none()));
        }
    }

    #[test]
    fn an_interface_without_filters_has_none() {
        let asking = Filtering::here().unwrap();
        for ifindex in [1, 0x7fff_ffff] {
            assert_eq!(asking.filters(ifindex, Direction::Egress).unwrap(), []);
            assert_eq!(asking.whereabouts(ifindex, Direction::Egress, u32::MAX), Whereabouts::Detached);
        }
        assert_eq!(asking.qdisc(0x7fff_ffff).unwrap(), None);
    }
}
