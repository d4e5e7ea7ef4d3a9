//! `index.html`: one page that needs nothing but itself.

mod checks;
mod recovery;
mod search;
mod sections;

use results::numbers::number;
use results::{LoadedRun, Search};

use crate::drawing::{escaped, font_faces};
use crate::groups::{Contender, Mark};
use crate::plots::Plot;
use crate::summary::Summary;

pub(crate) use sections::{figure_cell, figures, glossary};

/// Stands in every page, so that a folder is known for one that a report was written into.
pub const GENERATOR: &str = "<meta name=\"generator\" content=\"wirelab report\">";

const STYLE: &str = include_str!("page.css");

/// All that a page is made from.
#[derive(Debug)]
pub struct Contents<'a> {
    /// What must be said first.
    pub marks: &'a [Mark],
    /// The answer in one sentence.
    pub answer: &'a str,
    /// The comparisons, a sentence each.
    pub comparisons: &'a [String],
    /// Every difference of every pair.
    pub differences: &'a [[String; 6]],
    /// The figures.
    pub summaries: &'a [Summary],
    /// The plots.
    pub plots: &'a [Plot],
    /// A search for a limit, and its runs.
    pub search: Option<(&'a Search, &'a [LoadedRun])>,
    /// The runs behind all of them.
    pub contenders: &'a [Contender<'a>],
}

/// The whole page.
pub fn page(contents: &Contents<'_>) -> String {
    let body = format!(
        "{}<h1>Wirelab report</h1>\n<p class=\"answer\">{}</p>\n{}{}{}{}{}{}{}{}{}{}",
        banners(contents.marks),
        escaped(contents.answer),
        contents.search.map(|(search, runs)| search::table(search, runs)).unwrap_or_default(),
        sections::table(contents.summaries, contents.contenders),
        recovery::table(contents.contenders),
        sections::comparisons(contents.comparisons),
        sections::differences(contents.differences),
        sections::figures(contents.plots),
        sections::reasons(contents.contenders),
        sections::runs(contents.contenders),
        checks::table(rounds(contents)),
        sections::definitions(),
    );
    document("Wirelab report", &body)
}

/// What must be said first, a banner each.
pub(crate) fn banners(marks: &[Mark]) -> String {
    let banner = |mark: &Mark| {
        let kind = if mark.is_invalid() { "alarm" } else { "caution" };
        format!("<p class=\"banner {kind}\">{}</p>\n", escaped(&mark.to_string()))
    };
    marks.iter().map(banner).collect()
}

/// A whole document that needs nothing but itself.
pub(crate) fn document(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n{GENERATOR}\n\
         <title>{title}</title>\n<style>\n{}{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        font_faces(),
    )
}

/// Every run on the page, with the step or the contender that it belongs to.
fn rounds<'a>(contents: &'a Contents<'_>) -> impl Iterator<Item = (String, &'a LoadedRun)> {
    let steps = contents.search.into_iter().flat_map(|(search, runs)| {
        let load = |load: f64| format!("{} {}", number(load), search.vary.unit());
        search.steps.iter().zip(runs).map(move |(step, run)| (load(step.load), run))
    });
    let of_contender = |contender: &'a Contender<'_>| contender.all.iter().map(|run| (contender.label.clone(), *run));
    steps.chain(contents.contenders.iter().flat_map(of_contender))
}
