//! From runs to rows: medians with the smallest and the largest, and what makes them doubtful.

use super::super::rows::Middle;
use super::once::Run;
use super::{BASELINE, NONE, Runs};
use plumb_lab::traffic::Rate;
use plumb_records::bench::ReaderBench;

/// Where others used more than this of a CPU, what they did is in the figures.
const OTHERS: f64 = 0.05;
/// And where a hypervisor took more than this.
const STOLEN: f64 = 0.02;
/// A generator that is further from its rate than this did not keep it.
const OFF: f64 = 0.02;

/// Runs of a reader at a rate, beside those of others in the same repeats.
struct Cell<'a> {
    runs: &'a [Run],
    none: &'a [Run],
    baseline: Option<&'a [Run]>,
}

impl Cell<'_> {
    fn of(&self, value: impl Fn(&Run) -> Option<f64>) -> Option<Middle> {
        Middle::of(self.runs.iter().filter_map(value))
    }

    /// A figure of each run and of one beside it.
    fn beside(&self, others: Option<&[Run]>, value: impl Fn(&Run, &Run) -> Option<f64>) -> Option<Middle> {
        Middle::of(self.runs.iter().zip(others?).filter_map(|(run, other)| value(run, other)))
    }

    fn machine(&self) -> Option<Middle> {
        self.beside(Some(self.none), over)
    }
}

/// CPU time of the reader's process per packet, in nanoseconds.
fn process(run: &Run) -> Option<f64> {
    per_packet(run, run.process?)
}

fn per_packet(run: &Run, share: f64) -> Option<f64> {
    (run.offered_per_s > 0.0).then(|| share * 1e9 / run.offered_per_s)
}

/// CPU time of the machine per packet over that without a reader.
fn over(run: &Run, none: &Run) -> Option<f64> {
    Some(per_packet(run, run.busy.all?)? - per_packet(none, none.busy.all?)?)
}

/// One row per reader and rate, rate by rate.
pub fn rows(runs: &Runs, size: f64) -> Vec<ReaderBench> {
    let baseline = runs.contenders.iter().position(|contender| contender.name == BASELINE);
    let mut rows = Vec::new();
    for (rate, at_rate) in runs.rates.iter().zip(&runs.runs) {
        let baseline = baseline.map(|number| at_rate[number].as_slice());
        for (contender, runs) in runs.contenders.iter().zip(at_rate) {
            let none = contender.name == NONE;
            let cell = Cell { runs, none: &at_rate[0], baseline };
            let mut row =
                ReaderBench { reader: contender.name.to_owned(), packet_bytes: size, ..about(*rate, runs) };
            volume(&mut row, &cell);
            busy(&mut row, &cell);
            if !none {
                cost(&mut row, &cell);
                delays(&mut row, &cell);
            }
            rows.push(row);
        }
    }
    rows
}

fn about(rate: Rate, runs: &[Run]) -> ReaderBench {
    let wrong = runs.iter().find_map(|run| run.account.as_ref()?.wrong.clone());
    let asked_per_s = match rate {
        Rate::PerSecond(rate) => Some(rate),
        Rate::Max => None,
    };
    ReaderBench {
        asked_per_s,
        repeats: runs.len() as u64,
        valid: wrong.is_none(),
        invalid_because: wrong,
        ..ReaderBench::default()
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "counts of packets")]
fn volume(row: &mut ReaderBench, cell: &Cell<'_>) {
    let offered = cell.of(|run| Some(run.offered_per_s)).unwrap_or_default();
    (row.offered_per_s, row.offered_per_s_min, row.offered_per_s_max) = offered.three();
    let lost =
        |run: &Run| Some((run.sent.packets, run.sent.packets.saturating_sub(run.account.as_ref()?.received)));
    // Of one repeat, so that offered, received and lost add up.
    let mut by_loss: Vec<(u64, u64)> = cell.runs.iter().filter_map(lost).collect();
    by_loss.sort_by_key(|(_, lost)| *lost);
    if let Some((sent, lost)) = by_loss.get(by_loss.len() / 2) {
        (row.offered, row.received, row.lost) = (*sent, Some(sent - lost), Some(*lost));
        row.lost_min = by_loss.first().map(|(_, lost)| *lost);
        row.lost_max = by_loss.last().map(|(_, lost)| *lost);
    } else {
        row.offered = cell.of(|run| Some(run.sent.packets as f64)).unwrap_or_default().middle as u64;
    }
    let share = cell.of(|run| lost(run).map(|(sent, lost)| lost as f64 / sent.max(1) as f64));
    row.lost_share = share.map(|share| share.middle);
    row.lost_share_max = share.map(|share| share.max);
}

fn busy(row: &mut ReaderBench, cell: &Cell<'_>) {
    let busy = cell.of(|run| run.busy.all);
    (row.machine_busy_share, row.machine_busy_share_min, row.machine_busy_share_max) = Middle::split(busy);
    row.softirq_share_sampled = cell.of(|run| Some(run.busy.softirq)).map(|share| share.middle);
    row.others_share_max = cell.of(|run| Some(run.others)).map(|share| share.max);
    row.stolen_share_max = cell.of(|run| Some(run.busy.stolen)).map(|share| share.max);
}

fn cost(row: &mut ReaderBench, cell: &Cell<'_>) {
    let each = cell.of(process);
    (row.process_cpu_ns_per_packet, row.process_cpu_ns_per_packet_min, row.process_cpu_ns_per_packet_max) =
        Middle::split(each);
    let part = |part: usize| cell.of(|run| per_packet(run, run.parts?[part])).map(|each| each.middle);
    (row.process_user_ns_per_packet, row.process_system_ns_per_packet) = (part(0), part(1));
    (row.process_cpu_share, row.process_cpu_share_min, row.process_cpu_share_max) =
        Middle::split(cell.of(|run| run.process));
    let ratio = cell.beside(cell.baseline, |run, baseline| Some(process(run)? / process(baseline)?));
    (row.process_cpu_of_baseline, row.process_cpu_of_baseline_min, row.process_cpu_of_baseline_max) =
        Middle::split(ratio);
    let machine = cell.machine();
    (row.machine_cpu_ns_per_packet, row.machine_cpu_ns_per_packet_min, row.machine_cpu_ns_per_packet_max) =
        Middle::split(machine);
    let baseline = cell.baseline.and_then(|runs| Cell { runs, ..*cell }.machine());
    let above = baseline.filter(|baseline| baseline.middle > 0.0);
    row.machine_cpu_of_baseline = machine.zip(above).map(|(own, classic)| own.middle / classic.middle);
    let switches = |kind: usize| cell.of(|run| Some(run.switches?[kind]));
    (row.wakeups_per_s, row.wakeups_per_s_min, row.wakeups_per_s_max) = Middle::split(switches(0));
    row.preemptions_per_s = switches(1).map(|each| each.middle);
    let told = |run: &Run| run.account.as_ref()?.peak;
    row.peak_rss_bytes = cell.runs.iter().filter_map(|run| run.peak.max(told(run))).max();
    let nanoseconds = |middle: Option<Middle>| middle.map(|middle| (middle.middle * 1e9) as u64);
    row.end_ns = nanoseconds(cell.of(|run| Some(run.end?.0.as_secs_f64())));
    row.end_cpu_ns = nanoseconds(cell.of(|run| Some(run.end?.1.as_secs_f64())));
}

#[allow(clippy::cast_precision_loss, reason = "times")]
fn delays(row: &mut ReaderBench, cell: &Cell<'_>) {
    let whole = |middle: Option<Middle>| {
        let (middle, min, max) = Middle::split(middle);
        (middle.map(|ns| ns as u64), min.map(|ns| ns as u64), max.map(|ns| ns as u64))
    };
    let delay = |at: usize| cell.of(|run| Some(run.account.as_ref()?.delay_ns[at]? as f64));
    let inside = |at: usize| cell.of(|run| Some(run.account.as_ref()?.inside_ns[at]? as f64));
    (row.delay_p50_ns, row.delay_p50_ns_min, row.delay_p50_ns_max) = whole(delay(0));
    (row.delay_p99_ns, row.delay_p99_ns_min, row.delay_p99_ns_max) = whole(delay(1));
    (row.delay_p999_ns, row.delay_p999_ns_min, row.delay_p999_ns_max) = whole(delay(2));
    let from = cell.runs.iter().find_map(|run| run.account.as_ref()?.delay_from.clone());
    row.delay_from = from.filter(|_| row.delay_p50_ns.is_some());
    (row.inside_p50_ns, row.inside_p99_ns) = (whole(inside(0)).0, whole(inside(1)).0);
}

/// What makes the figures doubtful, one sentence each.
pub fn warnings(runs: &Runs) -> Vec<String> {
    let all = || runs.runs.iter().flatten().flatten();
    let most = |value: fn(&Run) -> f64| all().map(value).fold(0.0, f64::max);
    let (others, stolen) = (most(|run| run.others), most(|run| run.busy.stolen));
    let mut warnings = Vec::new();
    if others > OTHERS {
        let share = others * 100.0;
        warnings.push(format!("the machine was not quiet: other processes used up to {share:.0}% of a CPU"));
    }
    if stolen > STOLEN {
        let share = stolen * 100.0;
        warnings
            .push(format!("the machine was not ours alone: its hypervisor took up to {share:.0}% of a CPU"));
    }
    if all().any(|run| run.busy.all.is_none()) {
        warnings.push(
            "this kernel does not tell how long CPUs are idle: the machine's CPU time is unknown".to_owned(),
        );
    }
    for (rate, at_rate) in runs.rates.iter().zip(&runs.runs) {
        let Rate::PerSecond(asked) = rate else { continue };
        let slowest = at_rate.iter().flatten().map(|run| run.offered_per_s).fold(f64::INFINITY, f64::min);
        if slowest < asked * (1.0 - OFF) {
            warnings.push(format!("the generator did not keep {rate}: down to {slowest:.0}/s were offered"));
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::super::contender;
    use super::super::load::Sent;
    use super::super::verdict::Account;
    use super::*;
    use plumb_lab::machine::Busy;

    fn run(offered_per_s: f64, process: Option<f64>, busy: f64, received: Option<u64>) -> Run {
        Run {
            offered_per_s,
            sent: Sent { packets: 1000, refused: 0 },
            process,
            busy: Busy { all: Some(busy), ..Busy::default() },
            account: received.map(|received| Account { received, ..Account::default() }),
            ..Run::default()
        }
    }

    fn runs() -> Runs {
        let names = ["af_packet_recv", "flows"].map(str::to_owned);
        let none = vec![run(1000.0, None, 0.1, None), run(1000.0, None, 0.1, None)];
        let classic =
            vec![run(1000.0, Some(0.010), 0.12, Some(1000)), run(500.0, Some(0.010), 0.2, Some(900))];
        let flows =
            vec![run(1000.0, Some(0.001), 0.105, Some(1000)), run(1000.0, Some(0.002), 0.1, Some(1000))];
        Runs {
            contenders: contender::chosen(&names).unwrap(),
            rates: vec![Rate::PerSecond(1000.0)],
            runs: vec![vec![none, classic, flows]],
        }
    }

    #[test]
    fn figures_are_per_packet_and_beside_their_repeat() {
        let rows = rows(&runs(), 66.0);
        let [none, classic, flows] = rows.as_slice() else { panic!("{} rows", rows.len()) };
        assert_eq!(
            (none.process_cpu_ns_per_packet, none.machine_cpu_ns_per_packet, none.received),
            (None, None, None)
        );
        assert_eq!(classic.process_cpu_ns_per_packet_min, Some(10_000.0));
        assert_eq!(classic.process_cpu_ns_per_packet, Some(15_000.0));
        assert_eq!(classic.process_cpu_ns_per_packet_max, Some(20_000.0));
        assert_eq!((classic.offered, classic.received, classic.lost), (1000, Some(900), Some(100)));
        assert_eq!((classic.lost_min, classic.lost_max), (Some(0), Some(100)));
        assert_eq!(flows.process_cpu_of_baseline, Some(0.1));
        let machine = flows.machine_cpu_ns_per_packet_max.unwrap();
        assert!((machine - 5_000.0).abs() < 1e-6, "{machine}");
        assert!(flows.valid && flows.delay_from.is_none());
    }

    #[test]
    fn doubts_are_told() {
        let mut runs = runs();
        let told = warnings(&runs);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("1000/s: down to 500/s"), "{told:?}");
        runs.runs[0][0][0].others = 0.5;
        assert!(warnings(&runs)[0].contains("50% of a CPU"));
    }
}
