//! `loadgen diff`: stored results against stored results, and an exit code when something became worse.

use std::path::Path;

use anyhow::bail;
use results::numbers::{percent, signed};
use results::{Difference, Finding, LoadedRun, Quantity, load_rounds};

use super::End;
use crate::config::DiffArgs;
use crate::side_by_side::{Contender, findings, show, table};

/// Prints the same as a comparison for every pair, and the regressions.
pub fn exec(args: &DiffArgs) -> anyhow::Result<End> {
    let pairs = matched(contenders(&args.before)?, contenders(&args.after)?)?;
    println!("A = {}\nB = {}", args.before.display(), args.after.display());
    let mut end = End::Fine;
    for pair in &pairs {
        let [after, before] = pair;
        let (_, asked_before) = &before.runs[0];
        for difference in asked_before.asked.differs_from(&after.runs[0].1.asked) {
            println!("NOT THE SAME WORKLOAD: {difference}");
        }
        print!("{}{}", table(&[before.clone(), after.clone()]), findings(pair));
        let (told, outcome) = regressions(pair, args.tolerance);
        println!("{told}");
        end = end.max(outcome);
    }
    Ok(end)
}

/// The contenders of one side, named as they are in their comparison. Rounds of different sides are no pairs.
fn contenders(folder: &Path) -> anyhow::Result<Vec<Contender>> {
    let mut contenders: Vec<Contender> = Vec::new();
    for loaded in load_rounds(folder)? {
        let label = loaded.contender();
        let LoadedRun { run, .. } = loaded;
        match contenders.iter_mut().find(|contender| contender.label == label) {
            Some(contender) => contender.runs.push((None, run)),
            None => contenders.push(Contender { label, runs: vec![(None, run)] }),
        }
    }
    Ok(contenders)
}

/// After and before, pair by pair: what is new stands first, so that a plus is more than before. A contender without its
/// like on the other side is named; two single contenders are a pair whatever they are called.
fn matched(mut before: Vec<Contender>, mut after: Vec<Contender>) -> anyhow::Result<Vec<[Contender; 2]>> {
    let named = |side: &str, contender: Contender| {
        let label = format!("{} {side}", contender.label);
        Contender { label, ..contender }
    };
    if let ([_], [_]) = (&before[..], &after[..]) {
        return Ok(vec![[named("B", after.remove(0)), named("A", before.remove(0))]]);
    }
    let mut pairs = Vec::new();
    for old in before {
        match after.iter().position(|new| new.label == old.label) {
            Some(place) => pairs.push([named("B", after.remove(place)), named("A", old)]),
            None => println!("ONLY IN A: {}", old.label),
        }
    }
    after.iter().for_each(|new| println!("ONLY IN B: {}", new.label));
    if pairs.is_empty() {
        bail!("the two results have no contender in common: expected one name that is in both");
    }
    Ok(pairs)
}

/// What became worse by more than `tolerance`, in words and as an outcome.
fn regressions([after, before]: &[Contender; 2], tolerance: f64) -> (String, End) {
    let (new, old) = (after.valid(), before.valid());
    if let Some(side) = [&old, &new].into_iter().find(|side| side.runs.is_empty()) {
        return (format!("NOT COMPARED: no round of {} is valid.", side.label), End::Invalid);
    }
    let compared = Quantity::ALL.into_iter().filter_map(|quantity| Difference::between(&new, &old, quantity));
    let compared: Vec<Difference> = compared.collect();
    let worse: Vec<String> =
        compared.iter().filter(|difference| is_regression(difference, tolerance)).map(told).collect();
    let mut lines = Vec::new();
    if compared.iter().any(|difference| difference.interval.is_none()) {
        lines.push(format!(
            "One valid round has no spread: intervals are unknown, what exceeds {} counts, and chance cannot be ruled out.",
            percent(tolerance)
        ));
    }
    if worse.is_empty() {
        lines.push(format!("No regression beyond {}.", percent(tolerance)));
        return (lines.join("\n"), End::Fine);
    }
    lines.push(format!("REGRESSION beyond {}: {}.", percent(tolerance), worse.join("; ")));
    (lines.join("\n"), End::AssertionFailed)
}

/// Worse by more than the tolerance, and not by chance as far as that is known.
fn is_regression(difference: &Difference, tolerance: f64) -> bool {
    let beyond = difference.estimate() > tolerance * difference.second.abs();
    beyond && matches!(difference.finding(), Finding::Higher | Finding::SpreadUnknown)
}

fn told(difference: &Difference) -> String {
    let unit = difference.quantity.unit();
    let change = signed(difference.estimate(), |value| show(unit, value));
    let part = difference.estimate() / difference.second.abs();
    format!("{} {change} ({})", difference.quantity.name(), signed(part, percent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use results::statistics::unpaired_difference;

    fn difference(after: &[f64], before: &[f64]) -> Difference {
        let median = |values: &[f64]| results::statistics::median(values).unwrap();
        Difference {
            quantity: Quantity::ServerCpu,
            first: median(after),
            second: median(before),
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
    fn single_runs_are_held_against_the_tolerance_alone() {
        assert!(is_regression(&difference(&[120.0], &[100.0]), 0.1));
        assert!(!is_regression(&difference(&[105.0], &[100.0]), 0.1));
    }
}
