//! The interfaces that programs of others are on: what becomes of them, and what their drivers count.

use super::reading;
use crate::commands::xdp::list::Place;
use crate::failure::{Failure, Outcome};
use crate::hooks::target::cannot_enter;
use nix::errno::Errno;
use plumb_kernel::netdev::Inside;
use plumb_kernel::probes::xdp::{Mode, Query};

/// What has become of a program at its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Now {
    /// It is there.
    #[default]
    Attached,
    /// It is there, in another mode.
    Moded(Option<Mode>),
    /// Another program has its place.
    Replaced(u32),
    /// Nothing is attached.
    Detached,
    /// The interface is deleted, or in another namespace.
    Gone,
}

impl Now {
    /// Whether packets still come to it there.
    pub fn counts(self) -> bool {
        matches!(self, Self::Attached | Self::Moded(_))
    }
}

/// An interface that a program is counted on, and ways to ask about it.
pub struct Spot {
    pub place: Place,
    /// Cookie of the interface's namespace.
    pub cookie: u64,
    /// What was last found, and told.
    pub now: Now,
    inside: Inside,
    query: Query,
    /// The driver's counters have been this program's alone, so far.
    alone: bool,
}

impl Spot {
    /// Needs the privileges to enter its namespace, and none later.
    pub fn of(place: Place) -> Outcome<Self> {
        let open = || Ok((Inside::here()?, Query::here()?));
        let (inside, query) = place.netns.within(open)?.and_then(|opened| opened).map_err(cannot_enter)?;
        let cookie = place.netns.cookie().ok_or_else(|| {
            Failure::failed(format!("the network namespace of {} went away", place.interface.name))
        })?;
        Ok(Self { place, cookie, now: Now::Attached, inside, query, alone: true })
    }

    /// What has become of it by now; `None` where the kernel does not tell at this moment.
    pub fn look(&self) -> Option<Now> {
        match self.query.attached(self.place.interface.index) {
            Ok(found) => Some(now(&found, (self.place.mode, self.place.program))),
            Err(error) => (error.raw_os_error() == Some(Errno::ENODEV as i32)).then_some(Now::Gone),
        }
    }

    /// What the driver counts of programs in native mode; unknown from the moment on at which the program is not alone
    /// there any more, because the driver does not tell programs apart.
    pub fn driver_counts(&mut self) -> (Option<u64>, Option<u64>) {
        let native = self.place.mode == Some(Mode::Native) && self.alone;
        let name = native.then(|| self.inside.name(self.place.interface.index)).flatten();
        let counters = name.and_then(|name| self.inside.counters(&name));
        // Asked afterwards: what was counted before that is the program's.
        self.alone &= self.look() == Some(Now::Attached);
        let counters = counters.filter(|_| self.alone);
        counters.map_or((None, None), |counters| reading::driver_counts(&counters))
    }
}

/// What a program's place is to it, given what was found there.
fn now(found: &[(Option<Mode>, u32)], (mode, program): (Option<Mode>, u32)) -> Now {
    if found.contains(&(mode, program)) {
        return Now::Attached;
    }
    let elsewhere = found.iter().find(|(_, id)| *id == program);
    match (elsewhere, found.first()) {
        (Some((mode, _)), _) => Now::Moded(*mode),
        (None, Some((_, other))) => Now::Replaced(*other),
        (None, None) => Now::Detached,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_change_hands() {
        let ours = (Some(Mode::Native), 7);
        assert_eq!(now(&[ours], ours), Now::Attached);
        assert_eq!(now(&[(None, 9), ours], ours), Now::Attached);
        assert_eq!(now(&[(Some(Mode::Generic), 7)], ours), Now::Moded(Some(Mode::Generic)));
        assert_eq!(now(&[(Some(Mode::Native), 8)], ours), Now::Replaced(8));
        assert_eq!(now(&[], ours), Now::Detached);
        assert!(now(&[(Some(Mode::Generic), 7)], ours).counts() && !Now::Gone.counts());
    }
}
