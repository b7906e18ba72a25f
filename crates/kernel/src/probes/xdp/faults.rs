//! What the kernel says went wrong with XDP packets, on the whole machine: by device, program and cause.

use super::config::Action;
use crate::error::Error;
use crate::session::{self, Attached, Storage};
use crate::wire::{self, xdp_fault_key, xdp_fault_kind};
use libbpf_rs::{Link, MapCore, MapFlags};
use nix::errno::Errno;
use skeleton::{FaultsSkel, FaultsSkelBuilder};
use std::collections::BTreeMap;

skeleton!("faults");

/// A kind of packet that XDP could not treat.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Cookie of the interface's network namespace.
    pub netns: u64,
    /// Index of the interface.
    pub ifindex: u32,
    /// The kernel's id of the program.
    pub program: u32,
    /// `exception`, `redirect`, or `tx` of frames that were not sent back.
    pub kind: &'static str,
    /// The verdict, or the error's name.
    pub cause: String,
}

/// The tracepoints' counters.
pub struct Faults<'obj> {
    skel: Box<FaultsSkel<'obj>>,
    links: Vec<Link>,
    mechanisms: Vec<Attached>,
}

impl<'obj> Faults<'obj> {
    /// Loads and attaches. `redirects`: also redirect errors, which only programs that redirect can have.
    pub fn attach(storage: &'obj mut Storage, redirects: bool) -> Result<Self, Error> {
        let mut open = session::open("xdp faults", FaultsSkelBuilder::default(), storage)?;
        open.progs.xdp_redirect_err.set_autoload(redirects);
        let skel = Box::new(session::load("xdp faults", open)?);
        let redirect = redirects.then_some(("xdp_redirect_err", &skel.progs.xdp_redirect_err));
        let hooks = [("xdp_exception", &skel.progs.xdp_exception)].into_iter().chain(redirect);
        let mut links = Vec::new();
        let mut mechanisms = Vec::new();
        for (hook, program) in hooks {
            links.push(session::attach(hook, program)?);
            mechanisms.push(session::attached(hook, "tp_btf", program));
        }
        Ok(Self { skel, links, mechanisms })
    }

    /// What is attached.
    pub fn mechanisms(&self) -> &[Attached] {
        &self.mechanisms
    }

    /// Packets so far, of every device and program on the machine.
    pub fn read(&self) -> BTreeMap<Fault, u64> {
        let map = &self.skel.maps.xdp_faults;
        let entry = |key: Vec<u8>| {
            let value = map.lookup(&key, MapFlags::ANY).ok()??;
            let fault = fault(wire::read(&key).ok()?);
            Some((fault, wire::read(&value).ok()?))
        };
        map.keys().filter_map(entry).collect()
    }

    /// Packets whose kind found no room in the table.
    pub fn unroomed(&self) -> u64 {
        self.skel.maps.bss_data.as_ref().map_or(0, |data| data.unroomed)
    }

    /// Detaches; returns when no program runs any more.
    pub fn detach(&mut self) {
        session::detach(&mut self.links);
    }
}

fn fault(key: xdp_fault_key) -> Fault {
    let exception = key.kind == xdp_fault_kind::XDP_FAULT_EXCEPTION.0;
    let cause = if exception {
        Action::of(key.cause).map_or_else(|| key.cause.to_string(), |action| action.name().to_owned())
    } else {
        match i32::try_from(key.cause).map(Errno::from_raw) {
            Ok(Errno::UnknownErrno) | Err(_) => key.cause.to_string(),
            Ok(errno) => format!("{errno:?}"),
        }
    };
    Fault {
        netns: key.netns,
        ifindex: key.ifindex,
        program: key.program,
        kind: if exception { "exception" } else { "redirect" },
        cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_have_names() {
        let key = |kind: xdp_fault_kind, cause| xdp_fault_key { kind: kind.0, cause, ..Default::default() };
        let named = [
            key(xdp_fault_kind::XDP_FAULT_EXCEPTION, 0),
            key(xdp_fault_kind::XDP_FAULT_EXCEPTION, 77),
            key(xdp_fault_kind::XDP_FAULT_REDIRECT, 100),
            key(xdp_fault_kind::XDP_FAULT_REDIRECT, 5000),
        ];
        let causes = named.map(|key| fault(key).cause);
        assert_eq!(causes, ["ABORTED", "77", "ENETDOWN", "5000"]);
    }
}
