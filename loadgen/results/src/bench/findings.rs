//! What became of the targets: met, missed, or not measured.

use super::figures::Spread;
use super::{Bench, Contender, Growth, Quantity, Section, Target};

/// One target and what was seen of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding<'a> {
    /// What was asked.
    pub asked: Asked<'a>,
    /// The value that the bound is for: a multiple, or us per unit, bytes, ns. `None` where it was not measured.
    pub seen: Option<Spread>,
    /// What that makes.
    pub outcome: Outcome,
}

/// Where a target stands in the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Asked<'a> {
    /// In a section.
    Of(&'a Section, &'a Target),
    /// Between two.
    Between(&'a Growth),
}

/// What became of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The median over rounds is within the bound.
    Met,
    /// It is above it.
    Missed,
    /// Somebody who is needed to tell was not measured.
    NotMeasured,
    /// Nobody's measurement of it is to be believed.
    Invalid,
}

impl Bench {
    /// Every target of every section, then every growth.
    pub fn findings(&self) -> Vec<Finding<'_>> {
        let of_section = |section| self.of_section(section);
        let growths = self.growth.iter().map(|growth| {
            let (seen, is_invalid) = self.grown(growth);
            finding(Asked::Between(growth), seen, growth.at_most, is_invalid)
        });
        self.sections.iter().flat_map(of_section).chain(growths).collect()
    }

    fn of_section<'a>(&self, section: &'a Section) -> Vec<Finding<'a>> {
        let tell = |target: &'a Target| {
            let ours = section.find(&target.contender);
            let against = target.against.as_ref().map(|name| section.find(name));
            let seen = ours.and_then(|ours| match against {
                None => ours.figure(target.quantity),
                Some(other) => ours.ratio(other?, target.quantity),
            });
            let is_invalid = [ours, against.flatten()].into_iter().flatten().any(Contender::is_invalid);
            finding(Asked::Of(section, target), seen, target.at_most, is_invalid)
        };
        section.targets.iter().map(tell).collect()
    }

    /// How a contender's CPU per unit grew, and whether that was of invalid measurements. The sections share no rounds, so the
    /// divisor's growth is divided out within each, and the spread is the widest that the rounds allow.
    fn grown(&self, growth: &Growth) -> (Option<Spread>, bool) {
        let cost = |name: &str| {
            let section = self.sections.iter().find(|section| section.name == name)?;
            let ours = section.find(&growth.contender)?;
            match &growth.divide_by {
                None => Some((ours.figure(Quantity::Cpu)?, ours.is_invalid())),
                Some(divisor) => {
                    let divisor = section.find(divisor)?;
                    Some((ours.ratio(divisor, Quantity::Cpu)?, ours.is_invalid() || divisor.is_invalid()))
                }
            }
        };
        match (cost(&growth.from), cost(&growth.to)) {
            (Some((from, of_invalid)), Some((to, is_invalid))) => (to.over(from), of_invalid || is_invalid),
            _ => (None, false),
        }
    }
}

fn finding(asked: Asked<'_>, seen: Option<Spread>, at_most: f64, is_invalid: bool) -> Finding<'_> {
    let outcome = match seen {
        None => Outcome::NotMeasured,
        Some(_) if is_invalid => Outcome::Invalid,
        Some(seen) if seen.median <= at_most => Outcome::Met,
        Some(_) => Outcome::Missed,
    };
    Finding { asked, seen, outcome }
}
