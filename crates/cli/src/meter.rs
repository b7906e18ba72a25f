//! What we cost ourselves: CPU time and memory of this process.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::time::{Duration, Instant};

/// CPU time of this process since it started, all threads, user and system.
pub fn cpu_time() -> Option<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let microseconds = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Some(Duration::from_micros(microseconds.try_into().ok()?))
}

/// Largest resident memory so far, in bytes. Not ru_maxrss: that one survives exec, so it may be our parent's.
pub fn peak_memory() -> Option<u64> {
    status_line("VmHWM:")
}

/// Resident memory now, in bytes.
pub fn memory() -> Option<u64> {
    status_line("VmRSS:")
}

fn status_line(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    kibibytes(&status, name)
}

fn kibibytes(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Our share of a CPU between two looks.
pub struct Meter {
    at: Instant,
    used: Option<Duration>,
}

impl Meter {
    /// Starts now.
    pub fn start() -> Self {
        Self { at: Instant::now(), used: cpu_time() }
    }

    /// Share of one CPU since the last look: 1.0 is a whole one.
    pub fn cpu_share(&mut self) -> Option<f64> {
        let (now, used) = (Instant::now(), cpu_time());
        let share = used.zip(self.used).map(|(used, before)| {
            used.saturating_sub(before).as_secs_f64() / (now - self.at).as_secs_f64().max(f64::EPSILON)
        });
        (self.at, self.used) = (now, used);
        share
    }
}

#[cfg(test)]
mod tests {
    use super::{cpu_time, kibibytes, memory, peak_memory};

    #[test]
    fn a_process_has_a_cost() {
        assert!(cpu_time().is_some());
        assert!(peak_memory().unwrap() >= memory().unwrap() / 2);
    }

    #[test]
    fn damaged_status_is_unknown() {
        assert_eq!(kibibytes("VmHWM:\t  12 kB\nVmRSS:\t 8 kB", "VmRSS:"), Some(8192));
        for text in ["", "VmRSS:", "VmRSS: x kB", "VmRSS: 1", "VmRSS: 18446744073709551615 kB"] {
            assert_eq!(kibibytes(text, "VmRSS:"), None, "{text}");
        }
    }
}
