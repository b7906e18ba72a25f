//! Observing the packets of interfaces: which hook serves each of them, what attaching changes, and what has become of it.

pub mod changes;
mod filters;
pub mod target;
pub mod view;

pub use filters::{TC_FILTERS, keep};

use crate::args::hooks::{Attaching, Direction as DirectionWord, Hook as HookWord};
use crate::args::xdp::Mode as ModeWord;
use crate::failure::{Exit, Failure, Outcome};
use crate::text::note;
use changes::{changes, occupied};
use filters::Filtered;
use plumb_kernel::Error;
use plumb_kernel::hook::xdp::{self, Attachment, Mode};
use plumb_kernel::hook::{self, Direction, Hooks, Programs, Tcx, Whereabouts, tcx};
use plumb_kernel::support;
use std::os::fd::BorrowedFd;
use target::{Target, Targets};

/// Which hooks are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    hook: HookWord,
    mode: Option<Mode>,
    /// As given; `None` leaves the choice to the hook.
    direction: Option<DirectionWord>,
}

/// What holds the programs on one interface.
enum Held {
    Xdp(Attachment),
    Tcx(Vec<(Direction, Tcx)>),
    Clsact(Filtered),
}

/// Interfaces with our programs. Dropping it detaches.
pub struct Hooked {
    pub targets: Targets,
    held: Vec<Held>,
}

impl Wanted {
    /// Refuses what contradicts itself.
    pub fn of(words: &Attaching) -> Outcome<Self> {
        if words.mode.is_some() && words.hook != HookWord::Xdp {
            return Err(Failure::arguments("--mode is about XDP").help("add --hook xdp"));
        }
        let egress = words.direction.is_some_and(|direction| direction != DirectionWord::Ingress);
        if words.hook == HookWord::Xdp && egress {
            return Err(Failure::arguments("XDP sees incoming packets only").help("use --hook tc"));
        }
        let mode = match words.mode {
            None | Some(ModeWord::Auto) => None,
            Some(ModeWord::Native) => Some(Mode::Native),
            Some(ModeWord::Generic) => Some(Mode::Generic),
        };
        Ok(Self { hook: words.hook, mode, direction: words.direction })
    }

    /// What programs are needed for. XDP serves in TC's place only on kernels without TCX, whose TC may be missing.
    pub fn hooks(&self) -> Hooks {
        if self.hook == HookWord::Xdp {
            return Hooks::XDP;
        }
        let to = |direction| self.directions().contains(&direction);
        let xdp = self.may_fall_back() && !support::has_tcx();
        Hooks { xdp, ingress: to(Direction::Ingress), egress: to(Direction::Egress) }
    }

    /// What TC programs are to see.
    fn directions(&self) -> &'static [Direction] {
        self.direction.unwrap_or(DirectionWord::Both).each()
    }

    /// Attaches to every interface; what has no Ethernet frames is refused before. Says what it changes before it does.
    pub fn attach(&self, targets: Targets, programs: Programs<'_>) -> Outcome<Hooked> {
        for target in &targets.all {
            frames(target)?;
        }
        let mut hooked = Hooked { targets, held: Vec::new() };
        for number in 0..hooked.targets.all.len() {
            let held = self.attach_one(&hooked.targets, number, programs);
            let held = held.map_err(|failure| failure.about(&hooked.targets.all[number].name))?;
            hooked.held.push(held);
        }
        Ok(hooked)
    }

    fn attach_one(&self, targets: &Targets, number: usize, programs: Programs<'_>) -> Outcome<Held> {
        if self.hook == HookWord::Xdp {
            return by_xdp(targets, number, programs, self.mode);
        }
        let refused = match by_tc(targets, number, programs, self.directions()) {
            Err(failure) if programs.xdp().is_ok() && failure.exit == Exit::Unsupported => failure,
            held => return held,
        };
        let name = &targets.all[number].name;
        let held = by_xdp(targets, number, programs, Some(Mode::Generic))?;
        note(format_args!("{name}: generic XDP, which sees incoming packets only, because {refused}"));
        Ok(held)
    }

    /// Whether XDP may serve where TC does not: not where outgoing packets were asked for by name.
    fn may_fall_back(&self) -> bool {
        self.hook == HookWord::Auto && matches!(self.direction, None | Some(DirectionWord::Ingress))
    }
}

fn frames(target: &Target) -> Outcome<()> {
    match target.kind {
        Some(kind) if !hook::has_ethernet(kind) => {
            Err(Failure::arguments(format!("{} has no Ethernet frames", target.name))
                .because(format!("its packets are of link type {kind} (ARPHRD in if_arp.h)"))
                .help("the interface below it, where it has one, can be observed"))
        }
        _ => Ok(()),
    }
}

fn by_xdp(targets: &Targets, number: usize, programs: Programs<'_>, mode: Option<Mode>) -> Outcome<Held> {
    let target = &targets.all[number];
    let index = target.index;
    if let Some(occupant) = targets.inside(|| xdp::occupant(index))? {
        return Err(occupied(target, &occupant).help("--hook tc sees packets beside it"));
    }
    let program = programs.xdp()?;
    changes(targets, number, program, mode, false)?.iter().for_each(note);
    let attachment = targets.inside(|| xdp::attach(program, index, mode))?;
    if let Some(why) = &attachment.not_native {
        note(format_args!("{}: generic mode, because {why}", target.name));
    }
    Ok(Held::Xdp(attachment))
}

fn by_tc(
    targets: &Targets,
    number: usize,
    programs: Programs<'_>,
    directions: &[Direction],
) -> Outcome<Held> {
    let index = targets.all[number].index;
    let with_program = |direction: &Direction| Ok((*direction, programs.tc(*direction)?));
    let programs = directions.iter().map(with_program).collect::<Result<Vec<_>, Error>>()?;
    let known = programs.first().map(|(_, program)| tcx::known(*program)).transpose()?;
    if known == Some(false) {
        return Filtered::attach(targets, number, &programs).map(Held::Clsact);
    }
    let attach = |(direction, program): &(Direction, BorrowedFd<'_>)| -> Result<_, Error> {
        Ok((*direction, tcx::attach(*program, index, *direction)?))
    };
    let links = targets.inside(|| programs.iter().map(attach).collect::<Result<Vec<_>, _>>())?;
    Ok(Held::Tcx(links))
}

impl Held {
    fn whereabouts(&self) -> Whereabouts {
        match self {
            Self::Xdp(attachment) => attachment.whereabouts(),
            Self::Tcx(links) => {
                let gone = links.iter().map(|(_, link)| link.whereabouts());
                gone.into_iter()
                    .find(|where_| *where_ != Whereabouts::Attached)
                    .unwrap_or(Whereabouts::Attached)
            }
            Self::Clsact(filtered) => filtered.whereabouts(),
        }
    }

    /// What serves which direction.
    fn mechanisms(&self) -> Vec<(Direction, &'static str)> {
        match self {
            Self::Xdp(attachment) => vec![(
                Direction::Ingress,
                match attachment.mode {
                    Mode::Native => "xdp native",
                    Mode::Generic => "xdp generic",
                },
            )],
            Self::Tcx(links) => links.iter().map(|(direction, _)| (*direction, "tcx")).collect(),
            Self::Clsact(filtered) => filtered.directions().map(|direction| (direction, "clsact")).collect(),
        }
    }
}

impl Hooked {
    /// `ingress/eth0` to `tcx`, `xdp native`, `xdp generic` or `clsact`.
    pub fn mechanisms(&self) -> Vec<(String, String)> {
        let each = self.targets.all.iter().zip(&self.held);
        each.flat_map(|(target, held)| {
            let one = |(direction, by): (Direction, &str)| {
                (format!("{}/{}", direction.name(), target.name), by.to_owned())
            };
            held.mechanisms().into_iter().map(one)
        })
        .collect()
    }

    /// The same for people: `eth0 (ingress and egress by tcx)`.
    pub fn title(&self) -> String {
        let each = self.targets.all.iter().zip(&self.held);
        let place = |(target, held): (&Target, &Held)| {
            let mechanisms = held.mechanisms();
            let ways: Vec<&str> = mechanisms.iter().map(|(direction, _)| direction.name()).collect();
            let by = mechanisms.first().map_or("nothing", |(_, by)| by);
            format!("{} ({} by {by})", target.name, ways.join(" and "))
        };
        each.map(place).collect::<Vec<_>>().join(", ")
    }

    /// What has gone since the last question, in words.
    pub fn look(&mut self) -> Vec<String> {
        let Self { targets, held } = self;
        targets.look(held.iter().map(|held| Some(held.whereabouts())))
    }

    /// Detaches. Programs may still run on packets that are under way until [`hook::quiesce`] returns. False where
    /// something stays, which is told.
    pub fn detach(&mut self) -> bool {
        let each = self.targets.all.iter().zip(std::mem::take(&mut self.held));
        each.fold(true, |all, (target, held)| {
            let gone = match held {
                Held::Clsact(filtered) => filtered.detach(target),
                Held::Xdp(_) | Held::Tcx(_) => true,
            };
            all && gone
        })
    }
}
