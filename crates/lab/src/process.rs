//! What another process costs, from its files in /proc.

use crate::{Error, Result};
use nix::unistd::{SysconfVar, sysconf};
use std::fs;
use std::time::Duration;

/// CPU time of a process so far, all threads, user and system. Its unit is a clock tick, usually 10 ms.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).map_err(Error::io(path.clone()))?;
    let hertz = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100).max(1);
    let ticks = ticks(&text).ok_or(Error::Parse { what: path })?;
    Ok(Duration::from_secs(ticks) / u32::try_from(hertz).unwrap_or(100))
}

/// Fields 14 and 15 of proc(5), counted behind the name, which may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
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
    use super::{cpu_time, memory, ticks};

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "7 (a) b) 9) S 1 7 7 0 -1 4194560 1 2 3 4 30 12 0 0 20";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("7 (a"), None);
    }

    #[test]
    fn this_process_has_a_cost() {
        let pid = std::process::id();
        assert!(cpu_time(pid).is_ok());
        let (now, peak) = memory(pid).unwrap();
        assert!(now > 0 && peak > 0);
    }
}
