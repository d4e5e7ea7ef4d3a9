//! The section that holds each round against a second measurement of the same: another starting point, another counter.

use results::numbers::{NOT_MEASURED, count};
use results::{LoadedRun, Percentiles, Reconciled};

use super::sections::{figure_cell, percentile};
use crate::drawing::escaped;

const HEADINGS: [&str; 7] = [
    "whose",
    "run",
    "p50",
    "p50 from actual publishing instants",
    "p99",
    "p99 from actual publishing instants",
    "counts of both sides",
];

/// A row per round; each comes with whose it is.
pub(super) fn table<'a>(rounds: impl Iterator<Item = (String, &'a LoadedRun)>) -> String {
    let rows: String = rounds.map(|(whose, loaded)| row(&whose, loaded)).collect();
    let headings: String = HEADINGS.iter().map(|heading| format!("<th>{heading}</th>")).collect();
    format!(
        "<h2>Measured twice</h2>\n<div class=\"wide\"><table class=\"rounds twice\">\n<tr>{headings}</tr>\n{rows}</table></div>\n"
    )
}

fn row(whose: &str, loaded: &LoadedRun) -> String {
    let measured = &loaded.run.measured;
    let (intended, actual) = (&measured.latency, measured.latency_from_actual.as_ref());
    let from_actual = |ns: fn(&Percentiles) -> u64| {
        actual.map_or_else(|| NOT_MEASURED.to_owned(), |actual| percentile(actual, ns(actual)))
    };
    let cells = [
        whose.to_owned(),
        loaded.run.id.clone(),
        percentile(intended, intended.p50_ns),
        from_actual(|actual| actual.p50_ns),
        percentile(intended, intended.p99_ns),
        from_actual(|actual| actual.p99_ns),
    ];
    let cells: String = cells.iter().map(|cell| figure_cell(cell)).collect();
    format!("<tr>{cells}{}</tr>\n", counts_cell(&measured.reconciliation))
}

fn counts_cell(rows: &[Reconciled]) -> String {
    let class = match rows {
        [] => " class=\"missing\"",
        rows if rows.iter().any(Reconciled::is_disagreement) => " class=\"marked\"",
        _ => "",
    };
    let lines: Vec<String> = counts(rows).iter().map(|line| escaped(line)).collect();
    format!("<td{class}>{}</td>", lines.join("<br>"))
}

/// One line where all counts agree, else a line for each that differs.
fn counts(rows: &[Reconciled]) -> Vec<String> {
    let differing: Vec<&Reconciled> = rows.iter().filter(|row| row.generator != row.server).collect();
    match (rows.len(), differing.len()) {
        (0, _) => vec!["not reconciled".to_owned()],
        (all, 0) => vec![format!("all {all} counts agree with the server's")],
        (all, some) => {
            let mut lines = vec![format!("{some} of {all} counts differ from the server's")];
            lines.extend(differing.into_iter().map(difference));
            lines
        }
    }
}

fn difference(row: &Reconciled) -> String {
    let Reconciled { quantity, generator, server, explained } = row;
    let why = explained.as_ref().map_or_else(|| "NOT EXPLAINED".to_owned(), |why| format!("explained: {why}"));
    format!("{quantity}: {} by the generator, {} by the server; {why}", count(*generator), count(*server))
}
