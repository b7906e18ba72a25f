//! The few system calls that libbpf-rs lacks.

use libbpf_rs::libbpf_sys;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd};

/// What the kernel tells of a loaded program.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProgramFacts {
    /// The kernel's id of it.
    pub(crate) id: u32,
    /// Its name, cut at 15 bytes.
    pub(crate) name: String,
    /// Bytes of machine code; 0 where it is interpreted or hidden.
    pub(crate) jited_bytes: u32,
    /// Bytes of verified BPF instructions.
    pub(crate) bpf_bytes: u32,
    /// Run time; counts only while the kernel's BPF statistics are on.
    pub(crate) run_time_ns: u64,
    /// Runs that were counted; likewise.
    pub(crate) runs: u64,
    /// Runs that the kernel skipped because the program was running on that CPU already.
    pub(crate) recursion_misses: u64,
}

/// Asks the kernel about a program, by a descriptor that this process holds: needs no capability.
pub(crate) fn program_facts(program: BorrowedFd<'_>) -> io::Result<ProgramFacts> {
    let mut info = libbpf_sys::bpf_prog_info::default();
    let mut length = size_of::<libbpf_sys::bpf_prog_info>() as u32;
    // SAFETY: info and length are valid for writes of the size that length holds, for the whole call.
    #[allow(unsafe_code, reason = "libbpf-rs asks by iterating over all ids, which needs CAP_SYS_ADMIN")]
    let status =
        unsafe { libbpf_sys::bpf_prog_get_info_by_fd(program.as_raw_fd(), &raw mut info, &raw mut length) };
    if status < 0 {
        return Err(io::Error::from_raw_os_error(-status));
    }
    let name: Vec<u8> = info.name.iter().map(|byte| *byte as u8).take_while(|byte| *byte != 0).collect();
    Ok(ProgramFacts {
        id: info.id,
        name: String::from_utf8_lossy(&name).into_owned(),
        jited_bytes: info.jited_prog_len,
        bpf_bytes: info.xlated_prog_len,
        run_time_ns: info.run_time_ns,
        runs: info.run_cnt,
        recursion_misses: info.recursion_misses,
    })
}

/// The cookie of the network namespace that a socket is of: SO_NETNS_COOKIE (5.14).
pub(crate) fn netns_cookie(socket: BorrowedFd<'_>) -> io::Result<u64> {
    // include/uapi/asm-generic/socket.h
    const SO_NETNS_COOKIE: libc::c_int = 71;
    let (mut cookie, mut length) = (0_u64, size_of::<u64>() as libc::socklen_t);
    // SAFETY: cookie and length are valid for writes of the size that length holds, for the whole call.
    #[allow(unsafe_code, reason = "nix does not know this option")]
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(cookie) }
}

/// Returns when every CPU has passed a quiescent state, so that no BPF program that ran at the call still runs.
///
/// MEMBARRIER_CMD_GLOBAL is `synchronize_rcu` (kernel/sched/membarrier.c). Where it is refused (nohz_full) the last
/// packets of programs that are running right now may be missing, and the ledger's balance shows it.
pub(crate) fn wait_for_programs() {
    const MEMBARRIER_CMD_GLOBAL: libc::c_int = 1;
    // SAFETY: membarrier takes three integers and touches no memory of ours.
    #[allow(unsafe_code, reason = "libc has no wrapper")]
    let _ = unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) };
}

/// Whether this kernel knows TCX, asked with a loaded TC program: a link to an interface that cannot exist is refused
/// with ENODEV where it does, and with EINVAL where it does not (link_create in kernel/bpf/syscall.c).
pub(crate) fn tcx_is_known(program: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the descriptor is borrowed for the call, and a null options pointer is allowed.
    #[allow(unsafe_code, reason = "libbpf-rs links only to interfaces that exist")]
    let status = unsafe {
        libbpf_sys::bpf_link_create(
            program.as_raw_fd(),
            i32::MAX,
            libbpf_sys::BPF_TCX_INGRESS,
            std::ptr::null(),
        )
    };
    match status {
        status if status == -libc::ENODEV => Ok(()),
        status => Err(io::Error::from_raw_os_error(-status)),
    }
}

/// Runs an XDP program `times` times on copies of `frame`, in batches of `batch` (at most 256), and carries its verdicts
/// out. An interruption by a signal is an error (EINTR) after some of the runs.
pub(crate) fn run_live(program: BorrowedFd<'_>, frame: &[u8], times: u32, batch: u32) -> io::Result<()> {
    /// `BPF_F_TEST_XDP_LIVE_FRAMES` of include/uapi/linux/bpf.h.
    const LIVE_FRAMES: u32 = 1 << 1;
    // The kernel takes the frame's length from the context: data and data_end are offsets there.
    let context = libbpf_sys::xdp_md { data_end: frame.len() as u32, ..Default::default() };
    let mut options = libbpf_sys::bpf_test_run_opts {
        sz: size_of::<libbpf_sys::bpf_test_run_opts>() as _,
        data_in: frame.as_ptr().cast(),
        data_size_in: frame.len() as u32,
        ctx_in: (&raw const context).cast(),
        ctx_size_in: size_of::<libbpf_sys::xdp_md>() as u32,
        repeat: i32::try_from(times).unwrap_or(i32::MAX),
        flags: LIVE_FRAMES,
        batch_size: batch,
        ..Default::default()
    };
    // SAFETY: the options point to the frame and to the context, which live until the call returns and are only read;
    // there are no output buffers, which live frames do not have.
    #[allow(unsafe_code, reason = "libbpf-rs sets no batch size")]
    let status = unsafe { libbpf_sys::bpf_prog_test_run_opts(program.as_raw_fd(), &raw mut options) };
    if status < 0 { Err(io::Error::from_raw_os_error(-status)) } else { Ok(()) }
}

/// Frames of one [`send_frames`].
pub(crate) const FRAMES: usize = 64;

/// Sends frames by a packet socket that is bound to its interface; at most [`FRAMES`] of them. How many it took: an error
/// is that of the first.
pub(crate) fn send_frames(socket: BorrowedFd<'_>, frames: &[IoSlice<'_>]) -> io::Result<usize> {
    let message = |frame: &IoSlice<'_>| {
        // SAFETY: all zeros is a value of this struct: integers, and pointers that may be null.
        #[allow(unsafe_code, reason = "the struct has private padding on some targets")]
        let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
        // IoSlice has the layout of iovec, and the kernel only reads what a message that is sent points to.
        message.msg_hdr.msg_iov = std::ptr::from_ref(frame).cast_mut().cast();
        message.msg_hdr.msg_iovlen = 1;
        message
    };
    let mut messages: Vec<libc::mmsghdr> = frames.iter().take(FRAMES).map(message).collect();
    // SAFETY: each message points to an IoSlice, which outlives the call with the bytes that it borrows; there are no
    // addresses and no control messages.
    #[allow(unsafe_code, reason = "nix's wrapper does not tell how many were sent")]
    let sent = unsafe {
        libc::sendmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), messages.len() as libc::c_uint, 0)
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}
