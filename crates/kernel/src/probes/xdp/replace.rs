//! Taking the place of somebody else's program, and giving it back.
//!
//! Everything that giving back needs is opened before anything changes, and handed to another process by its
//! descriptors: an id could belong to another program by then. Each step names the program that it expects and fails
//! where another one is there.

use crate::error::{Class, Error};
use crate::hook::query::Query;
use crate::hook::xdp::{Attachment, Mode, Occupant, attach, failed_io, occupant};
use crate::session::failed;
use crate::{links, sys};
use libbpf_rs::query::{LinkInfo, LinkInfoIter, LinkTypeInfo};
use libbpf_rs::{Xdp, XdpFlags};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

/// Somebody else's program that is attached to an interface, and the links that it is in: both live as long as this.
#[derive(Debug)]
pub struct Held {
    /// The kernel's id of it.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// The mode that it is attached in.
    pub mode: Mode,
    program: OwnedFd,
    /// A link tells the index of its interface but not the namespace: these are all that fit. None where it is attached
    /// by netlink.
    links: Vec<OwnedFd>,
}

impl Occupant {
    /// Opens what taking its place and giving it back need: CAP_SYS_ADMIN. Nothing is changed.
    pub fn hold(self, ifindex: u32) -> Result<Held, Error> {
        let what = format!("cannot replace program {}", self.id);
        let Some(mode) = self.mode else {
            return Err(Error::new(Class::Unsupported, what, "it runs on the network card itself"));
        };
        let program = self.program.map_err(|why| {
            Error::new(Class::Privileges, &what, why)
                .help("opening it, to restore it later, needs CAP_SYS_ADMIN")
        })?;
        let id = self.id;
        let fits = |info: &LinkInfo| {
            info.prog_id == id && matches!(&info.info, LinkTypeInfo::Xdp(xdp) if xdp.ifindex == ifindex)
        };
        let links: io::Result<Vec<OwnedFd>> =
            LinkInfoIter::default().filter(fits).map(|info| links::open(info.id)).collect();
        let links = links.map_err(|error| failed_io(&what, &error))?;
        Ok(Held { id, name: self.name.unwrap_or_default(), mode, program, links })
    }
}

impl Held {
    /// What [`Restorer::inherit`] takes: the program, then the links.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(&self.program).chain(&self.links).map(AsFd::as_fd)
    }

    /// Whether it is attached by netlink, which takes CAP_NET_ADMIN to do again.
    pub fn by_netlink(&self) -> bool {
        self.links.is_empty()
    }

    /// Whether one of the links holds it, on an interface.
    pub fn in_its_link(&self) -> bool {
        self.links.iter().any(|link| holds(link.as_fd(), self.id))
    }

    /// Closes the links: the last who holds one detaches it.
    pub fn close_links(&mut self) {
        self.links.clear();
    }

    /// Takes its place.
    pub fn displace(
        &self,
        program: BorrowedFd<'_>,
        ifindex: u32,
        wanted: Option<Mode>,
    ) -> Result<Attachment, Error> {
        let what = format!("cannot replace program {}", self.id);
        if self.by_netlink() {
            let theirs = self.program.as_fd();
            links::detach_xdp(theirs, ifindex, self.mode.flags().bits())
                .map_err(|error| failed_io(&what, &error))?;
            return attach(program, ifindex, wanted);
        }
        if wanted.is_some_and(|wanted| wanted != self.mode) {
            let mode = self.mode.name();
            let why = format!("its owner attached it by a link in {mode} mode, which cannot change");
            return Err(Error::new(Class::Arguments, what, why).help("leave --mode out"));
        }
        match self.take_link(program, ifindex)? {
            Some(link) => self.guest(program, link).map_err(|error| failed_io(&what, &error)),
            None => Err(Error::new(Class::Failed, what, "no link of it belongs to this interface")
                .help("it may have been attached anew at this moment: try again")),
        }
    }

    fn guest(&self, program: BorrowedFd<'_>, link: OwnedFd) -> io::Result<Attachment> {
        Attachment::guest(program, link, self.mode, self.program.try_clone()?)
    }

    /// Each link gets our program until the interface is the one that shows it.
    fn take_link(&self, program: BorrowedFd<'_>, ifindex: u32) -> Result<Option<OwnedFd>, Error> {
        let what = format!("cannot replace program {} in its link", self.id);
        let failed = |error: io::Error| failed_io(&what, &error);
        let ours = sys::program_facts(program).map_err(failed)?.id;
        let theirs = self.program.as_fd();
        for link in &self.links {
            if links::exchange(link.as_fd(), theirs, program).is_err() {
                // Its owner has detached it, or put another program in.
                continue;
            }
            match occupant(ifindex) {
                Ok(Some(now)) if now.id == ours => return link.try_clone().map(Some).map_err(failed),
                _ => links::exchange(link.as_fd(), program, theirs).map_err(failed)?,
            }
        }
        Ok(None)
    }
}

fn holds(link: BorrowedFd<'_>, program: u32) -> bool {
    LinkInfo::from_fd(link).is_ok_and(|link| {
        link.prog_id == program && matches!(&link.info, LinkTypeInfo::Xdp(xdp) if xdp.ifindex != 0)
    })
}

/// Putting a program back: what that takes, in a process that outlives the one that took its place.
#[derive(Debug)]
pub struct Restorer {
    theirs: OwnedFd,
    ours: OwnedFd,
    links: Vec<OwnedFd>,
    by_netlink: bool,
    ifindex: u32,
    mode: Mode,
    id: u32,
    name: String,
}

/// What is attached where a program was to be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// That program again.
    Restored,
    /// Ours still: it goes when the process that attached it is gone.
    Ours,
    /// A program that somebody else has attached meanwhile, which is left alone.
    Other(u32),
    /// Nothing: it was in a link, and the link's owner is gone or has detached it.
    Nothing,
    /// There is no such interface in this network namespace.
    NoInterface,
}

impl Restorer {
    /// From inherited descriptors: our program, theirs, and the links that theirs was in, none where it was attached by
    /// netlink. The numbers themselves stay open.
    pub fn inherit(
        ours: RawFd,
        theirs: RawFd,
        links: &[RawFd],
        ifindex: u32,
        mode: Mode,
    ) -> Result<Self, Error> {
        let open = || -> io::Result<Self> {
            let (theirs, ours) = (links::inherited(theirs)?, links::inherited(ours)?);
            let links = links.iter().map(|link| links::inherited(*link)).collect::<io::Result<Vec<_>>>()?;
            let facts = sys::program_facts(theirs.as_fd())?;
            let by_netlink = links.is_empty();
            Ok(Self { theirs, ours, links, by_netlink, ifindex, mode, id: facts.id, name: facts.name })
        };
        open().map_err(|error| failed_io("cannot hold the XDP program to restore it", &error))
    }

    /// The kernel's id of the program, and its name.
    pub fn program(&self) -> (u32, &str) {
        (self.id, &self.name)
    }

    /// Puts the program back in the place of ours, and looks whether it is there: in the interface's network namespace,
    /// and by netlink with CAP_NET_ADMIN. A link is closed, so that it goes where nobody else holds it.
    pub fn restore(&mut self) -> Result<Standing, Error> {
        let mut in_its_link = false;
        for link in self.links.drain(..) {
            // An error means that it does not hold ours, and who has put yet another one in meant that one to stay.
            let _ = links::exchange(link.as_fd(), self.ours.as_fd(), self.theirs.as_fd());
            in_its_link |= holds(link.as_fd(), self.id);
        }
        match self.standing()? {
            Standing::Nothing if self.by_netlink => {
                let flags = self.mode.flags() | XdpFlags::UPDATE_IF_NOEXIST;
                let index = i32::try_from(self.ifindex).unwrap_or(i32::MAX);
                let attached = Xdp::new(self.theirs.as_fd()).attach(index, flags);
                match self.standing()? {
                    // Nobody else has attached one in this moment.
                    Standing::Nothing => attached
                        .map(|()| Standing::Nothing)
                        .map_err(|error| failed("the kernel refuses to attach it".into(), &error)),
                    standing => Ok(standing),
                }
            }
            // In another namespace, where its link is all that can be seen of it.
            Standing::NoInterface if in_its_link => Ok(Standing::Restored),
            standing => Ok(standing),
        }
    }

    fn standing(&self) -> Result<Standing, Error> {
        let found = match Query::here().and_then(|query| query.attached(self.ifindex)) {
            Ok(found) => found,
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Ok(Standing::NoInterface),
            Err(error) => return Err(failed_io("cannot ask which XDP program is attached", &error)),
        };
        let ours = sys::program_facts(self.ours.as_fd()).map(|facts| facts.id).unwrap_or_default();
        Ok(match found.first() {
            None => Standing::Nothing,
            Some((_, id)) if *id == self.id => Standing::Restored,
            Some((_, id)) if *id == ours => Standing::Ours,
            Some((_, id)) => Standing::Other(*id),
        })
    }
}
