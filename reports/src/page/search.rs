//! The section about a search: what became of every step, and what was asked.

use results::numbers::{NOT_MEASURED, number, or_not_measured, percent, time_us};
use results::{LoadedRun, Search, StepFinding};

use super::sections::{asked, figure_cell};
use crate::drawing::escaped;

const HEADINGS: [&str; 7] = ["load", "finding", "p99", "server CPU", "generator CPU", "run", "what had to hold"];

/// A row per step, in the order of the search.
pub(super) fn table(search: &Search, runs: &[LoadedRun]) -> String {
    let headings: String = HEADINGS.iter().map(|heading| format!("<th>{heading}</th>")).collect();
    let steps = search.steps.iter().zip(runs);
    let rows: String = steps.map(|(step, run)| row(search, step.finding, step.load, run)).collect();
    let question = format!(
        "How much load does {} carry while {}? CPU is told as the share of the cores that each side may use.",
        search.contender(),
        search.slo.join(" and ")
    );
    format!(
        "<h2>The search</h2>\n<p>{}</p>\n<div class=\"wide\"><table>\n<tr>{headings}</tr>\n{rows}</table></div>\n\
         <h3>What the first step asked</h3>\n{}",
        escaped(&question),
        runs.first().map(asked).unwrap_or_default()
    )
}

fn row(search: &Search, finding: StepFinding, load: f64, loaded: &LoadedRun) -> String {
    let run = &loaded.run;
    let (word, class) = match finding {
        StepFinding::Holds => ("holds", ""),
        StepFinding::Broken => ("does not hold", ""),
        StepFinding::Invalid => ("INVALID", " class=\"marked\""),
    };
    let reasons: Vec<String> = run.verdict.reasons.iter().map(ToString::to_string).collect();
    let seen: Vec<String> = run.assertions.iter().map(|each| format!("{}: {}", each.text, each.seen)).collect();
    let conditions = if reasons.is_empty() { seen.join("; ") } else { reasons.join(" ") };
    let latency = &run.measured.latency;
    let p99 = if latency.count > 0 { time_us(latency.p99_ns as f64 / 1e3) } else { NOT_MEASURED.to_owned() };
    let (server, generator) = run.cpu_shares();
    let figures = [p99, or_not_measured(server, percent), percent(generator), run.id.clone(), conditions];
    format!(
        "<tr><td>{} {}</td><td{class}>{word}</td>{}</tr>\n",
        number(load),
        search.vary.unit(),
        figures.iter().map(|figure| figure_cell(figure)).collect::<String>()
    )
}
