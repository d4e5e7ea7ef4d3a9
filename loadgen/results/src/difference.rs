//! Two contenders side by side: in which quantities they can be told apart, and by how much.

use crate::statistics::{Interval, median, paired_difference, unpaired_difference};
use crate::{Quantity, Run};

/// Differences below this share of the smaller median are called not distinguishable whatever their interval says:
/// histograms have three digits, and where a process comes to lie in memory alone moves its speed by about a per cent
/// (Mytkowicz et al., *Producing Wrong Data Without Doing Anything Obviously Wrong*, 2009).
pub const NOISE_FLOOR: f64 = 0.01;

/// The rounds of one contender that count.
#[derive(Debug, Clone)]
pub struct Rounds<'a> {
    /// What the contender is called.
    pub label: String,
    /// Its runs. Two runs of different contenders with the same number were made side by side and are compared as a
    /// pair; a run without a number has no such partner.
    pub runs: Vec<(Option<usize>, &'a Run)>,
}

impl Rounds<'_> {
    /// A quantity round by round, where it was measured.
    pub fn values(&self, quantity: Quantity) -> Vec<f64> {
        self.runs.iter().filter_map(|(_, run)| quantity.of(run)).collect()
    }

    /// Median of a quantity over rounds.
    pub fn median(&self, quantity: Quantity) -> Option<f64> {
        median(&self.values(quantity))
    }

    fn resolution(&self, quantity: Quantity) -> f64 {
        self.runs.iter().map(|(_, run)| quantity.resolution(run)).fold(0.0, f64::max)
    }

    fn pairs(&self, other: &Self, quantity: Quantity) -> Vec<(f64, f64)> {
        let partner = |round: Option<usize>| other.runs.iter().find(|(theirs, _)| round.is_some() && *theirs == round);
        let pair = |(round, run): &(Option<usize>, &Run)| {
            Some((quantity.of(run)?, partner(*round).and_then(|(_, run)| quantity.of(run))?))
        };
        self.runs.iter().filter_map(pair).collect()
    }
}

/// Most contenders of which every pair is compared: of more, the pairs would be too many to read.
pub const MOST_IN_ALL_PAIRS: usize = 6;

/// Who is held against whom, by their places: every pair; of more than [`MOST_IN_ALL_PAIRS`] contenders, each against the first
/// one of its transport.
pub fn opponents(contenders: &[Rounds<'_>]) -> Vec<(usize, usize)> {
    let transport = |place: usize| contenders[place].runs.first().map(|(_, run)| run.asked.transport.as_str());
    let is_first = |place: usize| (0..place).all(|earlier| transport(earlier) != transport(place));
    let has_few = contenders.len() <= MOST_IN_ALL_PAIRS;
    let meet = |a: usize, b: usize| has_few || (is_first(a) && transport(a) == transport(b));
    let after = |a: usize| (a + 1..contenders.len()).map(move |b| (a, b));
    (0..contenders.len()).flat_map(after).filter(|&(a, b)| meet(a, b)).collect()
}

/// What a difference says about the first of two contenders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Its value is lower than the second's.
    Lower,
    /// Its value is higher than the second's.
    Higher,
    /// The difference may well be chance.
    NotDistinguishable,
    /// There are too few rounds to say.
    SpreadUnknown,
}

impl Finding {
    /// As it is told.
    pub fn word(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Higher => "higher",
            Self::NotDistinguishable => "not distinguishable",
            Self::SpreadUnknown => "spread unknown",
        }
    }
}

/// The difference of two contenders in one quantity, first minus second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// In what they are compared.
    pub quantity: Quantity,
    /// Median of the first.
    pub first: f64,
    /// Median of the second.
    pub second: f64,
    /// The difference with its interval, which holds together with those of the other quantities in 95 % of cases;
    /// `None` with fewer than two rounds.
    pub interval: Option<Interval>,
    /// True when rounds were compared pair by pair.
    pub paired: bool,
    /// Rounds that it is made from: pairs, or those of the side with fewer.
    pub rounds: usize,
    /// How finely the quantity is known in its coarsest round, in its unit.
    pub resolution: f64,
}

impl Difference {
    /// Compares two contenders; `None` when one of them was not measured.
    pub fn between(first: &Rounds<'_>, second: &Rounds<'_>, quantity: Quantity) -> Option<Self> {
        let pairs = first.pairs(second, quantity);
        let (a, b) = (first.values(quantity), second.values(quantity));
        let paired = paired_difference(&pairs);
        Some(Self {
            quantity,
            first: median(&a)?,
            second: median(&b)?,
            interval: paired.or_else(|| unpaired_difference(&a, &b)),
            paired: paired.is_some(),
            rounds: if paired.is_some() { pairs.len() } else { a.len().min(b.len()) },
            resolution: first.resolution(quantity).max(second.resolution(quantity)),
        })
    }

    /// The difference itself: of the pairs where there are any, else of the medians.
    pub fn estimate(&self) -> f64 {
        self.interval.map_or(self.first - self.second, |interval| interval.estimate)
    }

    /// What is smaller is noise, or lost in the counting: each of two counts may be off by what it is counted in, at both
    /// ends of the window.
    fn floor(&self) -> f64 {
        (NOISE_FLOOR * self.first.abs().min(self.second.abs())).max(2.0 * self.resolution)
    }

    /// What can be said.
    pub fn finding(&self) -> Finding {
        match self.interval {
            None => Finding::SpreadUnknown,
            Some(interval) if !interval.excludes_zero() => Finding::NotDistinguishable,
            Some(interval) if interval.estimate.abs() < self.floor() => Finding::NotDistinguishable,
            Some(interval) if interval.estimate < 0.0 => Finding::Lower,
            Some(_) => Finding::Higher,
        }
    }

    /// The larger as a multiple of the smaller: the difference with its interval over the smaller median, so that it holds
    /// 1 exactly when the interval of the difference holds zero. `None` where they cannot be told apart, or where the
    /// smaller is not above zero.
    pub fn multiple(&self) -> Option<Interval> {
        let Interval { estimate, low, high } = self.interval?;
        let (smaller, [estimate, near, far]) = match self.finding() {
            Finding::Higher => (self.second, [estimate, low, high]),
            Finding::Lower => (self.first, [-estimate, -high, -low]),
            Finding::NotDistinguishable | Finding::SpreadUnknown => return None,
        };
        let of = |difference: f64| 1.0 + difference / smaller;
        (smaller > 0.0).then(|| Interval { estimate: of(estimate), low: of(near), high: of(far) })
    }
}

/// All quantities that both contenders have.
pub fn differences(first: &Rounds<'_>, second: &Rounds<'_>) -> Vec<Difference> {
    Quantity::ALL.into_iter().filter_map(|quantity| Difference::between(first, second, quantity)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(rounds: &[(f64, f64)]) -> Difference {
        let (a, b): (Vec<f64>, Vec<f64>) = rounds.iter().copied().unzip();
        Difference {
            quantity: Quantity::ServerCpu,
            first: median(&a).unwrap(),
            second: median(&b).unwrap(),
            interval: paired_difference(rounds),
            paired: true,
            rounds: rounds.len(),
            resolution: 0.0,
        }
    }

    #[test]
    fn a_clear_difference_is_higher_one_way_and_lower_the_other() {
        let rounds = [(27.0, 8.0), (27.4, 8.2), (27.2, 8.1)];
        let swapped = rounds.map(|(a, b)| (b, a));
        assert_eq!(difference(&rounds).finding(), Finding::Higher);
        assert_eq!(difference(&swapped).finding(), Finding::Lower);
        let multiple = difference(&rounds).multiple().unwrap();
        assert!(multiple.low > 1.0 && (multiple.estimate - 3.36).abs() < 0.01, "{multiple:?}");
        assert_eq!(difference(&swapped).multiple(), Some(multiple));
    }

    #[test]
    fn three_rounds_that_agree_in_sign_alone_are_not_distinguishable() {
        assert_eq!(difference(&[(9.0, 8.0), (9.6, 8.1), (8.5, 8.2)]).finding(), Finding::NotDistinguishable);
    }

    #[test]
    fn a_steady_difference_below_the_noise_floor_is_not_distinguishable() {
        assert_eq!(difference(&[(100.5, 100.0); 3]).finding(), Finding::NotDistinguishable);
        assert_eq!(difference(&[(101.5, 100.0); 3]).finding(), Finding::Higher);
    }

    #[test]
    fn counts_that_are_as_coarse_as_their_difference_are_not_distinguishable() {
        let coarse = Difference { resolution: 16.7, ..difference(&[(33.4, 16.7); 3]) };
        assert_eq!(coarse.finding(), Finding::NotDistinguishable);
        assert_eq!(Difference { resolution: 1.67, ..coarse }.finding(), Finding::Higher);
    }

    #[test]
    fn one_round_has_an_unknown_spread() {
        assert_eq!(difference(&[(27.0, 8.0)]).finding(), Finding::SpreadUnknown);
        assert_eq!(difference(&[(27.0, 8.0)]).multiple(), None);
    }
}
