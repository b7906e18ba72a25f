//! What the machine is like that the tests run on.

use anyhow::{Result, ensure};

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
