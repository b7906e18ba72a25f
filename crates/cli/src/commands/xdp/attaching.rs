//! Before and at the attach: what is there, what it changes, and how we get in.

use super::restore::Restoring;
use super::run::Asked;
use super::target::{Target, Targets, cannot_enter};
use crate::failure::{Failure, Outcome};
use crate::text::note;
use plumb_kernel::Error;
use plumb_kernel::probes::xdp::{self, Attachment, Mode, Occupant, Xdp};
use std::os::fd::BorrowedFd;

/// Attaches the program of each interface. What can be refused is refused before the first one is attached.
pub fn attach(
    targets: &mut Targets,
    programs: &mut [Xdp<'_>],
    asked: &Asked,
    restoring: &mut Vec<Restoring>,
) -> Outcome<()> {
    let mut occupants = Vec::new();
    for (target, program) in targets.all.iter().zip(programs.iter()) {
        let (index, asking) = (target.index, program.program());
        let occupant = inside(targets, || xdp::occupant(index, asking))?;
        if let Some(occupant) = occupant.as_ref().filter(|_| !asked.replace) {
            return Err(occupied(target, occupant));
        }
        occupants.push(occupant);
    }
    for number in 0..programs.len() {
        let (target, program) = (&targets.all[number], &mut programs[number]);
        for change in changes(target, asked.mode) {
            note(change);
        }
        let (index, wanted) = (target.index, asked.mode);
        let occupant = occupants[number].take();
        let attachment = inside(targets, || enter(program.program(), index, wanted, occupant))
            .map_err(|failure| named(&targets.all[number], failure))?;
        let target = &mut targets.all[number];
        target.mode = Some(attachment.mode);
        if let Some(why) = &attachment.not_native {
            note(format_args!("{}: generic mode, because {why}", target.name));
        }
        let program_id = target.program.id;
        if let Some(displaced) = &attachment.displaced {
            restoring.push(Restoring::prepare(targets, index, program_id, displaced)?);
            note(format_args!(
                "{}: took the place of program {}, which is restored at the end",
                targets.all[number].name, displaced.program_id
            ));
        }
        program.attachment = Some(attachment);
    }
    Ok(())
}

fn enter(
    program: BorrowedFd<'_>,
    index: u32,
    wanted: Option<Mode>,
    occupant: Option<Occupant>,
) -> Result<Attachment, Error> {
    match occupant {
        Some(occupant) => xdp::replace(program, index, wanted, occupant),
        None => xdp::attach(program, index, wanted),
    }
}

fn inside<T: Send>(targets: &Targets, work: impl FnOnce() -> Result<T, Error> + Send) -> Outcome<T> {
    Ok(targets.netns.within(work)?.map_err(cannot_enter)??)
}

fn named(target: &Target, failure: Failure) -> Failure {
    failure.about(&target.name)
}

fn occupied(target: &Target, occupant: &Occupant) -> Failure {
    let name = occupant.name.as_deref().map_or_else(String::new, |name| format!(" {name}"));
    Failure::failed(format!("{} has an XDP program already", target.name))
        .because(format!("program {}{name}", occupant.id))
        .help("--replace takes its place and restores it at the end")
}

/// What attaching changes on the interface, beyond the packets, as far as its driver is known.
fn changes(target: &Target, wanted: Option<Mode>) -> Vec<String> {
    let name = &target.name;
    let native = match (wanted, target.driver.as_deref()) {
        (Some(Mode::Generic), _) | (_, None) => None,
        (_, Some("veth")) => Some(format!(
            "{name}: native XDP on veth switches TSO of its peer off while it is attached, and packets pass a NAPI queue"
        )),
        (_, Some(driver)) => Some(format!(
            "{name}: the driver {driver} may reset its queues when XDP is attached and detached, which loses packets"
        )),
    };
    let generic = (wanted == Some(Mode::Generic))
        .then(|| format!("{name}: generic XDP switches LRO and GRO by the hardware off"));
    native.into_iter().chain(generic).collect()
}
