//! Files of this host that enrichment parses: opened here, so that the crates that parse them do no I/O.

use crate::error::{Class, Error};
use crate::sys;
use libbpf_rs::btf::Btf;
use libbpf_rs::btf::types::{Func, Typedef};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::time::{ClockId, clock_gettime};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;

/// Who this host is.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Kernel release, as `uname -r`.
    pub kernel: String,
    /// Random id of this boot.
    pub boot_id: String,
}

/// Reads who this host is; what cannot be read is empty.
pub fn host() -> Host {
    let line = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    Host {
        name: line("/proc/sys/kernel/hostname"),
        kernel: line("/proc/sys/kernel/osrelease"),
        boot_id: line("/proc/sys/kernel/random/boot_id"),
    }
}

/// What to add to CLOCK_MONOTONIC to get nanoseconds since the Unix epoch: of several tries the one whose two
/// monotonic readings lie closest together, which bounds its error.
pub fn clock_offset_ns() -> i64 {
    offset_of(ClockId::CLOCK_MONOTONIC)
}

/// The same for CLOCK_BOOTTIME, which goes on while the machine is suspended.
pub fn boot_offset_ns() -> i64 {
    offset_of(ClockId::CLOCK_BOOTTIME)
}

fn offset_of(clock: ClockId) -> i64 {
    let now = |clock| clock_gettime(clock).map_or(0, |time| time.tv_sec() * 1_000_000_000 + time.tv_nsec());
    let tries = (0..8).map(|_| {
        let (before, real, after) = (now(clock), now(ClockId::CLOCK_REALTIME), now(clock));
        (after - before, real - (before + (after - before) / 2))
    });
    tries.min().map_or(0, |(_, offset)| offset)
}

/// CLOCK_MONOTONIC now, in nanoseconds: the clock of events.
pub fn monotonic_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |time| time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
}

/// The kernel's symbols as text; addresses are zeros where `kptr_restrict` hides them from this process.
pub fn kallsyms() -> io::Result<File> {
    File::open("/proc/kallsyms")
}

/// The kernel's own BTF.
pub fn btf() -> Result<Vec<u8>, Error> {
    let path = "/sys/kernel/btf/vmlinux";
    fs::read(path).map_err(|error| {
        Error::new(Class::Unsupported, "cannot read the kernel's types", format!("{path}: {error}"))
            .help("a kernel built with CONFIG_DEBUG_INFO_BTF is needed")
    })
}

/// Whether this kernel has a function of that name that programs may call (a kfunc).
pub(crate) fn has_function(name: &'static str) -> bool {
    functions(std::iter::once(name)).is_ok_and(|there| !there.is_empty())
}

/// Those of the named functions that this kernel has, by its BTF.
pub(crate) fn functions(names: impl Iterator<Item = &'static str>) -> Result<Vec<&'static str>, Error> {
    let types = types()?;
    Ok(names.filter(|name| types.type_by_name::<Func<'_>>(name).is_some()).collect())
}

/// Those of the named tracepoints that this kernel has: BTF holds a type `btf_trace_NAME` for each
/// (include/trace/bpf_probe.h).
pub(crate) fn tracepoints(names: impl Iterator<Item = &'static str>) -> Result<Vec<&'static str>, Error> {
    let types = types()?;
    let there = |name: &&str| types.type_by_name::<Typedef<'_>>(&format!("btf_trace_{name}")).is_some();
    Ok(names.filter(there).collect())
}

fn types() -> Result<Btf<'static>, Error> {
    Btf::from_vmlinux().map_err(|error| {
        Error::new(Class::Unsupported, "cannot read the kernel's types", error)
            .help("a kernel built with CONFIG_DEBUG_INFO_BTF is needed")
    })
}

/// The BTF of each loaded module that `wanted` accepts, by name; modules that go meanwhile are left out.
pub fn module_btf(wanted: impl Fn(&str) -> bool) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir("/sys/kernel/btf").into_iter().flatten().flatten();
    let modules = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok().filter(|name| name != "vmlinux" && wanted(name))?;
        Some((name, fs::read(entry.path()).ok()?))
    });
    modules.collect()
}

/// Cookie of the network namespace that the calling thread is in: unlike its inode unique for the boot.
pub fn netns_cookie() -> io::Result<u64> {
    // Of every kernel's families this one needs no privilege and no module.
    let socket = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    sys::netns_cookie(socket.as_fd())
}
