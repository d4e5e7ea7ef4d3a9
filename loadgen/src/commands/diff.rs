//! `loadgen diff`: stored results against stored results, and an exit code when something became worse.

use std::path::Path;

use anyhow::{anyhow, bail};
use results::numbers::{counted, percent, signed};
use results::{Difference, Ending, LoadedRun, Quantity, Regressions, Rounds, load_rounds};
use results::{mismatches, other_server_flags};

use super::{End, Usage};
use crate::config::DiffArgs;
use crate::side_by_side::{Contender, figures, findings, left_out, show};

/// Prints what is not compared and why, then for every pair the same as a comparison, and the regressions.
pub fn exec(args: &DiffArgs) -> anyhow::Result<End> {
    let pairs = matched(contenders(&args.before)?, contenders(&args.after)?)?;
    let refused: Vec<String> = pairs.iter().flat_map(refusals).collect();
    if !refused.is_empty() {
        let remedy = "Expected two builds under one load, measured alike: repeat one side with the flags of the other.";
        return Err(Usage(anyhow!("{}\n{remedy}", refused.join("\n"))).into());
    }
    pairs.iter().for_each(|pair| results::out!("{}", preface(pair)));
    results::outln!("A = {}\nB = {}", args.before.display(), args.after.display());
    let mut end = End::Fine;
    let mut judged = Vec::new();
    for pair in &pairs {
        let [after, before] = pair;
        if unusable(pair).is_some() {
            end = end.max(End::Invalid);
            continue;
        }
        results::out!("{}{}", figures(&[before.clone(), after.clone()]), findings(pair));
        results::out!("{}", not_compared(pair));
        let Some(regressions) = Regressions::between(&after.valid(), &before.valid(), args.tolerance) else { continue };
        results::out!("{}", verdict(pair, &regressions, args.tolerance));
        if !regressions.worse.is_empty() {
            end = end.max(End::AssertionFailed);
        }
        judged.push(regressions);
    }
    if judged.len() > 1 {
        let chance: f64 = judged.iter().map(|regressions| regressions.chance).sum();
        results::outln!("\nOf all {} pairs together: at most {}.", judged.len(), percent(chance.min(1.0)));
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
            None => results::outln!("ONLY IN A: {}", old.label),
        }
    }
    after.iter().for_each(|new| results::outln!("ONLY IN B: {}", new.label));
    if pairs.is_empty() {
        bail!("the two results have no contender in common: expected one name that is in both");
    }
    Ok(pairs)
}

/// Why the rounds of a pair that count are not comparable, a sentence each: within a side, or across.
fn refusals([after, before]: &[Contender; 2]) -> Vec<String> {
    let mut refused = Vec::new();
    for side in [before, after] {
        let rounds = side.valid();
        let Some(((_, first), others)) = rounds.runs.split_first() else { continue };
        for (_, run) in others {
            let number = side.runs.iter().position(|(_, own)| std::ptr::eq(own, *run)).map_or(0, |place| place + 1);
            let place = format!(" within {}, round {number}", side.label);
            refused.extend(mismatches(first, run).iter().map(|mismatch| mismatch.at(&place)));
        }
    }
    if let (Some((_, old)), Some((_, new))) = (before.valid().runs.first(), after.valid().runs.first()) {
        refused.extend(mismatches(old, new).iter().map(ToString::to_string));
    }
    refused
}

/// What a person has to know before the figures: what was left out, whether there is a verdict at all, other flags.
fn preface(pair: &[Contender; 2]) -> String {
    let [after, before] = pair;
    let mut lines = String::new();
    if let Some(why) = unusable(pair) {
        lines += &format!("NOT COMPARED: {why}\n");
    }
    lines += &left_out(&[before.clone(), after.clone()]);
    let (new, old) = (after.valid(), before.valid());
    let (Some((_, old_run)), Some((_, new_run))) = (old.runs.first(), new.runs.first()) else { return lines };
    if old.runs.len().min(new.runs.len()) < 2 {
        lines += &format!(
            "NO VERDICT: {} against {} of {}: one run cannot tell a change from chance. Figures only.\n\
             For a verdict record rounds of both builds: loadgen compare --transports {} --rounds 5 --out FOLDER\n",
            old.runs.len(),
            counted(new.runs.len(), "valid round"),
            old.label.trim_end_matches(" A"),
            old_run.asked.contender()
        );
    }
    if let Some(flags) = other_server_flags(&old_run.asked, &new_run.asked) {
        lines += &format!("SERVERS DIFFER: {flags}\n");
    }
    lines
}

/// Why a pair has nothing to compare: a side without a round that counts.
fn unusable([after, before]: &[Contender; 2]) -> Option<String> {
    let side = [before, after].into_iter().find(|side| side.valid().runs.is_empty())?;
    let are_all_interrupted = side.runs.iter().all(|(_, run)| run.ending == Ending::Interrupted);
    let why = if are_all_interrupted { "ran to its end" } else { "is valid" };
    Some(format!("no round of {} {why}.", side.label))
}

/// Quantities that only one side measured, or that too few rounds did.
fn not_compared([after, before]: &[Contender; 2]) -> String {
    let (new, old) = (after.valid(), before.valid());
    let alone = |own: &Rounds<'_>, other: &Rounds<'_>| {
        let measured = |side: &Rounds<'_>, quantity| !side.values(quantity).is_empty();
        let of_one =
            Quantity::ALL.into_iter().filter(|quantity| measured(own, *quantity) && !measured(other, *quantity));
        let names: Vec<&str> = of_one.map(Quantity::name).collect();
        let line = format!("NOT COMPARED, measured in {} alone: {}.\n", own.label, names.join(", "));
        if names.is_empty() { String::new() } else { line }
    };
    alone(&old, &new) + &alone(&new, &old)
}

/// What became worse, and how often that would be said of equal builds.
fn verdict([after, before]: &[Contender; 2], regressions: &Regressions, tolerance: f64) -> String {
    let Regressions { compared, worse, chance, assumes_normal } = regressions;
    let names: Vec<&str> = compared.iter().map(|difference| difference.quantity.name()).collect();
    let mut lines = if worse.is_empty() {
        format!("No regression beyond {} in {}.\n", percent(tolerance), alternatives(&names))
    } else {
        let worse: Vec<String> = worse.iter().map(told).collect();
        format!("REGRESSION beyond {}: {}.\n", percent(tolerance), worse.join("; "))
    };
    let (new, old) = (after.valid(), before.valid());
    lines += &format!(
        "If nothing else changed, equal builds are called a regression in at most {} of comparisons\n\
         ({} rounds against {}, {} together{}).\n",
        percent(*chance),
        old.runs.len(),
        new.runs.len(),
        if names.len() == 1 { "1 quantity".to_owned() } else { format!("{} quantities", names.len()) },
        if *assumes_normal { "; so few are taken to be about normally distributed" } else { "" }
    );
    if !worse.is_empty() && are_blocks(&old, &new) {
        lines += "All rounds of one side are older than those of the other: what changed on the machine between them counts as \
                  a change\nof the build. Record the rounds of both in turn to rule that out.\n";
    }
    lines
}

/// True when one side was recorded before the other began.
fn are_blocks(one: &Rounds<'_>, other: &Rounds<'_>) -> bool {
    let begins = |side: &Rounds<'_>| side.runs.iter().map(|(_, run)| run.started_at.clone()).collect::<Vec<_>>();
    let (one, other) = (begins(one), begins(other));
    let is_before = |a: &[String], b: &[String]| a.iter().max() < b.iter().min();
    is_before(&one, &other) || is_before(&other, &one)
}

/// `a`, `a or b`, `a, b or c`.
fn alternatives(names: &[&str]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn told(difference: &Difference) -> String {
    let unit = difference.quantity.unit();
    let change = signed(difference.estimate(), |value| show(unit, value));
    let part = difference.estimate() / difference.second.abs();
    format!("{} {change} ({})", difference.quantity.name(), signed(part, percent))
}
