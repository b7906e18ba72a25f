//! Keeps a program in the kernel's XDP dispatcher, where attached programs are.
//!
//! A live run with more than one repeat adds its program to the dispatcher and removes it again (bpf_prog_change_xdp in
//! net/bpf/test_run.c), which patches kernel text and waits for all CPUs: some 25 ms a call. A program that is attached
//! somewhere is there already. Any namespace has a loopback, and one of our own disturbs nobody: it goes with us, in
//! whatever way we end.

use crate::error::{Class, Error};
use crate::links;
use nix::sched::{CloneFlags, unshare};
use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// A namespace with the program on its loopback.
#[derive(Debug)]
pub(super) struct Resident {
    // The link goes first: the program on it is not to outlive the namespace.
    _link: OwnedFd,
    _namespace: File,
}

/// Keeps `program` resident while the guard lives.
pub(super) fn keep(program: BorrowedFd<'_>) -> Result<Resident, Error> {
    // A namespace belongs to a thread: one of its own, so that ours never changes.
    let kept = std::thread::scope(|scope| scope.spawn(|| attach(program)).join());
    kept.unwrap_or_else(|_| Err(io::Error::other("the thread that does it ended early")))
        .map_err(|error| Error::new(Class::Failed, "cannot keep the traffic program resident", error))
}

fn attach(program: BorrowedFd<'_>) -> io::Result<Resident> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    let namespace = File::open("/proc/thread-self/ns/net")?;
    let loopback = nix::net::if_::if_nametoindex("lo")?;
    let link = links::attach_xdp(program, loopback, 0)?;
    Ok(Resident { _link: link, _namespace: namespace })
}
