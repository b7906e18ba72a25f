//! What the machine is like that the tests run on.

use anyhow::{Result, ensure};
use plumb_kernel::support;
use plumb_records::enrich::btf::Btf;

/// Whether this machine is emulated instruction by instruction, so that packets are few and times mean nothing.
pub fn emulated() -> bool {
    std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default().contains("QEMU")
}

/// A flood's size: enough for many full rings, or what an emulated machine does in seconds.
pub fn flood_size() -> u32 {
    if emulated() { 50_000 } else { 1_000_000 }
}

/// Two CPUs at least are needed where one interrupts the other.
pub fn two_cpus() -> Result<()> {
    let cpus = std::thread::available_parallelism()?.get();
    ensure!(cpus >= 2, "this machine lets us use {cpus} CPU");
    Ok(())
}

/// Whether the kernel skips our programs in interrupts of PID 1, so that a count may be short by what those dropped.
pub fn hides_pid_1() -> Result<bool> {
    Ok(support::skips_init(&Btf::new(&support::btf()?)?))
}
