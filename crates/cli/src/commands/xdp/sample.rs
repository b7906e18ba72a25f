//! What the programs have counted at a moment, and what came between two.

use plumb_kernel::Error;
use plumb_kernel::probes::xdp::{Action, Count, Counts, Times, Xdp};
use plumb_records::histogram::Histogram;

/// One program's counters.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    counts: Counts,
    times: Option<Times>,
}

impl Sample {
    /// What was counted and, where measured, timed.
    pub fn new(counts: Counts, times: Option<Times>) -> Self {
        Self { counts, times }
    }
}

/// Packets of one interface and action, on one CPU or on all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Place of the interface among those of the run.
    pub target: usize,
    /// Number of the action.
    pub action: usize,
    /// The CPU; `None` for all of them.
    pub cpu: Option<u32>,
    /// Packets and bytes.
    pub count: Count,
    /// Their times, where measured.
    pub times: Option<Histogram>,
}

/// Reads every program's counters.
pub fn read(programs: &[Xdp<'_>]) -> Result<Vec<Sample>, Error> {
    let sample = |program: &Xdp<'_>| Ok(Sample { counts: program.counts()?, times: program.times()? });
    programs.iter().map(sample).collect()
}

/// Sums over CPUs and actions.
pub fn sum(samples: &[Sample]) -> Count {
    let mut all = Count::default();
    for count in samples.iter().flat_map(|sample| sample.counts.iter().flatten()) {
        add(&mut all, count);
    }
    all
}

/// What came since `before`, which is empty where that is everything: a part for each action that packets had, for each
/// CPU where `by_cpu`.
pub fn parts(now: &[Sample], before: &[Sample], by_cpu: bool) -> Vec<Part> {
    let mut parts = Vec::new();
    for (target, sample) in now.iter().enumerate() {
        for action in 0..Action::ALL.len() {
            let cpus =
                (0..sample.counts.len()).map(|cpu| part(sample, before.get(target), (target, action, cpu)));
            let cpus = cpus.filter(|part| part.count.packets > 0);
            if by_cpu {
                parts.extend(cpus);
            } else {
                parts.extend(cpus.reduce(merge).map(|part| Part { cpu: None, ..part }));
            }
        }
    }
    parts
}

fn part(now: &Sample, before: Option<&Sample>, (target, action, cpu): (usize, usize, usize)) -> Part {
    let mut count = now.counts[cpu][action];
    let earlier = before.and_then(|sample| sample.counts.get(cpu)).map(|actions| actions[action]);
    if let Some(earlier) = earlier {
        count.packets -= earlier.packets.min(count.packets);
        count.bytes -= earlier.bytes.min(count.bytes);
        count.emitted -= earlier.emitted.min(count.emitted);
        count.lost -= earlier.lost.min(count.lost);
    }
    let times = now.times.as_ref().and_then(|times| times.get(cpu)).map(|actions| {
        let earlier = before.and_then(|sample| sample.times.as_ref()).and_then(|times| times.get(cpu));
        earlier.map_or_else(|| actions[action].clone(), |earlier| actions[action].since(&earlier[action]))
    });
    Part { target, action, cpu: u32::try_from(cpu).ok(), count, times }
}

fn merge(mut one: Part, other: Part) -> Part {
    add(&mut one.count, &other.count);
    if let (Some(times), Some(more)) = (&mut one.times, &other.times) {
        times.merge(more);
    }
    one
}

fn add(to: &mut Count, from: &Count) {
    to.packets += from.packets;
    to.bytes += from.bytes;
    to.emitted += from.emitted;
    to.lost += from.lost;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(packets: [u64; 2], time: u64) -> Sample {
        let mut sample = Sample { counts: vec![Default::default(); 2], times: Some(vec![]) };
        let mut all: Times = vec![Default::default(), Default::default()];
        for (cpu, packets) in packets.into_iter().enumerate() {
            sample.counts[cpu][1] = Count { packets, bytes: packets * 60, ..Count::default() };
            (0..packets).for_each(|_| all[cpu][1].add(time));
        }
        sample.times = Some(all);
        sample
    }

    #[test]
    fn cpus_are_summed_unless_asked_for() {
        let now = [sample([3, 4], 50), sample([0, 1], 70)];
        let all = parts(&now, &[], false);
        let shown: Vec<_> =
            all.iter().map(|part| (part.target, part.action, part.cpu, part.count.packets)).collect();
        assert_eq!(shown, [(0, 1, None, 7), (1, 1, None, 1)]);
        assert_eq!((all[0].count.bytes, all[0].times.as_ref().unwrap().count()), (420, 7));
        let cpus = parts(&now, &[], true);
        let shown: Vec<_> = cpus.iter().map(|part| (part.target, part.cpu, part.count.packets)).collect();
        assert_eq!(shown, [(0, Some(0), 3), (0, Some(1), 4), (1, Some(1), 1)]);
        assert_eq!(sum(&now).packets, 8);
    }

    #[test]
    fn an_interval_is_the_difference() {
        let (before, now) = ([sample([3, 4], 50)], [sample([3, 6], 50)]);
        let parts = parts(&now, &before, true);
        assert_eq!(parts.len(), 1, "a CPU without packets is left out");
        assert_eq!((parts[0].cpu, parts[0].count.packets), (Some(1), 2));
        assert_eq!(parts[0].times.as_ref().unwrap().count(), 2);
    }
}
