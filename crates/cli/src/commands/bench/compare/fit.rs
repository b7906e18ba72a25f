//! A straight line through a reader's CPU time at all rates: what a packet costs, and what that would come to.

use super::super::rows::Middle;
use super::once::Run;
use super::{NONE, Runs};
use plumb_records::bench::ReaderFit;

/// Frames per second of 10 Gbit/s, with FCS, preamble and the gap between frames (RFC 2544, appendix B): 84 bytes for the
/// shortest frame, 1,538 for a packet of 1,500 bytes.
const OF_64_BYTES: f64 = 10e9 / (84.0 * 8.0);
const OF_1500_BYTES: f64 = 10e9 / (1538.0 * 8.0);

/// A line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Where it begins, at 0.
    pub fixed: f64,
    /// How it rises.
    pub slope: f64,
    /// Share of the variance that it explains; `None` where there is none, and of two points.
    pub r_squared: Option<f64>,
}

/// The line with the least squares of distances; `None` where points do not differ in their first number.
pub fn line(points: &[(f64, f64)]) -> Option<Line> {
    #[allow(clippy::cast_precision_loss, reason = "a handful")]
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (middle_x, middle_y) = (mean(|point| point.0), mean(|point| point.1));
    let sum = |of: &dyn Fn(f64, f64) -> f64| {
        points.iter().map(|(x, y)| of(x - middle_x, y - middle_y)).sum::<f64>()
    };
    let (xx, xy, yy) = (sum(&|x, _| x * x), sum(&|x, y| x * y), sum(&|_, y| y * y));
    if points.len() < 2 || xx <= 0.0 {
        return None;
    }
    let slope = xy / xx;
    // Through two points there always is one.
    let r_squared = (yy > 0.0 && points.len() > 2).then(|| xy * xy / (xx * yy));
    Some(Line { fixed: middle_y - slope * middle_x, slope, r_squared })
}

impl Line {
    fn at(&self, x: f64) -> f64 {
        self.fixed + self.slope * x
    }
}

/// Packets that were really read, and CPU time: a reader that loses packets does not pay for them.
fn point(run: &Run, share: f64) -> (f64, f64) {
    #[allow(clippy::cast_precision_loss, reason = "a share")]
    let kept =
        run.account.as_ref().map_or(1.0, |account| account.received as f64 / run.sent.packets.max(1) as f64);
    (run.offered_per_s * kept, share)
}

/// Of the reader's process.
fn process(run: &Run, _: &Run) -> Option<(f64, f64)> {
    Some(point(run, run.process?))
}

/// Of the machine over what it does without a reader. The generator's cost rises with its rate, which may differ where it is
/// the highest.
fn machine(run: &Run, none: &Run) -> Option<(f64, f64)> {
    let same = none.busy.all? * run.offered_per_s / none.offered_per_s;
    Some(point(run, run.busy.all? - same))
}

/// Two lines for each reader: through the CPU time of its process, and through that of the machine over `none`.
pub fn fits(runs: &Runs) -> Vec<ReaderFit> {
    let mut fits = Vec::new();
    for (number, contender) in runs.contenders.iter().enumerate().filter(|(_, one)| one.name != NONE) {
        for (of, value) in [("process", process as fn(&Run, &Run) -> _), ("machine", machine)] {
            let points = runs.runs.iter().map(|at_rate| {
                at_rate[number].iter().zip(&at_rate[0]).filter_map(|(run, none)| value(run, none)).collect()
            });
            fits.extend(fit(contender.name, of, &points.collect::<Vec<Vec<_>>>()));
        }
    }
    fits
}

/// `points` of each rate.
fn fit(reader: &str, of: &'static str, points: &[Vec<(f64, f64)>]) -> Option<ReaderFit> {
    let flat: Vec<(f64, f64)> = points.concat();
    let line = line(&flat)?;
    let rises = line.slope > 0.0;
    let fastest = points
        .iter()
        .filter_map(|points| {
            let rate = Middle::of(points.iter().map(|point| point.0))?.middle;
            Some((rate, Middle::of(points.iter().map(|point| point.1))?.middle))
        })
        .max_by(|one, other| one.0.total_cmp(&other.0));
    Some(ReaderFit {
        reader: reader.to_owned(),
        of,
        points: flat.len() as u64,
        fixed_share: line.fixed,
        ns_per_packet: line.slope * 1e9,
        r_squared: line.r_squared,
        saturates_per_s: rises.then(|| (1.0 - line.fixed) / line.slope).filter(|rate| *rate > 0.0),
        measured_per_s: fastest.map(|(rate, _)| rate),
        measured_share: fastest.map(|(_, share)| share),
        fitted_share: fastest.map(|(rate, _)| line.at(rate)),
        projected_10g_64_bytes_cpus: rises.then(|| line.at(OF_64_BYTES)),
        projected_10g_1500_bytes_cpus: rises.then(|| line.at(OF_1500_BYTES)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found() {
        let points: Vec<(f64, f64)> = [0.0, 10.0, 20.0].map(|x| (x, 3.0 + 2.0 * x)).to_vec();
        let found = line(&points).unwrap();
        assert!((found.fixed - 3.0).abs() < 1e-9 && (found.slope - 2.0).abs() < 1e-9);
        assert!((found.r_squared.unwrap() - 1.0).abs() < 1e-9);
        assert_eq!(line(&[(1.0, 2.0)]), None);
        assert_eq!(line(&[(1.0, 2.0), (1.0, 3.0)]), None);
        assert_eq!(line(&[(1.0, 2.0), (2.0, 2.0)]).unwrap().r_squared, None);
    }

    #[test]
    fn least_squares_of_a_textbook() {
        // Anscombe's first set: y = 3.0001 + 0.5001 x, r squared 0.6665.
        let x = [10.0, 8.0, 13.0, 9.0, 11.0, 14.0, 6.0, 4.0, 12.0, 7.0, 5.0];
        let y = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68];
        let points: Vec<(f64, f64)> = x.into_iter().zip(y).collect();
        let found = line(&points).unwrap();
        assert!((found.slope - 0.500_09).abs() < 1e-4 && (found.fixed - 3.000_09).abs() < 1e-4, "{found:?}");
        assert!((found.r_squared.unwrap() - 0.666_5).abs() < 1e-3, "{found:?}");
    }

    #[test]
    fn a_microsecond_a_packet_is_a_million_a_second() {
        let points: Vec<Vec<(f64, f64)>> = [1e3, 1e4, 1e5].map(|rate| vec![(rate, rate * 1e-6)]).to_vec();
        let found = fit("one", "process", &points).unwrap();
        assert!((found.ns_per_packet - 1000.0).abs() < 1e-6);
        assert!((found.saturates_per_s.unwrap() - 1e6).abs() < 1.0);
        assert!((found.projected_10g_64_bytes_cpus.unwrap() - 14.88).abs() < 0.01);
        assert!((found.projected_10g_1500_bytes_cpus.unwrap() - 0.8127).abs() < 0.001);
        assert_eq!(found.measured_per_s, Some(1e5));
        let flat = fit("flat", "process", &[vec![(1.0, 0.5)], vec![(2.0, 0.5)]]).unwrap();
        assert_eq!((flat.saturates_per_s, flat.projected_10g_64_bytes_cpus), (None, None));
    }
}
