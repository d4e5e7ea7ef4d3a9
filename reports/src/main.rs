//! `report`: run folders in, plots and one page out.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Turns the results of loadgen into plots, tables and one page that opens from disk.
///
/// Writes for each plot an SVG and a PNG, summary.csv, summary.md and index.html.
///
/// Exit codes: 0 fine, 1 the report could not be made, 2 usage.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Run folders, folders of whole comparisons (those with a comparison.json), and the folder of one search for a limit
    /// (with a search.json)
    #[arg(required = true, value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// Folder to write to: a new one, or one that report wrote before, which is then replaced file by file;
    /// any other folder is refused
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let Arguments { folders, out } = Arguments::parse();
    match reports::report(&folders, &out) {
        Ok(page) => {
            println!("{}", page.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
    }
}
