//! Mean, variance and deviation of integers from their count, sum and sum of squares: exact up to the last division.

use super::numbers::Spread;

/// Integers as their count, sum, sum of squares, minimum and maximum.
///
/// Sets add up with [`Moments::merge`] without loss, in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moments {
    count: u64,
    sum: u64,
    squares: u64,
    min: u32,
    max: u32,
}

impl Moments {
    /// `count` numbers of this sum and spread.
    pub fn new(count: u64, sum: u64, spread: Spread) -> Self {
        let Spread { squares, min, max } = spread;
        match count {
            0 => Self::default(),
            _ => Self { count, sum, squares, min, max },
        }
    }

    /// One number; its square is held at the largest where it has no room, and then there is no deviation.
    pub fn one(number: u64) -> Self {
        let short = u32::try_from(number).unwrap_or(u32::MAX);
        let squares = number.saturating_mul(number);
        Self { count: 1, sum: number, squares, min: short, max: short }
    }

    /// These numbers and those.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        match (self.count, other.count) {
            (0, _) => other,
            (_, 0) => self,
            _ => Self {
                count: self.count.saturating_add(other.count),
                sum: self.sum.saturating_add(other.sum),
                squares: self.squares.saturating_add(other.squares),
                min: self.min.min(other.min),
                max: self.max.max(other.max),
            },
        }
    }

    /// How many numbers.
    pub fn count(self) -> u64 {
        self.count
    }

    /// Their sum.
    pub fn sum(self) -> u64 {
        self.sum
    }

    /// The smallest; none of no numbers, as everything below.
    pub fn min(self) -> Option<u32> {
        (self.count > 0).then_some(self.min)
    }

    /// The largest.
    pub fn max(self) -> Option<u32> {
        (self.count > 0).then_some(self.max)
    }

    /// The mean.
    pub fn mean(self) -> Option<f64> {
        ratio(self.sum, self.count)
    }

    /// The sample variance (n - 1); none of fewer than two numbers.
    pub fn variance(self) -> Option<f64> {
        let count = u128::from(self.count);
        let pairs = count.checked_mul(count.checked_sub(1)?).filter(|pairs| *pairs > 0)?;
        // n Σx² - (Σx)² is never negative; where a sum was held at its largest there is no variance to tell.
        let squares = count.checked_mul(u128::from(self.squares))?;
        let above = squares.checked_sub(u128::from(self.sum).pow(2))?;
        Some(above as f64 / pairs as f64)
    }

    /// The sample standard deviation; none of fewer than two numbers.
    pub fn deviation(self) -> Option<f64> {
        self.variance().map(f64::sqrt)
    }
}

/// One number as a multiple of another; none of 0.
pub(crate) fn ratio(above: u64, below: u64) -> Option<f64> {
    (below > 0).then(|| above as f64 / below as f64)
}
