//! The exact rank test of two samples that share no rounds (Wilcoxon, Mann and Whitney), as the interval of their shift.
//!
//! If both samples come from the same program and nothing drifts, every order of their values is equally likely, whatever their
//! distribution. Of all differences of a value of one with a value of the other, the interval leaves out as many at each end as
//! keep the chance that zero is beyond that end at or below a bound (Hodges and Lehmann, 1963; Hollander and Wolfe,
//! *Nonparametric Statistical Methods*, section 4.3). Of five against five values none is left out: zero is beyond an end
//! exactly when all values of one sample are above all of the other, in one of 252 orders.

use super::{Interval, median};

/// Largest sample whose orders are counted; beyond it their number is as good as normally distributed.
const MOST_COUNTED: usize = 50;

/// The differences that the ends of an interval stand at, counted from the outermost as 1, and the chance of an error at one end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ends {
    /// Place of both ends among the sorted differences, from 1.
    pub(super) place: usize,
    /// Chance that zero is beyond one end although both samples are of one distribution.
    pub(super) chance: f64,
}

/// The narrowest ends whose chance is at most `most`; `None` where the samples are too small for any.
pub(super) fn ends(a: usize, b: usize, most: f64) -> Option<Ends> {
    if a.max(b) > MOST_COUNTED {
        return normal_ends(a, b, most);
    }
    let mut found = None;
    let mut chance = 0.0;
    for (above, share) in orders(a, b).into_iter().enumerate() {
        chance += share;
        if chance > most {
            break;
        }
        found = Some(Ends { place: above + 1, chance });
    }
    found
}

/// Of `z = 2.576`, which belongs to half a per cent; a larger `most` is given no more than that.
fn normal_ends(a: usize, b: usize, most: f64) -> Option<Ends> {
    const QUANTILE: f64 = 2.576;
    const CHANCE: f64 = 0.005;
    let (a, b) = (a as f64, b as f64);
    let place = (a * b / 2.0 - QUANTILE * (a * b * (a + b + 1.0) / 12.0).sqrt()).floor();
    (place >= 1.0 && most >= CHANCE).then_some(Ends { place: place as usize, chance: CHANCE })
}

/// The share of orders of `a` and `b` values in which a value of the first is above one of the second 0, 1, 2 ... times.
fn orders(a: usize, b: usize) -> Vec<f64> {
    // The topmost value is of the first sample, and above all of the second, or it is of the second.
    let mut of_fewer: Vec<Vec<f64>> = vec![vec![1.0]; a + 1];
    for second in 1..=b {
        let mut row: Vec<Vec<f64>> = vec![vec![1.0]];
        for first in 1..=a {
            let all = (first + second) as f64;
            let mut shares = vec![0.0; first * second + 1];
            for (above, share) in row[first - 1].iter().enumerate() {
                shares[above + second] += share * first as f64 / all;
            }
            for (above, share) in of_fewer[first].iter().enumerate() {
                shares[above] += share * second as f64 / all;
            }
            row.push(shares);
        }
        of_fewer = row;
    }
    of_fewer.pop().unwrap_or_default()
}

/// How far `a` lies above `b`, with the interval of the narrowest [`ends`].
pub(super) fn shift(a: &[f64], b: &[f64], most: f64) -> Option<Interval> {
    let Ends { place, .. } = ends(a.len(), b.len(), most)?;
    let mut differences: Vec<f64> = a.iter().flat_map(|a| b.iter().map(move |b| a - b)).collect();
    differences.sort_by(f64::total_cmp);
    let (low, high) = (*differences.get(place - 1)?, *differences.get(differences.len().checked_sub(place)?)?);
    Some(Interval { estimate: median(&differences)?, low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn all_orders_of_few_values_are_counted() {
        // AABB, ABAB, ABBA and BAAB, BABA, BBAA: 0, 1, 2, 2, 3 and 4 times above.
        let shares = orders(2, 2);
        assert!(
            shares.iter().zip([1.0, 1.0, 2.0, 1.0, 1.0]).all(|(share, of_six)| near(*share, of_six / 6.0)),
            "{shares:?}"
        );
        assert!(near(orders(7, 4).iter().sum(), 1.0));
    }

    #[test]
    fn five_against_five_are_the_fewest_of_equal_number_and_err_in_one_of_252_orders() {
        assert_eq!(ends(4, 4, 0.005), None, "one of 70");
        let five = ends(5, 5, 0.005).unwrap();
        assert!(five.place == 1 && near(five.chance, 1.0 / 252.0), "{five:?}");
        // Critical values of U at one half per cent, as in the usual tables (n = 6: 2, n = 8: 7, n = 10: 16, n = 20: 105).
        let critical = [6, 8, 10, 20].map(|n| ends(n, n, 0.005).unwrap().place - 1);
        assert_eq!(critical, [2, 7, 16, 105]);
    }

    #[test]
    fn the_normal_ends_of_many_values_are_about_those_of_counting() {
        let counted = ends(50, 50, 0.005).unwrap().place as f64;
        let normal = normal_ends(50, 50, 0.005).unwrap().place as f64;
        assert!((counted - normal).abs() <= 5.0, "{counted} {normal}");
        assert!(ends(200, 60, 0.005).is_some());
    }

    #[test]
    fn five_values_that_are_all_above_the_other_five_are_a_shift_and_one_that_is_not_hides_it() {
        let low = [1.0, 1.2, 0.9, 1.1, 1.0];
        let apart = shift(&[1.3, 9.0, 1.4, 1.5, 1.3], &low, 0.005).unwrap();
        assert!(near(apart.low, 0.1) && near(apart.high, 8.1) && apart.excludes_zero(), "{apart:?}");
        assert!(!shift(&[1.2, 9.0, 1.4, 1.5, 1.3], &low, 0.005).unwrap().excludes_zero(), "a tie is no order");
    }
}
