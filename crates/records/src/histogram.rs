//! Log-linear histograms: percentiles from buckets that the kernel counts.
//!
//! The buckets are those of `bpf/hist.bpf.h`: each value below 16 has its own, and above that each doubling has 16, so
//! that a bucket is at most 1/16 as wide as its values are large. What is told of a bucket is its middle, which is off
//! by at most 1/32; the largest value is kept exactly.

/// Buckets for each doubling, as a power of two.
const STEP_BITS: u32 = 4;
const STEPS: u64 = 1 << STEP_BITS;
/// Values below 2 to this have a bucket.
const BITS: u32 = 36;

/// How many buckets there are.
pub const BUCKETS: usize = ((BITS - STEP_BITS + 1) as usize) << STEP_BITS;

/// Counts of values, in nanoseconds or whatever was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// Sum of all values.
    pub sum: u64,
    /// The largest value; 0 where there is none.
    pub max: u64,
    /// Values too large for a bucket.
    pub overflow: u64,
    /// Values by bucket.
    pub buckets: Box<[u64; BUCKETS]>,
}

/// Mean, percentiles and maximum of a histogram's values; `None` without values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// Mean.
    pub mean: Option<u64>,
    /// Median.
    pub p50: Option<u64>,
    /// 90th percentile.
    pub p90: Option<u64>,
    /// 99th percentile.
    pub p99: Option<u64>,
    /// 99.9th percentile.
    pub p999: Option<u64>,
    /// The largest.
    pub max: Option<u64>,
}

/// The values of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The smallest value that is in it.
    pub start: u64,
    /// The smallest that is above it; `None` of what is too large for a bucket.
    pub end: Option<u64>,
    /// How many there are.
    pub count: u64,
}

impl Spread {
    /// What tables call them.
    pub const NAMES: [&'static str; 6] = ["mean", "p50", "p90", "p99", "p99.9", "max"];

    /// All of them, in the order of their names.
    pub fn all(&self) -> [Option<u64>; 6] {
        [self.mean, self.p50, self.p90, self.p99, self.p999, self.max]
    }
}

/// Sets a record's columns of a distribution.
macro_rules! set_spread {
    ($record:ident, $times:expr) => {{
        let spread = $times.spread();
        $record.mean_ns = spread.mean;
        $record.p50_ns = spread.p50;
        $record.p90_ns = spread.p90;
        $record.p99_ns = spread.p99;
        $record.p999_ns = spread.p999;
        $record.max_ns = spread.max;
    }};
}
pub(crate) use set_spread;

impl Default for Histogram {
    fn default() -> Self {
        Self { sum: 0, max: 0, overflow: 0, buckets: Box::new([0; BUCKETS]) }
    }
}

/// The bucket of a value; `None` where it is too large for one.
pub fn bucket(value: u64) -> Option<usize> {
    if value < STEPS {
        return Some(value as usize);
    }
    let shift = value.ilog2() - STEP_BITS;
    let bucket = ((u64::from(shift) << STEP_BITS) + (value >> shift)) as usize;
    (bucket < BUCKETS).then_some(bucket)
}

/// The smallest and the largest value of a bucket.
pub fn bounds(bucket: usize) -> (u64, u64) {
    let bucket = bucket as u64;
    let shift = (bucket >> STEP_BITS).saturating_sub(1);
    let least = (bucket - (shift << STEP_BITS)) << shift;
    (least, least + ((1 << shift) - 1))
}

impl Histogram {
    /// Counts one value.
    pub fn add(&mut self, value: u64) {
        self.add_times(value, 1);
    }

    /// Counts a value that came so many times.
    pub fn add_times(&mut self, value: u64, times: u64) {
        if times == 0 {
            return;
        }
        self.sum = self.sum.wrapping_add(value.wrapping_mul(times));
        self.max = self.max.max(value);
        match bucket(value) {
            Some(bucket) => self.buckets[bucket] += times,
            None => self.overflow += times,
        }
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum::<u64>() + self.overflow
    }

    /// Adds what another one counted, such as that of another CPU.
    pub fn merge(&mut self, other: &Self) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.max = self.max.max(other.max);
        self.overflow += other.overflow;
        for (to, from) in self.buckets.iter_mut().zip(other.buckets.iter()) {
            *to += from;
        }
    }

    /// What was counted since `before`, an earlier state of this one.
    ///
    /// The largest value is exact where it is the largest of all so far; else it is that of the highest bucket.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut since = Self {
            sum: self.sum.wrapping_sub(before.sum),
            max: 0,
            overflow: self.overflow.saturating_sub(before.overflow),
            buckets: self.buckets.clone(),
        };
        for (count, earlier) in since.buckets.iter_mut().zip(before.buckets.iter()) {
            *count = count.saturating_sub(*earlier);
        }
        since.max = if self.max > before.max || since.overflow > 0 {
            self.max
        } else {
            let highest = since.buckets.iter().rposition(|count| *count > 0);
            highest.map_or(0, |bucket| middle(bucket).min(self.max))
        };
        since
    }

    /// The mean, rounded; `None` without values.
    pub fn mean(&self) -> Option<u64> {
        let count = self.count();
        (count > 0).then(|| ((u128::from(self.sum) + u128::from(count) / 2) / u128::from(count)) as u64)
    }

    /// What records and tables tell of the values.
    pub fn spread(&self) -> Spread {
        Spread {
            mean: self.mean(),
            p50: self.percentile(500),
            p90: self.percentile(900),
            p99: self.percentile(990),
            p999: self.percentile(999),
            max: (self.count() > 0).then_some(self.max),
        }
    }

    /// Values by powers of two, from the first range with values to the last one; below 2 there is one range.
    pub fn doublings(&self) -> Vec<Range> {
        let mut ranges: Vec<Range> = (0..BITS)
            .map(|bit| Range {
                start: if bit == 0 { 0 } else { 1 << bit },
                end: Some(1 << (bit + 1)),
                count: 0,
            })
            .collect();
        for (bucket, count) in self.buckets.iter().enumerate() {
            if let Some(range) = ranges.get_mut(bounds(bucket).0.max(1).ilog2() as usize) {
                range.count += count;
            }
        }
        ranges.push(Range { start: 1 << BITS, end: None, count: self.overflow });
        let last = ranges.iter().rposition(|range| range.count > 0).map_or(0, |last| last + 1);
        ranges.truncate(last);
        let first = ranges.iter().position(|range| range.count > 0).unwrap_or(0);
        ranges.split_off(first)
    }

    /// The value that so many thousandths of all values do not exceed (nearest rank), within 1/32; `None` without
    /// values.
    pub fn percentile(&self, thousandths: u64) -> Option<u64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = (u128::from(count) * u128::from(thousandths)).div_ceil(1000).max(1);
        let mut below = 0;
        for (bucket, counted) in self.buckets.iter().enumerate() {
            below += u128::from(*counted);
            if below >= rank {
                return Some(middle(bucket).min(self.max));
            }
        }
        Some(self.max)
    }
}

fn middle(bucket: usize) -> u64 {
    let (least, most) = bounds(bucket);
    least + (most - least) / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|value| histogram.add(*value));
        histogram
    }

    /// Any number of digits is as likely as any other.
    fn value() -> impl Strategy<Value = u64> {
        (0..=BITS).prop_flat_map(|bits| 0..1_u64 << bits)
    }

    #[test]
    fn buckets_lie_side_by_side_and_are_narrow() {
        let mut next = 0;
        for index in 0..BUCKETS {
            let (least, most) = bounds(index);
            assert_eq!(least, next);
            assert_eq!((bucket(least), bucket(most)), (Some(index), Some(index)));
            assert!((most - least) * STEPS <= least, "{least} to {most}");
            next = most + 1;
        }
        assert_eq!(next, 1 << BITS);
        assert_eq!(bucket(1 << BITS), None);
        assert_eq!(bucket(u64::MAX), None);
    }

    #[test]
    fn without_values_nothing_is_known() {
        assert_eq!((of(&[]).mean(), of(&[]).percentile(500)), (None, None));
    }

    #[test]
    fn what_is_too_large_is_counted_and_is_the_largest() {
        let histogram = of(&[1, 2, 1 << 40]);
        assert_eq!((histogram.count(), histogram.overflow), (3, 1));
        assert_eq!((histogram.percentile(500), histogram.percentile(999)), (Some(2), Some(1 << 40)));
    }

    #[test]
    fn an_interval_has_a_largest_of_its_own() {
        let (before, mut now) = (of(&[1000, 7]), of(&[1000, 7]));
        now.add(300);
        now.add(2);
        let since = now.since(&before);
        assert_eq!((since.count(), since.sum), (2, 302));
        assert!((291..=309).contains(&since.max), "{}", since.max);
        now.add(5000);
        assert_eq!(now.since(&before).max, 5000);
        assert_eq!(now.since(&now), Histogram::default());
    }

    proptest! {
        #[test]
        fn percentiles_are_those_of_the_sorted_values(
            mut values in proptest::collection::vec(value(), 1..400),
            thousandths in 0..=1000_u64,
        ) {
            let histogram = of(&values);
            values.sort_unstable();
            let rank = (values.len() as u64 * thousandths).div_ceil(1000).max(1) as usize;
            let (exact, told) = (values[rank - 1], histogram.percentile(thousandths).unwrap());
            prop_assert!(told.abs_diff(exact) * 32 <= exact, "{told} instead of {exact}");
            prop_assert_eq!(histogram.max, values[values.len() - 1]);
            prop_assert_eq!(histogram.percentile(1000).unwrap().abs_diff(histogram.max) * 32 <= histogram.max, true);
            let count = values.len() as u64;
            prop_assert_eq!(histogram.mean().unwrap(), (values.iter().sum::<u64>() + count / 2) / count);
        }

        #[test]
        fn each_value_is_in_its_range(values in proptest::collection::vec(any::<u64>(), 0..50)) {
            let values: Vec<u64> = values.iter().enumerate().map(|(at, value)| value >> (at * 7 % 64)).collect();
            let ranges = of(&values).doublings();
            let inside = |range: &Range| {
                values.iter().filter(|value| **value >= range.start && range.end.is_none_or(|end| **value < end)).count()
            };
            prop_assert!(ranges.iter().all(|range| range.count == inside(range) as u64));
            prop_assert_eq!(ranges.iter().map(|range| range.count).sum::<u64>(), values.len() as u64);
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end == Some(pair[1].start)));
            prop_assert!(ranges.first().is_none_or(|range| range.count > 0));
        }

        #[test]
        fn parts_make_the_whole(
            one in proptest::collection::vec(value(), 0..100),
            other in proptest::collection::vec(any::<u64>(), 0..100),
        ) {
            let mut merged = of(&one);
            merged.merge(&of(&other));
            let whole = of(&[one.clone(), other].concat());
            prop_assert_eq!(&merged, &whole);
            let since = merged.since(&of(&one));
            prop_assert_eq!(since.count() + of(&one).count(), whole.count());
        }
    }
}
