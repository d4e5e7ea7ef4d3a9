//! What became worse between two sets of rounds, and how often chance alone would make it look so.

use crate::statistics::{assumes_normal, unpaired_chance};
use crate::{Difference, Finding, Quantity, Rounds, differences};

/// Rounds after a change held against those before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Regressions {
    /// Every quantity that at least two rounds of both sides measured, after minus before.
    pub compared: Vec<Difference>,
    /// Those of them that became worse: distinguishable, and by more than the tolerance.
    pub worse: Vec<Difference>,
    /// Chance that two equal builds give at least one regression, as a share of one: the sum over quantities of the chance of
    /// each, which is an upper bound. It holds if nothing but chance moves the rounds, see [`unpaired_chance`].
    pub chance: f64,
    /// True where there are too few rounds for the rank test, so that they are taken to be about normally distributed.
    pub assumes_normal: bool,
}

impl Regressions {
    /// What became worse by more than `tolerance`, a share of what it was. `None` where a side has fewer than two rounds: a
    /// single run has no spread, so no change can be told from chance.
    pub fn between(after: &Rounds<'_>, before: &Rounds<'_>, tolerance: f64) -> Option<Self> {
        if after.runs.len().min(before.runs.len()) < 2 {
            return None;
        }
        let mut compared = differences(after, before);
        compared.retain(|difference| difference.finding() != Finding::SpreadUnknown);
        let worse = compared.iter().copied().filter(|difference| is_regression(difference, tolerance)).collect();
        let rounds = |side: &Rounds<'_>, quantity| side.values(quantity).len();
        let counts: Vec<(usize, usize)> = compared
            .iter()
            .map(|difference| (rounds(after, difference.quantity), rounds(before, difference.quantity)))
            .collect();
        let chance = counts.iter().filter_map(|&(new, old)| unpaired_chance(new, old)).sum::<f64>().min(1.0);
        let assumes_normal = counts.iter().any(|&(new, old)| assumes_normal(new, old));
        Some(Self { compared, worse, chance, assumes_normal })
    }

    /// What was compared.
    pub fn quantities(&self) -> Vec<Quantity> {
        self.compared.iter().map(|difference| difference.quantity).collect()
    }
}

fn is_regression(difference: &Difference, tolerance: f64) -> bool {
    difference.finding() == Finding::Higher && difference.estimate() > tolerance * difference.second.abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::{median, unpaired_difference};

    fn difference(after: &[f64], before: &[f64]) -> Difference {
        Difference {
            quantity: Quantity::ServerCpu,
            first: median(after).unwrap(),
            second: median(before).unwrap(),
            interval: unpaired_difference(after, before),
            paired: false,
            rounds: after.len(),
            resolution: 0.0,
        }
    }

    #[test]
    fn a_regression_is_told_apart_and_worse_by_more_than_the_tolerance() {
        let before = [100.0, 101.0, 100.5];
        let worse = difference(&[130.0, 131.0, 130.5], &before);
        assert!(is_regression(&worse, 0.1));
        assert!(!is_regression(&worse, 0.5), "within the tolerance");
        assert!(!is_regression(&difference(&[130.0, 90.0, 150.0], &before), 0.1), "may be chance");
        assert!(!is_regression(&difference(&[50.0, 51.0, 50.5], &before), 0.1), "better");
    }

    #[test]
    fn a_single_value_is_no_regression_however_large() {
        assert!(!is_regression(&difference(&[900.0], &[100.0]), 0.1));
        assert!(!is_regression(&difference(&[900.0], &[100.0, 101.0, 99.0]), 0.1));
    }
}
