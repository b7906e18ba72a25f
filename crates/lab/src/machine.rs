//! What the whole machine does: how long its CPUs are idle, which is the only account of interrupts that every kernel keeps.
//!
//! /proc/stat counts softirqs by samples unless the kernel accounts for interrupts, and charges them to whom they interrupt.
//! Idle time is measured. It is read from /proc/timer_list, in nanoseconds, on each CPU by a thread that is on it, because a
//! CPU that sleeps has not added the time since it went to sleep.

use crate::flood::pin;
use crate::{Error, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::{Pid, SysconfVar, sysconf};
use std::fs;
use std::time::Duration;

/// CPUs that are visited; on larger machines that would take too long.
const MOST: usize = 32;

/// What was counted up to a moment.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Of each CPU: the moment and the idle time, in nanoseconds. Empty where the kernel does not tell.
    idle: Vec<(u64, u64)>,
    /// Softirqs and interrupts by /proc/stat, a sample; and what a hypervisor gave to others.
    softirq: Duration,
    stolen: Duration,
}

/// What came between two moments, in CPUs: 1.0 is a whole one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Busy {
    /// All CPUs together; `None` where the kernel does not tell.
    pub all: Option<f64>,
    /// Softirqs and interrupts, as sampled.
    pub softirq: f64,
    /// What a hypervisor gave to others.
    pub stolen: f64,
}

impl Machine {
    /// Looks; the calling thread goes round all CPUs that it may use.
    pub fn now() -> Result<Self> {
        let own = Pid::from_raw(0);
        let allowed = sched_getaffinity(own).map_err(Error::io("find out our CPUs"))?;
        let idle = round(&cpus(&allowed));
        sched_setaffinity(own, &allowed).map_err(Error::io("use all our CPUs again"))?;
        let text = fs::read_to_string("/proc/stat").map_err(Error::io("/proc/stat"))?;
        let [softirq, stolen] = sampled(&text).ok_or(Error::Parse { what: "/proc/stat".to_owned() })?;
        Ok(Self { idle: idle.unwrap_or_default(), softirq, stolen })
    }

    /// What came since `before`, within `time`.
    pub fn since(&self, before: &Self, time: Duration) -> Busy {
        let share =
            |now: Duration, before: Duration| now.saturating_sub(before).as_secs_f64() / time.as_secs_f64();
        let whole = !self.idle.is_empty() && self.idle.len() == before.idle.len();
        #[allow(clippy::cast_precision_loss, reason = "a share")]
        let busy = |((now, idle), (then, had)): (&(u64, u64), &(u64, u64))| {
            1.0 - idle.saturating_sub(*had) as f64 / now.saturating_sub(*then).max(1) as f64
        };
        Busy {
            all: whole.then(|| self.idle.iter().zip(&before.idle).map(busy).sum()),
            softirq: share(self.softirq, before.softirq),
            stolen: share(self.stolen, before.stolen),
        }
    }
}

/// The CPUs of a set.
pub fn cpus(set: &CpuSet) -> Vec<usize> {
    (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect()
}

fn round(cpus: &[usize]) -> Option<Vec<(u64, u64)>> {
    if cpus.len() > MOST {
        return None;
    }
    let one = |cpu: &usize| {
        pin(*cpu).ok()?;
        idle_of(&fs::read_to_string("/proc/timer_list").ok()?, *cpu)
    };
    cpus.iter().map(one).collect()
}

/// The moment and the idle time of a CPU, by print_tickdevice's neighbour print_cpu (kernel/time/timer_list.c).
fn idle_of(text: &str, cpu: usize) -> Option<(u64, u64)> {
    let number = |line: &str, name: &str| -> Option<u64> {
        line.trim().strip_prefix(name)?.trim_start_matches([' ', ':']).strip_suffix(" nsecs")?.parse().ok()
    };
    let now = text.lines().find_map(|line| number(line, "now at"))?;
    let mut lines = text.lines().skip_while(|line| line.trim() != format!("cpu: {cpu}")).skip(1);
    let (mut idle, mut waiting) = (None, None);
    for line in lines.by_ref().take_while(|line| !line.starts_with("cpu: ")) {
        idle = idle.or_else(|| number(line, ".idle_sleeptime"));
        waiting = waiting.or_else(|| number(line, ".iowait_sleeptime"));
    }
    Some((now, idle? + waiting.unwrap_or(0)))
}

/// Interrupts of both kinds, and stolen time, of all CPUs.
fn sampled(text: &str) -> Option<[Duration; 2]> {
    let hertz = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100).max(1);
    let hertz = u32::try_from(hertz).unwrap_or(100);
    let numbers: Vec<u64> = text
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_whitespace()
        .map_while(|word| word.parse().ok())
        .collect();
    let time = |ticks: u64| Duration::from_secs(ticks) / hertz;
    // user nice system idle iowait irq softirq steal (proc(5))
    Some([time(numbers.get(5)? + numbers.get(6)?), time(*numbers.get(7)?)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_times_are_found() {
        let text = "Timer List Version: v0.10\nnow at 5000 nsecs\n\ncpu: 0\n clock 0:\n  .idle_sleeptime : 12 nsecs\n  \
                    .iowait_sleeptime: 3 nsecs\ncpu: 1\n  .idle_sleeptime : 40 nsecs\n\nTick Device: mode: 1\n";
        assert_eq!(idle_of(text, 0), Some((5000, 15)));
        assert_eq!(idle_of(text, 1), Some((5000, 40)));
        assert_eq!(idle_of(text, 2), None);
        assert_eq!(idle_of("cpu: 0\n", 0), None);
    }

    #[test]
    fn samples_are_found() {
        let text = "cpu  1 2 3 4 5 6 700 800 0 0\ncpu0 1\n";
        assert_eq!(sampled(text), Some([Duration::from_millis(7060), Duration::from_secs(8)]));
        assert_eq!(sampled("cpu 1 2\n"), None);
    }

    #[test]
    fn a_busy_cpu_is_not_idle() {
        let looked = |idle| Machine { idle, ..Machine::default() };
        let (before, after) = (looked(vec![(0, 7), (100, 0)]), looked(vec![(1000, 257), (1100, 1000)]));
        let busy = after.since(&before, Duration::from_secs(1)).all.unwrap();
        assert!((busy - 0.75).abs() < 1e-9, "{busy}");
        assert_eq!(looked(Vec::new()).since(&before, Duration::from_secs(1)).all, None);
    }
}
