//! Empty programs on the tracepoints of the latency probe.

use super::{Error, Link, Storage, session};
use crate::probes::latency::{attached_of, tracepoints};
use crate::support;
use libbpf_rs::skel::{OpenSkel, Skel};
use skeleton::{LatencyFloorSkel, LatencyFloorSkelBuilder};

skeleton!("latency_floor");

/// Keeps the programs attached.
pub struct Attached<'obj> {
    _links: Vec<Link>,
    _skel: Box<LatencyFloorSkel<'obj>>,
}

pub(super) fn attach(storage: &mut Storage) -> Result<Attached<'_>, Error> {
    let mut open = session::open("floor", LatencyFloorSkelBuilder::default(), storage)?;
    let there = attached_of(&support::tracepoints(tracepoints())?);
    for mut program in open.open_object_mut().progs_mut() {
        let wanted = there.contains(&tracepoint(&program.name().to_string_lossy()));
        program.set_autoload(wanted);
    }
    let skel = Box::new(session::load("floor", open)?);
    let mut links = Vec::new();
    for program in skel.object().progs_mut().filter(|program| program.autoload()) {
        links.push(session::attach(tracepoint(&program.name().to_string_lossy()), &program)?);
    }
    Ok(Attached { _links: links, _skel: skel })
}

/// Where a program of the floor belongs.
fn tracepoint(program: &str) -> &str {
    program.trim_start_matches("floor_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_floor_has_what_the_probe_has() {
        let mut storage = Storage::new();
        let open = session::open("floor", LatencyFloorSkelBuilder::default(), &mut storage).unwrap();
        let programs = open.open_object().progs();
        let names: Vec<String> =
            programs.map(|program| program.name().to_string_lossy().into_owned()).collect();
        let floor: HashSet<&str> = names.iter().map(|name| tracepoint(name)).collect();
        assert_eq!(floor, tracepoints().collect());
    }
}
