//! What another process costs, from its files in /proc.

use crate::{Error, Result};
use nix::unistd::{SysconfVar, sysconf};
use std::fs;
use std::time::Duration;

/// CPU time of a process so far, all threads, user and system. Its unit is a clock tick, usually 10 ms.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let hertz = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100).max(1);
    let ticks = stat(pid, |text| Some(field(text, 14)? + field(text, 15)?))?;
    Ok(Duration::from_secs(ticks) / u32::try_from(hertz).unwrap_or(100))
}

/// Minor page faults of a process so far, all threads: pages that it touched for the first time.
pub fn minor_faults(pid: u32) -> Result<u64> {
    stat(pid, |text| field(text, 10))
}

fn stat(pid: u32, number: impl Fn(&str) -> Option<u64>) -> Result<u64> {
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

#[cfg(test)]
mod tests {
    use super::{cpu_time, field, memory, minor_faults};

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "7 (a) b) 9) S 1 7 7 0 -1 4194560 1 2 3 4 30 12 0 0 20";
        assert_eq!([10, 14, 15].map(|number| field(stat, number)), [Some(1), Some(30), Some(12)]);
        assert_eq!(field("7 (a", 14), None);
    }

    #[test]
    fn this_process_has_a_cost() {
        let pid = std::process::id();
        assert!(cpu_time(pid).is_ok());
        let before = minor_faults(pid).unwrap();
        let touched = vec![1_u8; 64 << 20];
        let faults = minor_faults(pid).unwrap() - before;
        assert!(faults > 0, "{faults} for {} new bytes", touched.len());
        let (now, peak) = memory(pid).unwrap();
        assert!(now > 0 && peak > 0);
    }
}
