//! Kernels that hide PID 1 from tracing programs.

use plumb_records::enrich::btf::Btf;

/// What such a kernel does.
pub const SKIPS_INIT: &str =
    "this kernel skips tracing programs, and does not count it, in whatever interrupts a thread of PID 1";

/// Whether the kernel with these types does it. No kernel of kernel.org does; builds for sandboxes mark the programs of
/// PID 1 as `init_owned` and keep all others from running where `current->tgid` is 1. A softirq that interrupts PID 1
/// counts as its own, with every packet that it drops.
pub fn skips_init(types: &Btf<'_>) -> bool {
    types.has_member("bpf_prog_aux", "init_owned").unwrap_or(false)
}
