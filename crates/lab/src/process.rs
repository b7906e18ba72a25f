//! What another process costs, from its files in /proc.

use crate::{Error, Result};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::{Pid, SysconfVar, sysconf};
use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// CPU time of a process so far, all threads, user and system, also once it has ended and was not waited for. By the clock
/// of its scheduler, to nanoseconds; interrupts that came meanwhile are in it, unless the kernel accounts for them apart.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let time = clock_getcpuclockid(process(pid)).and_then(ClockId::now);
    time.map(Duration::from).map_err(Error::io(format!("CPU time of process {pid}")))
}

fn process(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX))
}

/// The part of a process's CPU time so far that was user time and system time. Its unit is a clock tick, usually 10 ms, and
/// the kernel divides the time by samples.
pub fn user_and_system(pid: u32) -> Result<[Duration; 2]> {
    let hertz = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100).max(1);
    let hertz = u32::try_from(hertz).unwrap_or(100);
    let ticks = stat(pid, |text| Some([field(text, 14)?, field(text, 15)?]))?;
    Ok(ticks.map(|ticks| Duration::from_secs(ticks) / hertz))
}

/// How often a process slept and was woken so far, and how often another one took its CPU; all threads that live.
pub fn switches(pid: u32) -> Result<[u64; 2]> {
    let path = format!("/proc/{pid}/task");
    let tasks = fs::read_dir(&path).map_err(Error::io(path))?;
    // A thread may be gone by now.
    let texts = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
    let count = |text: &str, name: &str| -> Option<u64> {
        text.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
    };
    Ok(texts.fold([0, 0], |[slept, taken], text| {
        [
            slept + count(&text, "voluntary_ctxt_switches:").unwrap_or(0),
            taken + count(&text, "nonvoluntary_ctxt_switches:").unwrap_or(0),
        ]
    }))
}

/// CPU time of every process that is no kernel thread, by its id. A clock tick is the unit.
pub fn all_cpu_times() -> HashMap<u32, Duration> {
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    // Kernel threads have no memory of their own: their size, field 23, is 0.
    let in_user_space = |pid: &u32| stat(*pid, |text| field(text, 23)).is_ok_and(|size| size > 0);
    let time = |pid: u32| Some((pid, user_and_system(pid).ok()?.iter().sum()));
    ids.filter(in_user_space).filter_map(time).collect()
}

/// Minor page faults of a process so far, all threads: pages that it touched for the first time.
pub fn minor_faults(pid: u32) -> Result<u64> {
    stat(pid, |text| field(text, 10))
}

fn stat<T>(pid: u32, number: impl Fn(&str) -> Option<T>) -> Result<T> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).map_err(Error::io(path.clone()))?;
    number(&text).ok_or(Error::Parse { what: path })
}

/// A field by its number in proc(5), counted behind the name, the second, which may hold anything.
fn field(stat: &str, number: usize) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

/// Resident memory of a process: now and at most, in bytes.
pub fn memory(pid: u32) -> Result<(u64, u64)> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).map_err(Error::io(path.clone()))?;
    let bytes = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    };
    bytes("VmRSS:").zip(bytes("VmHWM:")).ok_or(Error::Parse { what: path })
}

/// Runs of BPF programs, and how long they took: the kernel counts both while its BPF statistics are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgramRuns {
    /// How often they ran.
    pub runs: u64,
    /// How long that took, in nanoseconds.
    pub time_ns: u64,
}

/// Runs so far of all BPF programs that a process has a descriptor of.
pub fn program_runs(pid: u32) -> Result<ProgramRuns> {
    let path = format!("/proc/{pid}/fdinfo");
    let folder = fs::read_dir(&path).map_err(Error::io(path))?;
    // A descriptor may be closed by now.
    let texts = folder.flatten().filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let programs: HashMap<u64, ProgramRuns> = texts.filter_map(|text| program(&text)).collect();
    Ok(programs.values().fold(ProgramRuns::default(), |sum, program| ProgramRuns {
        runs: sum.runs + program.runs,
        time_ns: sum.time_ns + program.time_ns,
    }))
}

/// The program's id and runs, from the information on its descriptor.
fn program(info: &str) -> Option<(u64, ProgramRuns)> {
    let number = |name: &str| -> Option<u64> {
        info.lines().find_map(|line| line.strip_prefix(name))?.strip_prefix(':')?.trim().parse().ok()
    };
    let runs = ProgramRuns { runs: number("run_cnt")?, time_ns: number("run_time_ns")? };
    Some((number("prog_id")?, runs))
}

#[cfg(test)]
mod tests {
    use super::{
        ProgramRuns, all_cpu_times, cpu_time, field, memory, minor_faults, program, program_runs, switches,
        user_and_system,
    };
    use std::process::{Command, Stdio};
    use std::time::Duration;

    #[test]
    fn a_program_is_known_by_its_descriptor() {
        let info =
            "pos:\t0\nprog_type:\t26\nprog_id:\t12\nrun_time_ns:\t900\nrun_cnt:\t7\nrecursion_misses:\t0\n";
        assert_eq!(program(info), Some((12, ProgramRuns { runs: 7, time_ns: 900 })));
        assert_eq!(program("pos:\t0\nlink_type:\traw_tracepoint\nprog_id:\t12\n"), None);
        assert_eq!(program_runs(std::process::id()).unwrap(), ProgramRuns::default());
    }

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "7 (a) b) 9) S 1 7 7 0 -1 4194560 1 2 3 4 30 12 0 0 20";
        assert_eq!([10, 14, 15].map(|number| field(stat, number)), [Some(1), Some(30), Some(12)]);
        assert_eq!(field("7 (a", 14), None);
    }

    #[test]
    fn who_waits_sleeps() {
        let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let [slept, _] = switches(cat.id()).unwrap();
        drop(cat.stdin.take());
        // Its time is known until it is waited for.
        nix::sys::wait::waitid(
            nix::sys::wait::Id::Pid(super::process(cat.id())),
            nix::sys::wait::WaitPidFlag::WEXITED | nix::sys::wait::WaitPidFlag::WNOWAIT,
        )
        .unwrap();
        assert!(cpu_time(cat.id()).unwrap() > Duration::ZERO && slept < 1000);
        cat.wait().unwrap();
        assert!(cpu_time(cat.id()).is_err());
    }

    #[test]
    fn this_process_has_a_cost() {
        let pid = std::process::id();
        assert!(cpu_time(pid).unwrap() > Duration::ZERO);
        let [user, system] = user_and_system(pid).unwrap();
        assert!(user + system <= cpu_time(pid).unwrap() + Duration::from_millis(10));
        assert!(all_cpu_times().contains_key(&pid));
        let before = minor_faults(pid).unwrap();
        let touched = vec![1_u8; 64 << 20];
        let faults = minor_faults(pid).unwrap() - before;
        assert!(faults > 0, "{faults} for {} new bytes", touched.len());
        let (now, peak) = memory(pid).unwrap();
        assert!(now > 0 && peak > 0);
    }
}
