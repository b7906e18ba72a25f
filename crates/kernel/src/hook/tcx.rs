//! TC programs in links (TCX, since 6.6): beside any others, and gone with the process.

use super::xdp::failed_io;
use super::{Direction, Whereabouts};
use crate::error::{Class, Error};
use crate::{links, sys};
use libbpf_rs::libbpf_sys;
use libbpf_rs::query::{LinkInfo, LinkTypeInfo};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A program of ours in a TCX link; dropping it detaches.
#[derive(Debug)]
pub struct Tcx {
    link: OwnedFd,
}

/// Whether this kernel has TCX, asked with a loaded TC program. An error says why that cannot be told.
pub fn known(program: BorrowedFd<'_>) -> Result<bool, Error> {
    match sys::tcx_is_known(program) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        Err(error) => Err(failed_io("cannot attach to TC", &error)),
    }
}

/// Attaches before all other programs of that direction, so that what they drop or redirect is seen.
pub fn attach(program: BorrowedFd<'_>, ifindex: u32, direction: Direction) -> Result<Tcx, Error> {
    let kind = match direction {
        Direction::Ingress => libbpf_sys::BPF_TCX_INGRESS,
        Direction::Egress => libbpf_sys::BPF_TCX_EGRESS,
    };
    match links::attach_to_interface(program, ifindex, kind, libbpf_sys::BPF_F_BEFORE) {
        Ok(link) => Ok(Tcx { link }),
        Err(error) => Err(refused(ifindex, direction, &error)),
    }
}

fn refused(ifindex: u32, direction: Direction, error: &std::io::Error) -> Error {
    let what = format!("cannot attach to TC {}", direction.name());
    match error.raw_os_error() {
        Some(libc::ENODEV) => {
            Error::new(Class::Arguments, what, format!("there is no interface with index {ifindex}"))
        }
        // BPF_MPROG_MAX of include/linux/bpf_mprog.h.
        Some(libc::ERANGE) => Error::new(Class::Failed, what, "64 programs are attached there already"),
        _ => failed_io(&what, error),
    }
}

impl Tcx {
    /// Where it is now.
    pub fn whereabouts(&self) -> Whereabouts {
        match LinkInfo::from_fd(self.link.as_fd()) {
            Ok(LinkInfo { info: LinkTypeInfo::Tcx(tcx), .. }) if tcx.ifindex != 0 => Whereabouts::Attached,
            _ => Whereabouts::Detached,
        }
    }
}

impl Drop for Tcx {
    /// Closing is not enough where a child of ours holds the link too. An error means that it is detached already.
    fn drop(&mut self) {
        let _ = links::detach(self.link.as_fd());
    }
}
