//! What the watched programs have come to at a moment, and what came between two.

use super::Watched;
use crate::commands::xdp::sample::{self, Part, Sample};
use plumb_kernel::Error;
use plumb_kernel::probes::xdp::Action;
use plumb_records::histogram::Histogram;

/// What is known of one program: its actions, or the sum alone.
#[derive(Clone, Debug)]
pub enum Reading {
    /// By fentry: for each place, and last for all others.
    Actions(Vec<Sample>),
    /// By the kernel's statistics and the driver's counters.
    Sum(Sum),
}

/// What was read: at readiness, at the last interval, now.
pub struct Readings {
    pub first: Vec<Reading>,
    pub before: Vec<Reading>,
    pub now: Vec<Reading>,
}

/// Runs of a program, with what its driver counts of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub runs: u64,
    pub time_ns: u64,
    /// `None` where the driver does not count it, or not for this mode.
    pub bytes: Option<u64>,
    pub drops: Option<u64>,
}

impl Sum {
    fn since(self, before: Self) -> Self {
        let less = |now: Option<u64>, before: Option<u64>| Some(now?.saturating_sub(before?));
        Self {
            runs: self.runs.saturating_sub(before.runs),
            time_ns: self.time_ns.saturating_sub(before.time_ns),
            bytes: less(self.bytes, before.bytes),
            drops: less(self.drops, before.drops),
        }
    }
}

/// One row: packets of one program at one place, by action where that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Place of the program among those of the run.
    pub program: usize,
    /// Place of the interface among those of the program; as many as there are for all others.
    pub place: usize,
    /// `None` where only the sum is known.
    pub action: Option<Action>,
    pub cpu: Option<u32>,
    pub packets: u64,
    pub bytes: Option<u64>,
    pub drops: Option<u64>,
    pub mean_ns: Option<u64>,
    pub times: Option<Histogram>,
}

impl Line {
    /// Whether this is of the same things, at another time.
    pub fn same(&self, other: &Self) -> bool {
        let key = |line: &Self| (line.program, line.place, line.action, line.cpu);
        key(self) == key(other)
    }
}

/// Reads what every program has come to.
pub fn read(programs: &mut [Watched<'_>]) -> Result<Vec<Reading>, Error> {
    programs.iter_mut().map(Watched::read).collect()
}

/// What came between two moments.
pub fn lines(now: &[Reading], before: &[Reading], by_cpu: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    for (program, (now, before)) in now.iter().zip(before).enumerate() {
        match (now, before) {
            (Reading::Actions(now), Reading::Actions(before)) => {
                let parts = sample::parts(now, before, by_cpu).into_iter();
                lines.extend(parts.map(|part| line(program, part)));
            }
            (Reading::Sum(now), Reading::Sum(before)) => {
                let sum = now.since(*before);
                lines.extend((sum.runs > 0).then(|| sum_line(program, sum)));
            }
            _ => {}
        }
    }
    lines
}

fn line(program: usize, part: Part) -> Line {
    Line {
        program,
        place: part.target,
        action: Action::ALL.get(part.action).copied(),
        cpu: part.cpu,
        packets: part.count.packets,
        bytes: Some(part.count.bytes),
        mean_ns: part.times.as_ref().and_then(Histogram::mean),
        times: part.times,
        drops: None,
    }
}

fn sum_line(program: usize, sum: Sum) -> Line {
    Line {
        program,
        packets: sum.runs,
        bytes: sum.bytes,
        drops: sum.drops,
        mean_ns: Some((sum.time_ns + sum.runs / 2) / sum.runs),
        ..Line::default()
    }
}

/// What a driver counts of XDP programs in its own mode: bytes that they were given, packets that they dropped.
pub fn driver_counts(counters: &[(String, u64)]) -> (Option<u64>, Option<u64>) {
    (total(counters, &["xdp_bytes"]), total(counters, &["xdp_drops", "xdp_drop"]))
}

/// The counters of receive queues with one of these endings (veth: rx_queue_0_xdp_bytes; virtio_net: rx0_xdp_drops);
/// where there are none, that of all queues, which would count them twice beside (mlx5: rx_xdp_drop).
fn total(counters: &[(String, u64)], endings: &[&str]) -> Option<u64> {
    let of_receiving = |name: &str| {
        let rest = endings.iter().find_map(|ending| name.strip_suffix(ending))?;
        rest.starts_with("rx").then(|| rest.bytes().any(|byte| byte.is_ascii_digit()))
    };
    let sum = |of_queues: bool| {
        let found = counters.iter().filter(|(name, _)| of_receiving(name) == Some(of_queues));
        found.map(|(_, count)| *count).reduce(|sum, count| sum + count)
    };
    sum(true).or_else(|| sum(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(named: &[(&str, u64)]) -> Vec<(String, u64)> {
        named.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn drivers_count_by_queue_or_in_all() {
        let veth = [
            ("peer_ifindex", 7),
            ("rx_queue_0_xdp_packets", 3),
            ("rx_queue_0_xdp_bytes", 180),
            ("rx_queue_0_drops", 9),
            ("rx_queue_0_xdp_drops", 2),
            ("rx_queue_1_xdp_bytes", 20),
            ("rx_queue_1_xdp_drops", 1),
            ("tx_queue_0_xdp_xmit", 5),
        ];
        assert_eq!(driver_counts(&counters(&veth)), (Some(200), Some(3)));
        let mlx5 = [("rx_xdp_drop", 5), ("rx0_xdp_drop", 3), ("rx1_xdp_drop", 2)];
        assert_eq!(driver_counts(&counters(&mlx5)), (None, Some(5)));
        assert_eq!(driver_counts(&counters(&[("rx_xdp_drop", 5)])), (None, Some(5)));
        assert_eq!(driver_counts(&counters(&[("rx_packets", 5)])), (None, None));
    }

    #[test]
    fn an_interval_of_a_sum_is_the_difference() {
        let before = Sum { runs: 10, time_ns: 1000, bytes: Some(600), drops: None };
        let now = Sum { runs: 14, time_ns: 1202, bytes: Some(840), drops: None };
        let lines = lines(&[Reading::Sum(now)], &[Reading::Sum(before)], false);
        let expected =
            Line { packets: 4, bytes: Some(240), mean_ns: Some(51), drops: None, ..Line::default() };
        assert_eq!(lines, [expected]);
        assert!(super::lines(&[Reading::Sum(now)], &[Reading::Sum(now)], false).is_empty());
    }
}
