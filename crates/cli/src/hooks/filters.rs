//! TC filters, for kernels without TCX: a second process of ours attaches them, keeps CAP_NET_ADMIN so that we need not,
//! and removes them when we end, however that is.

use super::target::{Target, Targets};
use crate::args::hooks::{Direction as DirectionWord, Filters as Arguments};
use crate::failure::{Exit, Outcome};
use crate::guardian::{self, DONE, FAILED, Guardian};
use crate::privileges;
use crate::text::note;
use caps::Capability;
use plumb_kernel::Error;
use plumb_kernel::hook::clsact::{Filtering, Filters, id_of};
use plumb_kernel::hook::{Direction, Whereabouts};
use std::os::fd::BorrowedFd;

/// The hidden subcommand that attaches filters, waits and removes them.
pub const TC_FILTERS: &str = "tc-filters";

/// Filters of one interface. Dropping it removes them.
pub struct Filtered {
    guardian: Guardian,
    asking: Filtering,
    ifindex: u32,
    /// Our programs by their ids.
    programs: Vec<(Direction, u32)>,
}

impl Filtered {
    /// Attaches the programs to the interface `number`.
    pub fn attach(
        targets: &Targets,
        number: usize,
        programs: &[(Direction, BorrowedFd<'_>)],
    ) -> Outcome<Self> {
        let Target { name, index, .. } = &targets.all[number];
        let (asking, ids) = targets.inside(|| {
            let ids: Result<Vec<_>, Error> =
                programs.iter().map(|(direction, program)| Ok((*direction, id_of(*program)?))).collect();
            Ok((Filtering::here()?, ids?))
        })?;
        let directions: Vec<Direction> = programs.iter().map(|(direction, _)| *direction).collect();
        let words = [TC_FILTERS, name, &index.to_string(), DirectionWord::of(&directions).word()];
        let descriptors = programs.iter().map(|(_, program)| *program);
        let guardian = Guardian::start(&targets.netns, &words, descriptors, "removes the TC filters")?;
        Ok(Self { guardian, asking, ifindex: *index, programs: ids })
    }

    /// Which ways packets are seen.
    pub fn directions(&self) -> impl Iterator<Item = Direction> {
        self.programs.iter().map(|(direction, _)| *direction)
    }

    /// Where they are now.
    pub fn whereabouts(&self) -> Whereabouts {
        let there = |(direction, program): &(Direction, u32)| {
            self.asking.whereabouts(self.ifindex, *direction, *program) == Whereabouts::Attached
        };
        if self.programs.iter().all(there) { Whereabouts::Attached } else { Whereabouts::Detached }
    }

    /// Removes them; false where one stays, which is told.
    pub fn detach(self, target: &Target) -> bool {
        let Self { guardian, asking, ifindex, programs } = self;
        let said = guardian.end();
        match said.trim_end().split_once(' ') {
            Some((FAILED, sentence)) => note(sentence),
            Some(_) => return true,
            None if programs.iter().all(|(direction, program)| {
                asking.whereabouts(ifindex, *direction, *program) == Whereabouts::Detached
            }) =>
            {
                return true;
            }
            None => note(not_removed(&target.name, "the process that was to do it has ended before")),
        }
        false
    }
}

fn not_removed(interface: &str, why: &str) -> String {
    format!(
        "{interface}: our TC filters are not removed: {why}; `tc filter show dev {interface} ingress` shows them"
    )
}

/// The hidden subcommand.
pub fn keep(asked: &Arguments) -> Outcome<Exit> {
    let removed = |filters: Filters| match filters.remove() {
        Ok(()) => (DONE, format!("{}: our TC filters are removed", asked.interface)),
        Err(error) => (FAILED, not_removed(&asked.interface, &error.why)),
    };
    guardian::guard(|| hold(asked), removed)
}

/// Gives up what is not needed, and attaches.
fn hold(asked: &Arguments) -> Outcome<Filters> {
    privileges::drop_all_but(&[Capability::CAP_NET_ADMIN])?;
    let programs: Vec<_> =
        asked.direction.each().iter().copied().zip(asked.programs.iter().copied()).collect();
    let filters = Filters::inherit(asked.ifindex, &programs)?;
    for (_, number) in &programs {
        let _ = nix::unistd::close(*number);
    }
    Ok(filters)
}
