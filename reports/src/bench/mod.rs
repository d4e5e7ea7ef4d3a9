//! The record of `make bench`, made into plots and a page beside it.

mod marks;
mod page;
pub mod plots;
mod table;
mod words;

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

use crate::out::{OutFolder, PAGE_FILE};

/// Reads `folder/bench.json` and writes page and plots into the same folder; returns the path of the page.
pub fn report(folder: &Path) -> Result<PathBuf> {
    // The error tells its own cause already, so it is taken as it reads.
    let bench = results::load_bench(folder).map_err(|error| anyhow!("{error}"))?;
    let out = OutFolder::beside_record(folder)?;
    let plots = plots::all(&bench);
    let page = page::page(&bench, &plots);
    for plot in &plots {
        out.draw(plot.file, &plot.drawing)?;
    }
    out.write(PAGE_FILE, &page)?;
    Ok(out.file(PAGE_FILE))
}
