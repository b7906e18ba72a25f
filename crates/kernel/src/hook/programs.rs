//! A probe's programs by their hooks, of which only those that are asked for are loaded: verifying one takes the kernel
//! hundreds of milliseconds.

use super::Direction;
use crate::error::{Class, Error};
use crate::session::{self, Attached};
use libbpf_rs::{OpenProgramMut, ProgramMut};
use std::os::fd::{AsFd, BorrowedFd};

/// Hooks to load programs for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hooks {
    /// XDP, which captures go through too.
    pub xdp: bool,
    /// TC, for what comes in.
    pub ingress: bool,
    /// TC, for what goes out.
    pub egress: bool,
}

impl Hooks {
    /// XDP alone.
    pub const XDP: Self = Self { xdp: true, ingress: false, egress: false };

    /// Those of the opened programs, which stand in the order of the fields, that are to be loaded.
    pub(crate) fn choose(self, programs: [&mut OpenProgramMut<'_>; 3]) {
        for (program, wanted) in programs.into_iter().zip(self.each()) {
            program.set_autoload(wanted);
        }
    }

    /// Those of the loaded programs that are there.
    pub(crate) fn programs<'a>(self, loaded: [&'a ProgramMut<'_>; 3]) -> Programs<'a> {
        let there = |number: usize| self.each()[number].then(|| loaded[number].as_fd());
        Programs { xdp: there(0), ingress: there(1), egress: there(2) }
    }

    /// Ids and sizes of those that are there.
    pub(crate) fn facts(self, loaded: [&ProgramMut<'_>; 3]) -> Vec<Attached> {
        let names = [("xdp", "xdp"), ("ingress", "tc"), ("egress", "tc")];
        let each = self.each().into_iter().zip(names).zip(loaded);
        each.filter(|((there, _), _)| *there)
            .map(|((_, (hook, mechanism)), program)| session::attached(hook, mechanism, program))
            .collect()
    }

    const fn each(self) -> [bool; 3] {
        [self.xdp, self.ingress, self.egress]
    }
}

/// Programs that are loaded, to be attached.
#[derive(Clone, Copy, Debug)]
pub struct Programs<'a> {
    xdp: Option<BorrowedFd<'a>>,
    ingress: Option<BorrowedFd<'a>>,
    egress: Option<BorrowedFd<'a>>,
}

impl<'a> Programs<'a> {
    /// That for XDP; an error where it was not asked for.
    pub fn xdp(self) -> Result<BorrowedFd<'a>, Error> {
        there("XDP", self.xdp)
    }

    /// That for one direction at TC; an error where it was not asked for.
    pub fn tc(self, direction: Direction) -> Result<BorrowedFd<'a>, Error> {
        match direction {
            Direction::Ingress => there("TC ingress", self.ingress),
            Direction::Egress => there("TC egress", self.egress),
        }
    }

    /// All of them.
    pub fn each(self) -> impl Iterator<Item = BorrowedFd<'a>> {
        [self.xdp, self.ingress, self.egress].into_iter().flatten()
    }
}

fn there<'a>(hook: &str, program: Option<BorrowedFd<'a>>) -> Result<BorrowedFd<'a>, Error> {
    program.ok_or_else(|| {
        Error::new(Class::Failed, format!("cannot attach to {hook}"), "no program is loaded for it")
    })
}
