//! The page of a bench: what was missed first, then the table, who did not take part, and the plots.

use results::bench::findings::{Asked, Finding, Outcome};
use results::bench::{Bench, Section};

use super::{marks, table, words};
use crate::drawing::escaped;
use crate::page::{banners, document, figures, glossary};
use crate::plots::Plot;

const WORDS: [(&str, &str); 6] = [
    (
        "CPU per unit",
        "User and system CPU time of the whole process tree over the measured window, divided by what it carried in it \
         (deliveries, requests, publishes or messages). Medians over rounds, smallest and largest in brackets.",
    ),
    (
        "user + system",
        "The median divided as its round was. The sum is exact; the kernel samples at each clock tick which of the two it is.",
    ),
    ("floor", "The program that does the least the kernel allows: one write per delivery, or reading and counting."),
    (
        "times the floor",
        "CPU per unit over the floor's in the same round, so that what drifts from round to round cancels. Median, smallest and \
         largest over rounds.",
    ),
    (
        "target",
        "A bound for the median. Where a cost is held against another section's, the sections share no rounds, and the brackets \
         hold the furthest that their rounds could be apart.",
    ),
    (
        "valid",
        "A round whose measurement may be believed. One that may not is left out, with its partner, when another round can stand \
         for it; else it is shown and marked.",
    ),
];

/// The whole page.
pub(super) fn page(bench: &Bench, plots: &[Plot]) -> String {
    let findings = bench.findings();
    let marks = marks::of_bench(bench);
    let (invalid, others): (Vec<_>, Vec<_>) = marks.into_iter().partition(crate::groups::Mark::is_invalid);
    let body = format!(
        "{}{}{}<h1>Wirelab bench</h1>\n<p class=\"answer\">{}</p>\n<p class=\"asked\">{}</p>\n{}{}{}{}{}{}",
        banners(&invalid),
        missed(&findings),
        banners(&others),
        escaped(&words::answer(&findings)),
        escaped(&words::provenance(bench)),
        table::table(bench, &findings),
        growths(&findings),
        absent(bench),
        figures(plots),
        reasons(bench),
        glossary(&WORDS)
    );
    document("Wirelab bench", &body)
}

/// The targets that were missed, before anything else is said of them.
fn missed(findings: &[Finding<'_>]) -> String {
    let missed: Vec<&Finding<'_>> = findings.iter().filter(|finding| finding.outcome == Outcome::Missed).collect();
    if missed.is_empty() {
        return String::new();
    }
    let item = |finding: &&Finding<'_>| {
        let place = match finding.asked {
            Asked::Of(section, _) => format!("{}: ", section.title),
            Asked::Between(_) => String::new(),
        };
        let text = format!("{place}{}, and it is {}", words::target(finding.asked), words::seen(finding));
        format!("<li>{}</li>\n", escaped(&text))
    };
    let head = format!("MISSED: {} of {} targets", missed.len(), findings.len());
    format!("<div class=\"banner alarm\">{head}\n<ul>\n{}</ul></div>\n", missed.iter().map(item).collect::<String>())
}

/// What was asked about pairs of sections.
fn growths(findings: &[Finding<'_>]) -> String {
    let row = |finding: &Finding<'_>| {
        let Asked::Between(_) = finding.asked else { return None };
        let class = words::class(finding.outcome);
        let cells = [words::target(finding.asked), words::seen(finding)].map(|text| escaped(&text));
        let outcome = words::outcome(finding.outcome);
        Some(format!(
            "<tr><td>{}</td><td>{}</td><td><span class=\"{class}\">{outcome}</span></td></tr>\n",
            cells[0], cells[1]
        ))
    };
    let rows: String = findings.iter().filter_map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "<h2>From one load to another</h2>\n<div class=\"wide\"><table class=\"growth\">\n<tr><th>CPU per unit</th>\
         <th>seen</th><th>target</th></tr>\n{rows}</table></div>\n"
    )
}

/// Who could not take part, and what would change that.
fn absent(bench: &Bench) -> String {
    if bench.missing.is_empty() {
        return String::new();
    }
    let item = |missing: &results::bench::Missing| {
        let install = missing.install.as_ref().map(|command| format!(" <code>{}</code>", escaped(command)));
        format!(
            "<li><strong>{}</strong>: {}.{}</li>\n",
            escaped(&missing.name),
            escaped(missing.reason.trim_end_matches('.')),
            install.unwrap_or_default()
        )
    };
    format!("<h2>Who is missing</h2>\n<ul>\n{}</ul>\n", bench.missing.iter().map(item).collect::<String>())
}

/// Why rounds are not to be believed.
fn reasons(bench: &Bench) -> String {
    let of_section = |section: &Section| -> String {
        let rounds = section.contenders.iter().flat_map(|one| one.rounds.iter().enumerate().map(move |at| (one, at)));
        rounds
            .filter(|(_, (_, round))| !round.valid)
            .map(|(one, (place, round))| {
                let run = round.run.as_ref().map(|run| format!(", {run}")).unwrap_or_default();
                let whose = format!("{}: {}, round {}{run}", section.title, one.label(), place + 1);
                format!("<li><strong>{}</strong> {}</li>\n", escaped(&whose), escaped(&round.reasons.join(" ")))
            })
            .collect()
    };
    let items: String = bench.sections.iter().map(of_section).collect();
    if items.is_empty() { String::new() } else { format!("<h2>What was wrong</h2>\n<ul>\n{items}</ul>\n") }
}
