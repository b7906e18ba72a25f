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
    for target in &targets.all {
        let index = target.index;
        let occupant = inside(targets, || xdp::occupant(index))?;
        if let Some(occupant) = occupant.as_ref().filter(|_| !asked.replace) {
            return Err(occupied(target, occupant));
        }
        occupants.push(occupant);
    }
    for (number, occupant) in occupants.into_iter().enumerate() {
        let attachment = match occupant {
            Some(occupant) => {
                let next = replace(targets, number, programs[number].program(), asked.mode, occupant);
                let (taking, attachment) =
                    next.map_err(|failure| failure.about(&targets.all[number].name))?;
                restoring.push(taking);
                attachment
            }
            None => {
                changes(&targets.all[number], asked.mode).iter().for_each(note);
                let (index, program) = (targets.all[number].index, programs[number].program());
                inside(targets, || xdp::attach(program, index, asked.mode))
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
    wanted: Option<Mode>,
    occupant: Occupant,
) -> Outcome<(Restoring, Attachment)> {
    let target = &targets.all[number];
    let held = occupant.hold(target.index)?;
    let mut restoring = Restoring::prepare(targets, number, program, held)?;
    // In a link nothing but the program changes.
    if restoring.held.by_netlink() {
        changes(target, wanted).iter().for_each(note);
    }
    // An error lets the process restore what has given way by then.
    let attachment = inside(targets, || restoring.held.displace(program, target.index, wanted))?;
    restoring.told = true;
    let (id, name) = (restoring.held.id, &restoring.held.name);
    note(format_args!(
        "{}: took the place of program {id} {name}, which is restored at the end",
        target.name
    ));
    Ok((restoring, attachment))
}

fn inside<T: Send>(targets: &Targets, work: impl FnOnce() -> Result<T, Error> + Send) -> Outcome<T> {
    Ok(targets.netns.within(work)?.map_err(cannot_enter)??)
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
