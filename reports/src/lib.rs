//! Run folders in; plots, tables and one self-contained page out.
//!
//! [`groups`] makes contenders of runs, [`plots`] makes drawings of contenders, [`drawing`] writes drawings as SVG and
//! PNG, [`summary`] makes the tables and the answer, [`page`] puts everything on one page.

pub mod drawing;
pub mod groups;
pub mod numbers;
pub mod out;
pub mod page;
pub mod plots;
pub mod style;
pub mod summary;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use results::LoadedRun;

use out::{OutFolder, PAGE_FILE};

/// Loads the runs in `folders` and writes the whole report into `out`; returns the path of its page.
pub fn report(folders: &[PathBuf], out: &Path) -> Result<PathBuf> {
    let out = OutFolder::check(out)?;
    // The error tells its own cause already, so it is taken as it reads.
    let runs = results::load_all(folders).map_err(|error| anyhow!("{error}"))?;
    refuse_twins(&runs)?;
    if runs.is_empty() {
        bail!("the comparison holds no run: expected at least one");
    }
    write(&runs, &out)
}

/// A run that is given twice would count as two rounds.
fn refuse_twins(runs: &[LoadedRun]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for run in runs {
        let folder = run.folder.canonicalize().unwrap_or_else(|_| run.folder.clone());
        if !seen.insert(folder) {
            bail!("{} is given twice: expected every run once", run.folder.display());
        }
    }
    Ok(())
}

fn write(runs: &[LoadedRun], out: &OutFolder) -> Result<PathBuf> {
    let contenders = groups::contenders(runs);
    let marks = groups::marks_of(&contenders);
    let summaries = summary::summaries(&contenders);
    let answer = summary::answer(&summaries);
    let comparisons = summary::comparisons(&contenders, &summaries);
    let differences = summary::differences(&contenders);
    let plots = plots::all(&contenders);
    let contents = page::Contents {
        marks: &marks,
        answer: &answer,
        comparisons: &comparisons,
        differences: &differences,
        summaries: &summaries,
        plots: &plots,
        contenders: &contenders,
    };
    let page = page::page(&contents);

    out.create()?;
    for plot in &plots {
        out.write(&format!("{}.svg", plot.file), &drawing::standalone_svg(&plot.drawing))?;
        let png = out.file(&format!("{}.png", plot.file));
        drawing::png(&plot.drawing, &png).with_context(|| format!("cannot write {}", png.display()))?;
    }
    out.write("summary.csv", &summary::csv(&summaries)?)?;
    out.write("summary.md", &summary::markdown(&marks, &answer, &comparisons, &summaries))?;
    out.write(PAGE_FILE, &page)?;
    Ok(out.file(PAGE_FILE))
}
