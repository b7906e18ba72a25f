//! Where sending threads run.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// Keeps the calling thread on a CPU of its own, where there are as many.
///
/// The receiving end of a veth polls on the CPU that woke it. A sender that moves away leaves it there, behind whatever
/// runs there, while its queue fills up (napi_schedule does nothing where it is scheduled already).
pub(super) fn stay(number: u32) {
    let own = Pid::from_raw(0);
    let Ok(allowed) = sched_getaffinity(own) else { return };
    let cpus: Vec<usize> = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)).collect();
    // From the last one on: the first is where interrupts mostly are.
    if let Some(cpu) = cpus.iter().rev().cycle().nth(number as usize) {
        let mut one = CpuSet::new();
        // Where the kernel refuses, frames go out all the same.
        let _ = one.set(*cpu).and_then(|()| sched_setaffinity(own, &one));
    }
}
