//! The folder that a report is written into: new, or one that a report was written into before.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use results::file::{write_through, write_whole};

use crate::drawing::{Drawing, png, standalone_svg};
use crate::page::GENERATOR;

/// Name of the page.
pub const PAGE_FILE: &str = "index.html";

/// A folder that may be written to.
#[derive(Debug)]
pub struct OutFolder {
    path: PathBuf,
}

impl OutFolder {
    /// Refuses a path that holds anything but an earlier report. Creates nothing yet.
    pub fn check(path: &Path) -> Result<Self> {
        if path.exists() && !is_report(path) {
            bail!("{} exists and holds no report: expected a new folder, or one that report wrote", path.display());
        }
        Ok(Self { path: path.to_owned() })
    }

    /// Takes the folder of a record, whose page may only replace an earlier one.
    pub fn beside_record(path: &Path) -> Result<Self> {
        if path.join(PAGE_FILE).exists() && !is_report(path) {
            bail!(
                "{} is somebody else's page: expected none, or one that report wrote",
                path.join(PAGE_FILE).display()
            );
        }
        Ok(Self { path: path.to_owned() })
    }

    /// Creates the folder and its parents.
    pub fn create(&self) -> Result<()> {
        fs::create_dir_all(&self.path)
            .with_context(|| format!("cannot create {}, expected a place to write the report to", self.path.display()))
    }

    /// Writes one text file.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.file(name);
        write_whole(&path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes one drawing as `name.svg` and `name.png`.
    pub fn draw(&self, name: &str, drawing: &Drawing) -> Result<()> {
        self.write(&format!("{name}.svg"), &standalone_svg(drawing))?;
        let path = self.file(&format!("{name}.png"));
        write_through(&path, |path| png(drawing, path)).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Path of one file.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

fn is_report(path: &Path) -> bool {
    fs::read_to_string(path.join(PAGE_FILE)).is_ok_and(|page| page.contains(GENERATOR))
}
