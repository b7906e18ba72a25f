//! Attaching to an interface: what is there already, in which mode we get in, and how it is given back.
//!
//! Everything here asks and acts in the network namespace of the calling thread; links work from anywhere once made.

use crate::error::{Class, Error};
use crate::session::failed;
use crate::{links, sys};
use libbpf_rs::query::{LinkInfo, LinkInfoIter, LinkTypeInfo};
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
    const fn flags(self) -> XdpFlags {
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
    program: Result<OwnedFd, String>,
}

impl Occupant {
    /// Run time in nanoseconds and runs of it, while the kernel's statistics are on; `None` where we may not look.
    pub fn statistics(&self) -> Option<(u64, u64)> {
        let facts = sys::program_facts(self.program.as_ref().ok()?.as_fd()).ok()?;
        Some((facts.run_time_ns, facts.runs))
    }
}

/// What is attached to an interface now.
pub fn occupant(ifindex: u32, asking: BorrowedFd<'_>) -> Result<Option<Occupant>, Error> {
    let index = index(ifindex)?;
    let found = Xdp::new(asking)
        .query(index, XdpFlags::NONE)
        .map_err(|error| failed("cannot ask which XDP program is attached".into(), &error))?;
    let places = [
        (found.drv_prog_id, Some(Mode::Native)),
        (found.skb_prog_id, Some(Mode::Generic)),
        (found.hw_prog_id, None),
    ];
    let Some((id, mode)) = places.into_iter().find(|(id, _)| *id != 0) else { return Ok(None) };
    let program = Program::fd_from_id(id).map_err(|error| error.to_string());
    let name = program.as_ref().ok().and_then(|program| sys::program_facts(program.as_fd()).ok());
    Ok(Some(Occupant { id, name: name.map(|facts| facts.name), mode, program }))
}

/// A program of ours on an interface. It is attached until this is dropped, also where the process is killed.
#[derive(Debug)]
pub struct Attachment {
    pub(super) link: OwnedFd,
    /// The mode that it runs in.
    pub mode: Mode,
    /// Why it does not run in native mode, where that was tried.
    pub not_native: Option<String>,
    /// What was there before.
    pub displaced: Option<Displaced>,
}

impl Attachment {
    /// Index of the interface now, in whatever namespace it is; `None` where it is deleted.
    pub(super) fn ifindex(&self) -> Option<u32> {
        match LinkInfo::from_fd(self.link.as_fd()).ok()?.info {
            LinkTypeInfo::Xdp(xdp) => Some(xdp.ifindex).filter(|index| *index != 0),
            _ => None,
        }
    }
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
    Ok(Attachment { link, mode, not_native, displaced: None })
}

/// Takes the place of `occupant`, which is given back by what [`Attachment::displaced`] holds.
pub fn replace(
    program: BorrowedFd<'_>,
    ifindex: u32,
    wanted: Option<Mode>,
    occupant: Occupant,
) -> Result<Attachment, Error> {
    let what = format!("cannot replace program {}", occupant.id);
    let Some(theirs) = occupant.mode else {
        return Err(Error::new(Class::Unsupported, what, "it runs on the network card itself"));
    };
    let old = occupant.program.map_err(|why| {
        Error::new(Class::Privileges, &what, why).help("opening it, to restore it later, needs CAP_SYS_ADMIN")
    })?;
    let id = occupant.id;
    if let Some(link) = take_link(program, old.as_fd(), id, ifindex)? {
        if wanted.is_some_and(|wanted| wanted != theirs) {
            let _ = links::update(link.as_fd(), old.as_fd());
            let why =
                format!("its owner attached it by a link in {} mode, which cannot change", theirs.name());
            return Err(Error::new(Class::Arguments, what, why).help("leave --mode out"));
        }
        let link_id = LinkInfo::from_fd(link.as_fd()).map_err(|error| failed(what, &error))?.id;
        let displaced =
            Some(Displaced { program_id: id, link_id: Some(link_id), mode: theirs, _program: old });
        return Ok(Attachment { link, mode: theirs, not_native: None, displaced });
    }
    let netlink = Xdp::new(old.as_fd());
    netlink.detach(index(ifindex)?, theirs.flags()).map_err(|error| failed(what, &error))?;
    match attach(program, ifindex, wanted) {
        Ok(ours) => {
            let displaced = Some(Displaced { program_id: id, link_id: None, mode: theirs, _program: old });
            Ok(Attachment { displaced, ..ours })
        }
        Err(error) => {
            // The first error is the one to tell; what was there comes back either way.
            let _ = netlink.attach(index(ifindex)?, theirs.flags());
            Err(error)
        }
    }
}

/// Puts `program` into the link by which program `id` is attached to the interface; `None` where it is attached by
/// netlink.
///
/// A link tells the index of its interface but not the namespace. Where several links fit, each gets our program until
/// the interface is the one that shows it.
fn take_link(
    program: BorrowedFd<'_>,
    old: BorrowedFd<'_>,
    id: u32,
    ifindex: u32,
) -> Result<Option<OwnedFd>, Error> {
    let ours =
        sys::program_facts(program).map_err(|error| failed_io("cannot ask about our program", &error))?.id;
    let fits = |info: &LinkInfo| {
        info.prog_id == id && matches!(&info.info, LinkTypeInfo::Xdp(xdp) if xdp.ifindex == ifindex)
    };
    for info in LinkInfoIter::default().filter(fits) {
        let what = format!("cannot replace program {id} in its link {}", info.id);
        let link = links::open(info.id).map_err(|error| failed_io(&what, &error))?;
        links::update(link.as_fd(), program).map_err(|error| failed_io(&what, &error))?;
        if occupant(ifindex, program)?.is_some_and(|now| now.id == ours) {
            return Ok(Some(link));
        }
        links::update(link.as_fd(), old).map_err(|error| failed_io(&what, &error))?;
    }
    Ok(None)
}

/// Somebody else's program whose place we have taken. It lives as long as this does.
#[derive(Debug)]
pub struct Displaced {
    /// The kernel's id of it.
    pub program_id: u32,
    /// The link that it was in, which now holds ours; without one it was attached by netlink.
    pub link_id: Option<u32>,
    /// The mode that it was attached in.
    pub mode: Mode,
    _program: OwnedFd,
}

/// Putting a program back: what that takes, held by a process that outlives us.
#[derive(Debug)]
pub struct Restorer {
    program: OwnedFd,
    link: Option<OwnedFd>,
    mode: Mode,
}

impl Restorer {
    /// Opens the program, and the link that it was in: needs CAP_SYS_ADMIN.
    pub fn open(program_id: u32, link_id: Option<u32>, mode: Mode) -> Result<Self, Error> {
        let what = format!("cannot hold XDP program {program_id} to restore it");
        let program = Program::fd_from_id(program_id).map_err(|error| failed(what.clone(), &error))?;
        let link = link_id.map(links::open).transpose().map_err(|error| failed_io(&what, &error))?;
        Ok(Self { program, link, mode })
    }

    /// Puts the program back in the place of program `ours`. Without a link that needs CAP_NET_ADMIN and the interface's
    /// namespace. False where it has to wait until our own link is closed.
    pub fn restore(&self, ifindex: u32, ours: u32) -> Result<bool, Error> {
        let what = "cannot restore the XDP program that was replaced";
        match &self.link {
            Some(link) => {
                let now = LinkInfo::from_fd(link.as_fd()).map_err(|error| failed(what.into(), &error))?;
                // Who has put yet another one in meant that one to stay.
                if now.prog_id == ours {
                    links::update(link.as_fd(), self.program.as_fd())
                        .map_err(|error| failed_io(what, &error))?;
                }
                Ok(true)
            }
            None => match occupant(ifindex, self.program.as_fd())? {
                Some(now) if now.id == ours => Ok(false),
                // Likewise.
                Some(_) => Ok(true),
                None => {
                    let flags = self.mode.flags() | XdpFlags::UPDATE_IF_NOEXIST;
                    let restored = Xdp::new(self.program.as_fd()).attach(index(ifindex)?, flags);
                    restored.map(|()| true).map_err(|error| failed(what.into(), &error))
                }
            },
        }
    }
}

fn index(ifindex: u32) -> Result<i32, Error> {
    i32::try_from(ifindex)
        .map_err(|_| refused(ifindex, Mode::Native, &io::Error::from_raw_os_error(libc::ENODEV)))
}

fn failed_io(what: &str, error: &io::Error) -> Error {
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
