//! Run folders in; plots, tables and one self-contained page out.
//!
//! [`groups`] makes contenders of runs, [`plots`] makes drawings of contenders, [`drawing`] writes drawings as SVG and
//! PNG, [`summary`] makes the tables and the answer, [`page`] puts everything on one page. [`mod@bench`] does all of that for the
//! record of `make bench`, whose figures come from other programs as well.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod bench;
pub mod drawing;
pub mod groups;
pub mod out;
pub mod page;
pub mod plots;
pub mod style;
pub mod summary;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use results::{FolderError, LoadedRun, Search};

use out::{OutFolder, PAGE_FILE};

/// Loads the runs in `folders` and writes the whole report into `out`; returns the path of its page.
pub fn report(folders: &[PathBuf], out: &Path) -> Result<PathBuf> {
    let out = OutFolder::check(out)?;
    // The error tells its own cause already, so it is taken as it reads.
    let told = |error: FolderError| anyhow!("{error}");
    let mut others: Vec<PathBuf> = Vec::new();
    let mut searches: Vec<(Search, Vec<LoadedRun>)> = Vec::new();
    for folder in folders {
        match results::load_search(folder).map_err(told)? {
            Some(search) => searches.push(search),
            None => others.push(folder.clone()),
        }
    }
    let runs = results::load_all(&others).map_err(told)?;
    refuse_twins(searches.iter().flat_map(|(_, runs)| runs).chain(&runs))?;
    if searches.len() > 1 {
        bail!("{} searches are given: expected one at a time", searches.len());
    }
    if runs.is_empty() && searches.iter().all(|(_, runs)| runs.is_empty()) {
        bail!("the comparison holds no run: expected at least one");
    }
    write(&runs, searches.first(), &out)
}

/// A run that is given twice would count as two rounds.
fn refuse_twins<'a>(runs: impl Iterator<Item = &'a LoadedRun>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for run in runs {
        let folder = run.folder.canonicalize().unwrap_or_else(|_| run.folder.clone());
        if !seen.insert(folder) {
            bail!("{} is given twice: expected every run once", run.folder.display());
        }
    }
    Ok(())
}

fn write(runs: &[LoadedRun], search: Option<&(Search, Vec<LoadedRun>)>, out: &OutFolder) -> Result<PathBuf> {
    let contenders = groups::contenders(runs);
    let steps = search.map(|(search, runs)| (search, groups::contenders(runs)));
    let search_marks = steps.map(|(search, steps)| groups::marks_of_search(search, &steps)).unwrap_or_default();
    let mut marks = search_marks.clone();
    marks.extend(groups::marks_of(&contenders));
    let summaries = summary::summaries(&contenders);
    let answer = match search {
        Some((search, _)) if contenders.is_empty() => summary::answer_of(search),
        _ => summary::answer(&summaries),
    };
    let comparisons = summary::comparisons(&contenders, &summaries);
    let differences = summary::differences(&contenders);
    let mut plots: Vec<plots::Plot> =
        search.map(|(search, runs)| plots::of_search(search, runs, &search_marks)).into_iter().collect();
    plots.extend(plots::all(&contenders));
    let contents = page::Contents {
        marks: &marks,
        answer: &answer,
        comparisons: &comparisons,
        differences: &differences,
        summaries: &summaries,
        plots: &plots,
        search: search.map(|(search, runs)| (search, &runs[..])),
        contenders: &contenders,
    };
    let page = page::page(&contents);

    out.create()?;
    for plot in &plots {
        out.draw(plot.file, &plot.drawing)?;
    }
    out.write("summary.csv", &summary::csv(&summaries)?)?;
    out.write("summary.md", &summary::markdown(&marks, &answer, &comparisons, &summaries))?;
    out.write(PAGE_FILE, &page)?;
    Ok(out.file(PAGE_FILE))
}
