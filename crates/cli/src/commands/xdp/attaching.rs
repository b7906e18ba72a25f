//! Before and at the attach: what is there, what it changes, and how we get in.

use super::asked::Asked;
use super::restore::Restoring;
use crate::failure::Outcome;
use crate::hooks::changes::{changes, occupied};
use crate::hooks::target::Targets;
use crate::text::note;
use plumb_kernel::probes::xdp::{self, Action, Attachment, Occupant, Xdp};
use std::os::fd::BorrowedFd;

/// Attaches the program of each interface. What can be refused is refused before the first one is attached.
pub fn attach(
    targets: &mut Targets,
    programs: &mut [Xdp<'_>],
    asked: &Asked,
    restoring: &mut Vec<Restoring>,
) -> Outcome<()> {
    let mut occupants = Vec::new();
    for target in &targets.all {
        let index = target.index;
        let occupant = targets.inside(|| xdp::occupant(index))?;
        if let Some(occupant) = occupant.as_ref().filter(|_| !asked.replace) {
            let help = "--replace takes its place and restores it at the end";
            return Err(occupied(target, occupant).help(help));
        }
        occupants.push(occupant);
    }
    for (number, occupant) in occupants.into_iter().enumerate() {
        let attachment = match occupant {
            Some(occupant) => {
                let next = replace(targets, number, programs[number].program(), asked, occupant);
                let (taking, attachment) =
                    next.map_err(|failure| failure.about(&targets.all[number].name))?;
                restoring.push(taking);
                attachment
            }
            None => {
                let (index, program) = (targets.all[number].index, programs[number].program());
                told(targets, number, asked, program)?;
                targets
                    .inside(|| xdp::attach(program, index, asked.mode))
                    .map_err(|failure| failure.about(&targets.all[number].name))?
            }
        };
        let target = &mut targets.all[number];
        target.mode = Some(attachment.mode);
        if let Some(why) = &attachment.not_native {
            note(format_args!("{}: generic mode, because {why}", target.name));
        }
        programs[number].attachment = Some(attachment);
    }
    Ok(())
}

/// Takes the place of a program. Before anything changes, the process that restores it is ready.
fn replace(
    targets: &Targets,
    number: usize,
    program: BorrowedFd<'_>,
    asked: &Asked,
    occupant: Occupant,
) -> Outcome<(Restoring, Attachment)> {
    let target = &targets.all[number];
    let held = occupant.hold(target.index)?;
    let mut restoring = Restoring::prepare(targets, number, program, held)?;
    // In a link nothing but the program changes.
    if restoring.held.by_netlink() {
        told(targets, number, asked, program)?;
    }
    // An error lets the process restore what has given way by then.
    let attachment = targets.inside(|| restoring.held.displace(program, target.index, asked.mode))?;
    restoring.told = true;
    let (id, name) = (restoring.held.id, &restoring.held.name);
    note(format_args!(
        "{}: took the place of program {id} {name}, which is restored at the end",
        target.name
    ));
    Ok((restoring, attachment))
}

/// Says what attaching changes.
fn told(targets: &Targets, number: usize, asked: &Asked, program: BorrowedFd<'_>) -> Outcome<()> {
    let sends_back = asked.config.action == Action::Tx;
    changes(targets, number, program, asked.mode, sends_back)?.iter().for_each(note);
    Ok(())
}
