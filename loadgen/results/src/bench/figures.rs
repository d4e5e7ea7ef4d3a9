//! What rounds come to: medians with their smallest and largest, and ratios made within a round.

use super::{Contender, Quantity, Round, Section};
use crate::statistics::median;

/// A figure over rounds, in the unit of its values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Median over rounds.
    pub median: f64,
    /// Smallest of a round.
    pub low: f64,
    /// Largest of a round.
    pub high: f64,
}

impl Spread {
    /// Of `values`; `None` of none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(Self { median: median(values)?, low, high })
    }

    /// This one in units of `other`, with which it shares no rounds: the medians' ratio, and how far apart it could be.
    #[must_use]
    pub fn over(self, other: Self) -> Option<Self> {
        let is_positive = other.low > 0.0;
        is_positive.then(|| Self {
            median: self.median / other.median,
            low: self.low / other.high,
            high: self.high / other.low,
        })
    }
}

impl Round {
    /// CPU time per unit, microseconds; `None` where nothing was carried.
    pub fn cpu_us(&self) -> Option<f64> {
        self.per_unit(self.user_us + self.system_us)
    }

    /// One quantity in its unit (us per unit, bytes, ns); `None` where it was not measured.
    pub fn value(&self, quantity: Quantity) -> Option<f64> {
        let value = match quantity {
            Quantity::Cpu => self.cpu_us(),
            Quantity::Rss => self.rss_per_client_bytes,
            Quantity::P99 => self.p99_ns.map(|ns| ns as f64),
        };
        value.filter(|value| value.is_finite())
    }

    fn per_unit(&self, us: f64) -> Option<f64> {
        (self.units > 0).then(|| us / self.units as f64)
    }
}

impl Contender {
    /// The rounds that count, with their places: those that are valid, or all where none is.
    pub fn used(&self) -> impl Iterator<Item = (usize, &Round)> {
        let has_valid = self.rounds.iter().any(|round| round.valid);
        self.rounds.iter().enumerate().filter(move |(_, round)| round.valid || !has_valid)
    }

    /// True when it was measured, and no measurement is to be believed.
    pub fn is_invalid(&self) -> bool {
        !self.rounds.is_empty() && self.rounds.iter().all(|round| !round.valid)
    }

    /// The rounds that do not count, because they are invalid and others are not.
    pub fn left_out(&self) -> Vec<&Round> {
        let is_invalid = self.is_invalid();
        self.rounds.iter().filter(|round| !round.valid && !is_invalid).collect()
    }

    /// A quantity over the rounds that count; `None` where it was not measured.
    pub fn figure(&self, quantity: Quantity) -> Option<Spread> {
        self.over_rounds(|round| round.value(quantity))
    }

    /// Median of delivery latency over the rounds that count, nanoseconds.
    pub fn p50_ns(&self) -> Option<Spread> {
        self.over_rounds(|round| round.p50_ns.map(|ns| ns as f64))
    }

    /// The median CPU time per unit, divided as it is in the median round: user mode and system, microseconds.
    pub fn split_us(&self) -> Option<(f64, f64)> {
        let total = self.figure(Quantity::Cpu)?.median;
        let share = |round: &Round| {
            let both = round.user_us + round.system_us;
            (both > 0.0).then(|| round.user_us / both)
        };
        let user = total * self.over_rounds(share)?.median;
        Some((user, total - user))
    }

    /// A quantity as a multiple of `other`'s, round by round; `None` where no round has both, or the other's is zero.
    pub fn ratio(&self, other: &Self, quantity: Quantity) -> Option<Spread> {
        let theirs: Vec<(usize, f64)> =
            other.used().filter_map(|(place, round)| Some((place, round.value(quantity)?))).collect();
        let ratio = |(place, round): (usize, &Round)| {
            let (_, theirs) = theirs.iter().find(|(their, value)| *their == place && *value > 0.0)?;
            Some(round.value(quantity)? / theirs)
        };
        Spread::of(&self.used().filter_map(ratio).collect::<Vec<_>>())
    }

    fn over_rounds(&self, of: impl Fn(&Round) -> Option<f64>) -> Option<Spread> {
        Spread::of(&self.used().filter_map(|(_, round)| of(round)).collect::<Vec<_>>())
    }
}

impl Section {
    /// A contender's CPU time per unit as a multiple of the floor's, round by round.
    pub fn over_floor(&self, contender: &Contender) -> Option<Spread> {
        contender.ratio(self.floor()?, Quantity::Cpu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Role;

    fn round(cpu_us: f64, valid: bool) -> Round {
        Round {
            units: 1_000,
            user_us: cpu_us * 250.0,
            system_us: cpu_us * 750.0,
            rss_per_client_bytes: None,
            p50_ns: None,
            p99_ns: None,
            valid,
            reasons: Vec::new(),
            run: None,
        }
    }

    fn contender(rounds: &[(f64, bool)]) -> Contender {
        let rounds = rounds.iter().map(|&(cpu_us, valid)| round(cpu_us, valid)).collect();
        Contender { name: "x".into(), role: Role::Peer, variant: None, rounds }
    }

    #[test]
    fn ratios_are_made_within_a_round_so_that_what_drifts_cancels() {
        let (ours, floor) = (
            contender(&[(11.0, true), (22.0, true), (36.0, true)]),
            contender(&[(10.0, true), (20.0, true), (30.0, true)]),
        );
        let ratio = ours.ratio(&floor, Quantity::Cpu).unwrap();
        assert!((ratio.median - 1.1).abs() < 1e-9 && (ratio.high - 1.2).abs() < 1e-9, "{ratio:?}");
        let (user, system) = ours.split_us().unwrap();
        assert!((user - 5.5).abs() < 1e-9 && (user + system - 22.0).abs() < 1e-9);
    }

    #[test]
    fn an_invalid_round_takes_its_partner_out_of_the_ratio() {
        let (ours, floor) = (contender(&[(11.0, true), (60.0, false)]), contender(&[(10.0, true), (10.0, true)]));
        assert_eq!(ours.left_out().len(), 1);
        assert!((ours.ratio(&floor, Quantity::Cpu).unwrap().high - 1.1).abs() < 1e-9);
        let spoilt = contender(&[(11.0, false), (12.0, false)]);
        assert!(spoilt.is_invalid() && spoilt.left_out().is_empty());
        assert_eq!(spoilt.figure(Quantity::Cpu).unwrap().median, 11.5, "shown, and marked");
    }

    #[test]
    fn what_was_not_measured_has_no_figure_and_nothing_is_no_divisor() {
        let (mut none, floor) = (contender(&[(1.0, true)]), contender(&[(0.0, true)]));
        assert_eq!(none.ratio(&floor, Quantity::Cpu), None);
        assert_eq!(none.figure(Quantity::Rss), None);
        none.rounds[0].units = 0;
        assert_eq!(none.figure(Quantity::Cpu), None);
        assert_eq!(contender(&[]).figure(Quantity::Cpu), None);
    }
}
