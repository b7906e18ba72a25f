//! XDP: what is attached to an interface already, and in which mode we get in.

use super::Whereabouts;
use super::query::Query;
use crate::error::{Class, Error};
use crate::{links, support, sys};
use libbpf_rs::query::{LinkInfo, LinkTypeInfo};
use libbpf_rs::{Program, Xdp, XdpFlags};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Where in the receive path a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the driver, before the packet has a kernel buffer.
    Native,
    /// In the stack, on packets that have one already.
    Generic,
}

impl Mode {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }

    /// `XDP_FLAGS_*_MODE`.
    pub(crate) const fn flags(self) -> XdpFlags {
        match self {
            Self::Native => XdpFlags::DRV_MODE,
            Self::Generic => XdpFlags::SKB_MODE,
        }
    }
}

/// A program that somebody else has attached to an interface.
#[derive(Debug)]
pub struct Occupant {
    /// The kernel's id of it.
    pub id: u32,
    /// Its name; `None` where we may not look.
    pub name: Option<String>,
    /// Its mode; `None` where it is offloaded to the hardware.
    pub mode: Option<Mode>,
    pub(crate) program: Result<OwnedFd, String>,
}

impl Occupant {
    /// Run time in nanoseconds and runs of it, while the kernel's statistics are on; `None` where we may not look.
    pub fn statistics(&self) -> Option<(u64, u64)> {
        let facts = sys::program_facts(self.program.as_ref().ok()?.as_fd()).ok()?;
        Some((facts.run_time_ns, facts.runs))
    }
}

/// What is attached to an interface now.
pub fn occupant(ifindex: u32) -> Result<Option<Occupant>, Error> {
    let found = Query::here()
        .and_then(|query| query.attached(ifindex))
        .map_err(|error| failed_io("cannot ask which XDP program is attached", &error))?;
    let Some(&(mode, id)) = found.first() else { return Ok(None) };
    let program = Program::fd_from_id(id).map_err(|error| error.to_string());
    let name = program.as_ref().ok().and_then(|program| sys::program_facts(program.as_fd()).ok());
    Ok(Some(Occupant { id, name: name.map(|facts| facts.name), mode, program }))
}

/// What an interface can do with XDP at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Its driver takes native programs.
    pub native: bool,
    /// It sends frames that a program redirects to it, which a veth does where its other end takes them.
    pub sends: bool,
}

/// What an interface of the calling thread's network namespace can do; `None` where the kernel does not tell (before
/// 6.3). `program` is any.
pub fn features(program: BorrowedFd<'_>, ifindex: u32) -> Option<Features> {
    // enum netdev_xdp_act of include/uapi/linux/netdev.h.
    const BASIC: u64 = 1 << 0;
    const NDO_XMIT: u64 = 1 << 2;
    if !support::has_function("xdp_set_features_flag") {
        return None;
    }
    let found = Xdp::new(program).query(i32::try_from(ifindex).ok()?, XdpFlags::NONE);
    let flags = found.ok()?.feature_flags;
    Some(Features { native: flags & BASIC != 0, sends: flags & NDO_XMIT != 0 })
}

/// A program of ours on an interface. It is attached until this is dropped, also where the process is killed.
#[derive(Debug)]
pub struct Attachment {
    link: OwnedFd,
    /// The kernel's id of our program.
    program: u32,
    /// The mode that it runs in.
    pub mode: Mode,
    /// Why it does not run in native mode, where that was tried.
    pub not_native: Option<String>,
    /// What the link held before, and what it holds now, where it is somebody else's.
    guest: Option<(OwnedFd, OwnedFd)>,
}

impl Attachment {
    /// A program in a link of ours.
    fn own(program: BorrowedFd<'_>, link: OwnedFd, mode: Mode, not_native: Option<String>) -> Self {
        Self { link, program: id_of(program), mode, not_native, guest: None }
    }

    /// A program in somebody else's link, in the place of `theirs`.
    pub(crate) fn guest(
        program: BorrowedFd<'_>,
        link: OwnedFd,
        mode: Mode,
        theirs: OwnedFd,
    ) -> io::Result<Self> {
        let guest = Some((theirs, program.try_clone_to_owned()?));
        Ok(Self { link, program: id_of(program), mode, not_native: None, guest })
    }

    /// Where it is now.
    pub fn whereabouts(&self) -> Whereabouts {
        match LinkInfo::from_fd(self.link.as_fd()) {
            Ok(LinkInfo { info: LinkTypeInfo::Xdp(xdp), .. }) if xdp.ifindex == 0 => Whereabouts::Detached,
            Ok(info) if info.prog_id != self.program => Whereabouts::Replaced(info.prog_id),
            Ok(_) => Whereabouts::Attached,
            Err(_) => Whereabouts::Detached,
        }
    }
}

impl Drop for Attachment {
    /// Others may hold the link too, so that closing it is not enough. An error means that ours is not in it any more.
    fn drop(&mut self) {
        let _ = match &self.guest {
            Some((theirs, ours)) => links::exchange(self.link.as_fd(), ours.as_fd(), theirs.as_fd()),
            None => links::detach(self.link.as_fd()),
        };
    }
}

fn id_of(program: BorrowedFd<'_>) -> u32 {
    sys::program_facts(program).map_or(0, |facts| facts.id)
}

/// Attaches to an interface where nothing is attached; `wanted: None` takes native mode where that works.
pub fn attach(program: BorrowedFd<'_>, ifindex: u32, wanted: Option<Mode>) -> Result<Attachment, Error> {
    let (mode, not_native, link) = match wanted {
        Some(mode) => (mode, None, links::attach_xdp(program, ifindex, mode.flags().bits())),
        None => match links::attach_xdp(program, ifindex, Mode::Native.flags().bits()) {
            Err(error) if is_of_the_driver(&error) => {
                let link = links::attach_xdp(program, ifindex, Mode::Generic.flags().bits());
                (Mode::Generic, Some(why_not_native(&error)), link)
            }
            link => (Mode::Native, None, link),
        },
    };
    let link = link.map_err(|error| refused(ifindex, mode, &error))?;
    Ok(Attachment::own(program, link, mode, not_native))
}

pub(crate) fn failed_io(what: &str, error: &io::Error) -> Error {
    let class = if error.raw_os_error() == Some(libc::EPERM) { Class::Privileges } else { Class::Failed };
    Error::new(class, what, error)
}

/// Whether another mode may work.
fn is_of_the_driver(error: &io::Error) -> bool {
    let others = [libc::EPERM, libc::EACCES, libc::ENODEV, libc::EBUSY, libc::EEXIST, libc::ENOMEM];
    error.raw_os_error().is_none_or(|errno| !others.contains(&errno))
}

fn why_not_native(error: &io::Error) -> String {
    /// The kernel's own ENOTSUPP, which is no error of the C library's (include/linux/errno.h).
    const ENOTSUPP: i32 = 524;
    match error.raw_os_error() {
        Some(libc::EOPNOTSUPP | ENOTSUPP) => "its driver has no native XDP".to_owned(),
        Some(libc::ERANGE) => "its MTU, or that of its peer, is too large for native XDP".to_owned(),
        Some(libc::EINVAL | libc::ENOSPC | libc::ENOMEM) => {
            format!("its driver refuses native XDP as it is set up: {error}")
        }
        _ => format!("its driver refuses native XDP: {error}"),
    }
}

/// Why the kernel does not let us attach, and what would help.
fn refused(ifindex: u32, mode: Mode, error: &io::Error) -> Error {
    let what = format!("cannot attach to the interface in {} mode", mode.name());
    let (class, why, help) = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            (Class::Privileges, error.to_string(), "run as root, or grant CAP_NET_ADMIN and CAP_BPF")
        }
        Some(libc::ENODEV) => (Class::Arguments, format!("there is no interface with index {ifindex}"), ""),
        Some(libc::EBUSY | libc::EEXIST) => (
            Class::Failed,
            "another XDP program was attached to it meanwhile".to_owned(),
            "--replace swaps it",
        ),
        _ if mode == Mode::Native => {
            (Class::Unsupported, why_not_native(error), "--mode generic works on every interface")
        }
        _ => (Class::Failed, error.to_string(), ""),
    };
    Error::new(class, what, why).help(help)
}
