//! BPF links by their descriptors: what libbpf-rs offers for its own links only, or without flags.

use libbpf_rs::libbpf_sys;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// A descriptor that the kernel has just made, or its error.
fn owned(status: i32) -> io::Result<OwnedFd> {
    if status < 0 {
        return Err(io::Error::from_raw_os_error(-status));
    }
    // SAFETY: the call that returned the number has just opened it, and nobody else knows it.
    #[allow(unsafe_code, reason = "libbpf hands out plain numbers")]
    Ok(unsafe { OwnedFd::from_raw_fd(status) })
}

/// Attaches an XDP program to an interface of the calling thread's network namespace, until the link is closed.
pub(crate) fn attach_xdp(program: BorrowedFd<'_>, ifindex: u32, flags: u32) -> io::Result<OwnedFd> {
    attach_to_interface(program, ifindex, libbpf_sys::BPF_XDP, flags)
}

/// The same of any kind of program that an interface takes by a link (`enum bpf_attach_type`), with that kind's flags.
pub(crate) fn attach_to_interface(
    program: BorrowedFd<'_>,
    ifindex: u32,
    kind: libbpf_sys::bpf_attach_type,
    flags: u32,
) -> io::Result<OwnedFd> {
    let options = libbpf_sys::bpf_link_create_opts {
        sz: size_of::<libbpf_sys::bpf_link_create_opts>() as _,
        flags,
        ..Default::default()
    };
    let ifindex = i32::try_from(ifindex).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    // SAFETY: the descriptor and the options are borrowed for the call.
    #[allow(unsafe_code, reason = "libbpf-rs gives these links no flags, and they choose mode and place")]
    let status =
        unsafe { libbpf_sys::bpf_link_create(program.as_raw_fd(), ifindex, kind, &raw const options) };
    owned(status)
}

/// Opens a link by its id: needs CAP_SYS_ADMIN.
pub(crate) fn open(id: u32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes a number and touches no memory of ours.
    #[allow(unsafe_code, reason = "libbpf-rs opens links by path only")]
    let status = unsafe { libbpf_sys::bpf_link_get_fd_by_id(id) };
    owned(status)
}

/// Puts `new` into a link that holds `old`: EPERM where it holds another one, ENOLINK where it is detached
/// (bpf_xdp_link_update in net/core/dev.c). Needs no privilege.
pub(crate) fn exchange(link: BorrowedFd<'_>, old: BorrowedFd<'_>, new: BorrowedFd<'_>) -> io::Result<()> {
    let options = libbpf_sys::bpf_link_update_opts {
        sz: size_of::<libbpf_sys::bpf_link_update_opts>() as _,
        flags: libbpf_sys::BPF_F_REPLACE,
        old_prog_fd: old.as_raw_fd() as _,
        ..Default::default()
    };
    // SAFETY: the descriptors and the options are borrowed for the call.
    #[allow(unsafe_code, reason = "libbpf-rs updates its own links only, whatever they hold")]
    let status =
        unsafe { libbpf_sys::bpf_link_update(link.as_raw_fd(), new.as_raw_fd(), &raw const options) };
    if status < 0 { Err(io::Error::from_raw_os_error(-status)) } else { Ok(()) }
}

/// Detaches a link, whoever else holds it.
pub(crate) fn detach(link: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the descriptor is borrowed for the call.
    #[allow(unsafe_code, reason = "libbpf-rs detaches its own links only")]
    let status = unsafe { libbpf_sys::bpf_link_detach(link.as_raw_fd()) };
    if status < 0 { Err(io::Error::from_raw_os_error(-status)) } else { Ok(()) }
}

/// Takes `old`, which is attached by netlink, off an interface of the calling thread's network namespace: EEXIST where
/// another program is attached.
pub(crate) fn detach_xdp(old: BorrowedFd<'_>, ifindex: u32, flags: u32) -> io::Result<()> {
    let options = libbpf_sys::bpf_xdp_attach_opts {
        sz: size_of::<libbpf_sys::bpf_xdp_attach_opts>() as _,
        old_prog_fd: old.as_raw_fd(),
        ..Default::default()
    };
    let ifindex = i32::try_from(ifindex).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    // SAFETY: the descriptor and the options are borrowed for the call.
    #[allow(unsafe_code, reason = "libbpf-rs detaches whatever is attached")]
    let status = unsafe { libbpf_sys::bpf_xdp_detach(ifindex, flags, &raw const options) };
    if status < 0 { Err(io::Error::from_raw_os_error(-status)) } else { Ok(()) }
}

/// Makes the qdisc that TC programs hang at (clsact): EEXIST where the interface has one, or one of kind ingress.
pub(crate) fn create_clsact(ifindex: i32) -> io::Result<()> {
    let mut hook = libbpf_sys::bpf_tc_hook {
        sz: size_of::<libbpf_sys::bpf_tc_hook>() as _,
        ifindex,
        attach_point: libbpf_sys::BPF_TC_INGRESS | libbpf_sys::BPF_TC_EGRESS,
        ..Default::default()
    };
    // SAFETY: the hook is borrowed for the call.
    #[allow(unsafe_code, reason = "libbpf-rs does not tell whether there was one already")]
    let status = unsafe { libbpf_sys::bpf_tc_hook_create(&raw mut hook) };
    if status < 0 { Err(io::Error::from_raw_os_error(-status)) } else { Ok(()) }
}

/// Our own copy of an inherited descriptor, which is only known by its number.
pub(crate) fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the call takes integers and touches no memory of ours; it fails where the number is no descriptor.
    #[allow(unsafe_code, reason = "a number that came through exec has no owner that could be borrowed from")]
    let status = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
    if status < 0 { Err(io::Error::last_os_error()) } else { owned(status) }
}

/// Switches the kernel's statistics of BPF programs on until the descriptor is closed: needs CAP_SYS_ADMIN.
pub(crate) fn enable_stats() -> io::Result<OwnedFd> {
    // SAFETY: the call takes a number and touches no memory of ours.
    #[allow(unsafe_code, reason = "libbpf-rs lacks it")]
    let status = unsafe { libbpf_sys::bpf_enable_stats(libbpf_sys::BPF_STATS_RUN_TIME) };
    owned(status)
}
