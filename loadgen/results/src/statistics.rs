//! Statistics over rounds: medians, and 95 % bootstrap intervals of medians and of differences, honest for few rounds.
//!
//! The *percentile* bootstrap is too narrow for few rounds: of three rounds it can give no more than their smallest and
//! largest, which holds the true median in 75 % of cases, not 95 % (Hesterberg, *What Teachers Should Know About the
//! Bootstrap*, The American Statistician 69, 2015, section 4). So the bootstrap is asked only for the standard error of the
//! median; that error is freed of its bias by `sqrt(n / (n - 1))`, and the interval is the median plus and minus Student's t
//! for `n - 1` degrees of freedom times it (Hesterberg's t interval with bootstrap standard error; Georges, Buytaert and
//! Eeckhout, *Statistically Rigorous Java Performance Evaluation*, 2007, argue for t with fewer than thirty runs). In
//! simulations with normal, long-tailed and contaminated rounds it errs in 1 to 5 of 100 cases from two rounds on. From six
//! rounds on (eight at 99 %) their smallest and largest value hold the median often enough by themselves, whatever the
//! distribution, so the interval ends there at the latest.
//!
//! Differences within a round are paired, so that what drifts from round to round cancels. A pair of contenders is
//! compared in five quantities, and one false alarm would be enough to call equal things different: each difference
//! therefore has the level 99 %, so that all five together have 95 % (Bonferroni).
//!
//! Rounds that are no pairs are compared by the exact rank test (`rank`) as soon as there are enough for that level, five
//! against five: it holds for every distribution, and one round that was disturbed costs it little. With fewer, Student's t
//! has to do. How often either is wrong on rounds that were recorded, `examples/false_alarms.rs` shows.

mod rank;
mod student;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use student::t_quantile;

/// Resamples per interval: the standard error is then steady to about one per cent.
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

impl Interval {
    fn around(estimate: f64, half: f64) -> Self {
        Self { estimate, low: estimate - half, high: estimate + half }
    }

    /// True when the interval leaves zero out.
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// What an interval promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// 95 %.
    One,
    /// 99 %: five intervals of this level hold together in 95 %.
    OneOfFive,
}

impl Level {
    /// Rounds of which the smallest and largest hold the median at this level: in `1 - 2 / 2^n` of all cases.
    fn enough(self) -> usize {
        match self {
            Self::One => 6,
            Self::OneOfFive => 8,
        }
    }

    /// Chance of an error at one end.
    fn at_one_end(self) -> f64 {
        match self {
            Self::One => 0.025,
            Self::OneOfFive => 0.005,
        }
    }
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
///
/// What is never below zero (times, sizes, counts) has no interval that is.
pub fn median_interval(values: &[f64]) -> Option<Interval> {
    let interval = interval(Level::One, values)?;
    let floor = if values.iter().all(|value| *value >= 0.0) { 0.0 } else { f64::NEG_INFINITY };
    Some(Interval { low: interval.low.max(floor), ..interval })
}

/// Median of the differences within rounds, first minus second, one of five; `None` for fewer than two rounds.
pub fn paired_difference(rounds: &[(f64, f64)]) -> Option<Interval> {
    let differences: Vec<f64> = rounds.iter().map(|(a, b)| a - b).collect();
    interval(Level::OneOfFive, &differences)
}

fn interval(level: Level, values: &[f64]) -> Option<Interval> {
    let half = t_quantile(level, values.len().checked_sub(1)?)? * standard_error(values);
    let Interval { estimate, low, high } = Interval::around(median(values)?, half);
    if values.len() < level.enough() {
        return Some(Interval { estimate, low, high });
    }
    let smallest = values.iter().copied().fold(estimate, f64::min);
    let largest = values.iter().copied().fold(estimate, f64::max);
    Some(Interval { estimate, low: low.max(smallest), high: high.min(largest) })
}

/// How far `a` lies above `b`, which share no rounds, one of five; `None` when either has fewer than two values.
///
/// The interval is that of the exact rank test, its estimate the median of all differences (Hodges and Lehmann); with too few
/// values for that, the difference of the medians plus and minus Student's t times its standard error, with the degrees of
/// freedom of the smaller side, which is the cautious choice.
pub fn unpaired_difference(a: &[f64], b: &[f64]) -> Option<Interval> {
    let t = t_quantile(Level::OneOfFive, a.len().min(b.len()).checked_sub(1)?)?;
    if let Some(interval) = rank::shift(a, b, Level::OneOfFive.at_one_end()) {
        return Some(interval);
    }
    let half = t * standard_error(a).hypot(standard_error(b));
    Some(Interval::around(median(a)? - median(b)?, half))
}

/// True where [`unpaired_difference`] of `a` and `b` values takes them to be about normally distributed: there are too few for
/// the rank test.
pub fn assumes_normal(a: usize, b: usize) -> bool {
    rank::ends(a, b, Level::OneOfFive.at_one_end()).is_none()
}

/// Chance that [`unpaired_difference`] of `a` and `b` values of one distribution lies above zero as a whole, as a share of one;
/// `None` where it gives no interval. Exact for the rank test, at most this for normally distributed values with fewer.
pub fn unpaired_chance(a: usize, b: usize) -> Option<f64> {
    let nominal = Level::OneOfFive.at_one_end();
    (a.min(b) >= 2).then(|| rank::ends(a, b, nominal).map_or(nominal, |ends| ends.chance))
}

/// Standard error of the median by the bootstrap, freed of its bias for few values.
fn standard_error(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mut rng = SmallRng::seed_from_u64(SEED);
    let medians: Vec<f64> = (0..RESAMPLES).filter_map(|_| median(&resample(values, &mut rng))).collect();
    let mean = medians.iter().sum::<f64>() / medians.len() as f64;
    let variance = medians.iter().map(|median| (median - mean).powi(2)).sum::<f64>() / medians.len() as f64;
    (variance * n / (n - 1.0)).sqrt()
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
        assert!(interval.low < interval.estimate && interval.estimate < interval.high);
    }

    #[test]
    fn three_rounds_are_given_more_than_their_range() {
        let interval = median_interval(&[9.0, 10.0, 11.0]).unwrap();
        // t(2) = 4.303, standard error of the median of three equally spaced values sqrt(14/27 * 3/2) = 0.882.
        assert!((interval.low - 6.21).abs() < 0.1 && (interval.high - 13.79).abs() < 0.1, "{interval:?}");
    }

    #[test]
    fn many_rounds_are_given_no_more_than_their_range() {
        let values = [1.0, 1.1, 1.2, 9.0, 9.1, 1.3];
        let interval = median_interval(&values).unwrap();
        assert!(interval.low == 1.0 && interval.high <= 9.1, "{interval:?}");
        assert!(median_interval(&values[..5]).unwrap().low < 1.0);
    }

    #[test]
    fn a_time_is_not_said_to_be_below_zero_and_a_difference_may_be() {
        assert_eq!(median_interval(&[1.0, 9.0]).unwrap().low, 0.0);
        assert!(median_interval(&[1.0, -9.0]).unwrap().low < -9.0);
        assert!(paired_difference(&[(1.0, 0.5), (9.0, 0.5)]).unwrap().low < 0.0);
    }

    #[test]
    fn a_drift_over_rounds_does_not_hide_a_difference_within_them() {
        let rounds = [(10.0, 8.0), (20.0, 18.1), (30.0, 27.9), (40.0, 38.0)];
        assert!(paired_difference(&rounds).unwrap().excludes_zero());
        let (a, b): (Vec<f64>, Vec<f64>) = rounds.into_iter().unzip();
        assert!(!unpaired_difference(&a, &b).unwrap().excludes_zero());
    }

    #[test]
    fn a_difference_far_larger_than_the_spread_excludes_zero() {
        assert!(unpaired_difference(&[10.0, 10.2, 10.1], &[1.0, 1.2, 1.1]).unwrap().low > 0.0);
        assert!(unpaired_difference(&[1.0, 1.2, 1.1], &[10.0, 10.2, 10.1]).unwrap().high < 0.0);
    }

    #[test]
    fn one_round_carries_no_interval() {
        assert_eq!(median_interval(&[1.0]), None);
        assert_eq!(median_interval(&[]), None);
        assert_eq!(paired_difference(&[(1.0, 2.0)]), None);
        assert_eq!(unpaired_difference(&[1.0], &[2.0, 3.0]), None);
    }

    #[test]
    fn the_chance_of_an_error_is_told_for_every_number_of_rounds() {
        let chances = [(1, 9), (2, 2), (5, 5)].map(|(a, b)| unpaired_chance(a, b));
        assert_eq!(chances[..2], [None, Some(0.005)]);
        assert!((chances[2].unwrap() - 1.0 / 252.0).abs() < 1e-9);
    }

    #[test]
    fn equal_builds_lie_above_each_other_no_more_often_than_is_told() {
        let mut rng = SmallRng::seed_from_u64(11);
        let mut normal = move || (0..12).map(|_| rng.random_range(0.0..1.0)).sum::<f64>() - 6.0;
        let mut hold = |rounds: usize, cases: u32, shape: fn(f64) -> f64| {
            let mut side = || (0..rounds).map(|_| shape(normal())).collect::<Vec<f64>>();
            let above = (0..cases).filter(|_| unpaired_difference(&side(), &side()).unwrap().low > 0.0).count();
            let expected = f64::from(cases) * unpaired_chance(rounds, rounds).unwrap();
            // Three standard deviations of a count more.
            assert!(above as f64 <= expected + 3.0 * expected.sqrt(), "{above} of {cases} with {rounds} rounds");
        };
        // The bootstrap, of which few rounds make use, takes its time.
        [2, 3, 4].into_iter().for_each(|rounds| hold(rounds, 200, |x| x));
        for shape in [|x| x, f64::exp, |x: f64| x.powi(5)] as [fn(f64) -> f64; 3] {
            [5, 6, 8].into_iter().for_each(|rounds| hold(rounds, 4_000, shape));
        }
    }

    #[test]
    fn intervals_of_equal_contenders_leave_zero_out_in_at_most_one_of_a_hundred_cases() {
        let mut rng = SmallRng::seed_from_u64(7);
        let mut normal = move || (0..12).map(|_| rng.random_range(0.0..1.0)).sum::<f64>() - 6.0;
        for rounds in [2, 3, 5, 8] {
            const CASES: usize = 500;
            let mut wrong = 0;
            for _ in 0..CASES {
                let drawn: Vec<(f64, f64)> = (0..rounds).map(|_| (normal(), normal())).collect();
                wrong += usize::from(paired_difference(&drawn).unwrap().excludes_zero());
            }
            // One per cent is 5 of 500; 12 would be three standard deviations more.
            assert!(wrong <= 12, "{wrong} of {CASES} with {rounds} rounds");
        }
    }
}
