//! Statistics over rounds: medians, and bootstrap intervals of medians and of their differences.
//!
//! The percentile bootstrap follows Efron and Tibshirani, *An Introduction to the Bootstrap* (1993), chapter 13: resample
//! the rounds with replacement, take the statistic of each resample, and read the interval off their quantiles.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// Resamples per interval: enough for the 2.5 % tails to be steady in two digits.
const RESAMPLES: usize = 4_000;
const SEED: u64 = 0x77_69_72_65_6c_61_62;

/// An estimate and its 95 % bootstrap interval, all in the unit of the values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The estimate from all values.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Median of `values`, the mean of the middle two when their number is even; `None` when there is none.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// Median of `values` with its interval; `None` for fewer than two values, which carry no spread.
pub fn median_interval(values: &[f64]) -> Option<Interval> {
    if values.len() < 2 {
        return None;
    }
    let estimate = median(values)?;
    interval(estimate, |rng| median(&resample(values, rng)))
}

/// Median of `a` minus median of `b` with its interval; `None` when either has fewer than two values.
pub fn difference_interval(a: &[f64], b: &[f64]) -> Option<Interval> {
    if a.len() < 2 || b.len() < 2 {
        return None;
    }
    let estimate = median(a)? - median(b)?;
    interval(estimate, |rng| Some(median(&resample(a, rng))? - median(&resample(b, rng))?))
}

fn interval(estimate: f64, mut draw: impl FnMut(&mut SmallRng) -> Option<f64>) -> Option<Interval> {
    let mut rng = SmallRng::seed_from_u64(SEED);
    let mut drawn = (0..RESAMPLES).map(|_| draw(&mut rng)).collect::<Option<Vec<f64>>>()?;
    drawn.sort_by(f64::total_cmp);
    let tail = RESAMPLES / 40;
    Some(Interval { estimate, low: drawn[tail], high: drawn[RESAMPLES - 1 - tail] })
}

fn resample(values: &[f64], rng: &mut SmallRng) -> Vec<f64> {
    (0..values.len()).map(|_| values[rng.random_range(0..values.len())]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn an_interval_holds_its_estimate_and_equal_values_have_no_width() {
        let interval = median_interval(&[5.0, 5.0, 5.0]).unwrap();
        assert_eq!((interval.low, interval.high), (5.0, 5.0));
        let interval = median_interval(&[1.0, 2.0, 9.0, 4.0, 3.0]).unwrap();
        assert!(interval.low <= interval.estimate && interval.estimate <= interval.high);
    }

    #[test]
    fn a_difference_far_larger_than_the_spread_excludes_zero() {
        let difference = difference_interval(&[10.0, 11.0, 10.5], &[1.0, 1.2, 1.1]).unwrap();
        assert!(difference.low > 0.0);
    }

    #[test]
    fn one_round_carries_no_interval() {
        assert_eq!(median_interval(&[1.0]), None);
        assert_eq!(difference_interval(&[1.0], &[2.0, 3.0]), None);
    }
}
