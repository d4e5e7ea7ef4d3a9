//! What must be said of a bench before its figures are read: rounds that are not to be believed, an early end.

use results::bench::{Bench, Contender, Round, Section, Side};
use results::numbers::counted;

use crate::groups::Mark;

/// The marks of the whole bench.
pub(super) fn of_bench(bench: &Bench) -> Vec<Mark> {
    of_sections(bench, &bench.sections.iter().collect::<Vec<_>>())
}

/// The marks of what one side spent.
pub(super) fn of_side(bench: &Bench, side: Side) -> Vec<Mark> {
    of_sections(bench, &bench.sections.iter().filter(|section| section.side == side).collect::<Vec<_>>())
}

/// The marks of everything that is made from these sections.
pub(super) fn of_sections(bench: &Bench, sections: &[&Section]) -> Vec<Mark> {
    let all = || sections.iter().flat_map(|section| section.contenders.iter().map(move |one| (*section, one)));
    let whose = |section: &Section, one: &Contender| format!("{} in {}", one.label(), section.title);
    let spoilt: Vec<(&Section, &Contender)> = all().filter(|(_, one)| one.is_invalid()).collect();
    let thinned: Vec<(&Section, &Contender)> = all().filter(|(_, one)| !one.left_out().is_empty()).collect();
    let mut marks = vec![
        Mark::Invalid {
            checks: checks(spoilt.iter().flat_map(|(_, one)| &one.rounds)),
            labels: spoilt.iter().map(|(section, one)| whose(section, one)).collect(),
        },
        Mark::LeftOut {
            checks: checks(thinned.iter().flat_map(|(_, one)| one.left_out())),
            labels: thinned
                .iter()
                .map(|(section, one)| {
                    let rounds = counted(one.rounds.len(), "round");
                    format!("{} of {rounds} of {}", one.left_out().len(), whose(section, one))
                })
                .collect(),
        },
    ];
    if bench.interrupted {
        marks.push(Mark::Interrupted { labels: vec!["what it did not come to is missing".to_owned()] });
    }
    marks.retain(Mark::concerns_somebody);
    marks
}

/// Names of the checks that failed, each once: what stands before the first colon of a reason.
fn checks<'a>(rounds: impl Iterator<Item = &'a Round>) -> Vec<String> {
    let mut checks: Vec<String> = Vec::new();
    for round in rounds {
        let named = round.reasons.iter().map(|reason| reason.split(':').next().unwrap_or(reason).trim().to_owned());
        let named: Vec<String> =
            if round.reasons.is_empty() { vec!["no reason given".to_owned()] } else { named.collect() };
        for check in named {
            if !checks.contains(&check) {
                checks.push(check);
            }
        }
    }
    checks
}
