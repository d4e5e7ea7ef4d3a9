//! What a comparison found, in one sentence made from the figures.

use crate::statistics::Interval;
use crate::{Difference, Finding, Quantity, Rounds};

/// How all contenders stand to each other: what cannot be told apart, and what the costliest costs.
///
/// Each quantity is told against the contender with the lowest median; p99 is told only where it is the same for all.
pub fn headline(contenders: &[Rounds<'_>]) -> String {
    let standings: Vec<Standing<'_>> = Quantity::ALL.into_iter().filter_map(|q| standing(contenders, q)).collect();
    let (level, uneven): (Vec<&Standing<'_>>, Vec<&Standing<'_>>) =
        standings.iter().partition(|standing| standing.tied.len() == contenders.len());
    let mut clauses: Vec<String> = uneven.into_iter().filter_map(Standing::clause).collect();
    if let Some(first) = level.first() {
        let quantities: Vec<&str> = level.iter().map(|standing| standing.quantity.name()).collect();
        let clause = format!("{} cannot be told apart in {} here", all_of(&first.tied), list(&quantities, "or"));
        // Latency is what is asked for first.
        clauses.insert(if first.quantity == Quantity::P50 { 0 } else { clauses.len() }, clause);
    }
    if clauses.is_empty() {
        return "One valid round each carries no spread: which differences are chance is not known.".to_owned();
    }
    clauses.join("; ") + "."
}

/// One quantity, seen from the contender with the lowest median.
struct Standing<'a> {
    quantity: Quantity,
    /// The lowest, and those that cannot be told from it.
    tied: Vec<&'a str>,
    /// The highest of those that can, and how many times the lowest it is.
    highest: Option<(&'a str, Option<Interval>)>,
}

fn standing<'a>(contenders: &'a [Rounds<'_>], quantity: Quantity) -> Option<Standing<'a>> {
    let mut measured: Vec<(&Rounds<'_>, f64)> =
        contenders.iter().filter_map(|rounds| Some((rounds, rounds.median(quantity)?))).collect();
    measured.sort_by(|a, b| a.1.total_cmp(&b.1));
    let ((lowest, _), others) = measured.split_first()?;
    let place = |label: &str| contenders.iter().position(|rounds| rounds.label == label);
    let mut standing = Standing { quantity, tied: vec![lowest.label.as_str()], highest: None };
    for (other, _) in others {
        let difference = Difference::between(other, lowest, quantity)?;
        match difference.finding() {
            Finding::Higher => standing.highest = Some((&other.label, difference.multiple())),
            Finding::NotDistinguishable => standing.tied.push(&other.label),
            Finding::Lower | Finding::SpreadUnknown => {}
        }
    }
    // Equals are told in the order in which they were asked.
    if standing.tied.len() == measured.len() {
        standing.tied.sort_by_key(|label| place(label));
    }
    (!others.is_empty()).then_some(standing)
}

impl Standing<'_> {
    fn clause(&self) -> Option<String> {
        let (lowest, quantity) = (self.tied[0], self.quantity.name());
        let tie = (self.quantity == Quantity::P50 && self.tied.len() > 1)
            .then(|| format!("{} cannot be told apart in {quantity} here", list(&self.tied, "and")));
        let verb = match self.quantity {
            Quantity::P99 => return None,
            Quantity::P50 => "takes",
            Quantity::WireBytes | Quantity::StreamBytes | Quantity::ServerCpu | Quantity::ServerRss => "costs",
        };
        let cost = self.highest.map(|(highest, ratio)| match ratio {
            Some(ratio) => format!("{highest} {verb} {} the {quantity} of {lowest}", multiple(ratio)),
            None => format!("{highest} {verb} more {quantity} than {lowest}"),
        });
        let parts: Vec<String> = [tie, cost].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// `2.1x [1.9, 2.3]`.
pub fn multiple(ratio: Interval) -> String {
    let Interval { estimate, low, high } = ratio;
    let decimals = match estimate.abs() {
        large if large >= 1000.0 => {
            let [estimate, low, high] = [estimate, low, high].map(thousands);
            return format!("{estimate}x [{low}, {high}]");
        }
        large if large >= 100.0 => 0,
        middle if middle >= 2.0 => 1,
        _ => 2,
    };
    format!("{estimate:.decimals$}x [{low:.decimals$}, {high:.decimals$}]")
}

/// Rounded, thousands apart: `1,585`.
fn thousands(value: f64) -> String {
    let whole = value.round() as i64;
    if whole.abs() < 1000 { whole.to_string() } else { format!("{},{:03}", whole / 1000, whole.abs() % 1000) }
}

fn all_of(names: &[&str]) -> String {
    match names {
        [_, _] => list(names, "and"),
        _ => format!("all of {}", list(names, "and")),
    }
}

/// `a`, `a and b`, `a, b and c`.
fn list(names: &[&str], last: &str) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_multiple_has_the_digits_that_its_size_deserves() {
        let of = |estimate: f64| multiple(Interval { estimate, low: estimate * 0.9, high: estimate * 1.1 });
        assert_eq!([of(1.21), of(2.1), of(1234.0)], ["1.21x [1.09, 1.33]", "2.1x [1.9, 2.3]", "1,234x [1,111, 1,357]"]);
    }

    #[test]
    fn names_are_listed_as_one_would_say_them() {
        assert_eq!(list(&["sse", "ws", "long-poll"], "and"), "sse, ws and long-poll");
        assert_eq!(all_of(&["sse", "ws", "long-poll"]), "all of sse, ws and long-poll");
    }
}
