//! `report`: run folders in, plots and one page out.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use results::console;

/// Turns the results of loadgen into plots, tables and one page that opens from disk.
///
/// Writes for each plot an SVG and a PNG, summary.csv, summary.md and index.html.
///
/// Exit codes: 0 fine, 1 the report could not be made, 2 usage.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Run folders, folders of whole comparisons (those with a comparison.json), and the folder of one search for a limit
    /// (with a search.json); one that is called bench is written ./bench
    #[arg(required = true, value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// Folder to write to: a new one, or one that report wrote before, which is then replaced file by file;
    /// any other folder is refused
    #[arg(long, required = true, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Turns the record of `make bench` into plots and a page, beside its bench.json
    Bench {
        /// Folder with the bench.json; an index.html in it that report did not write is refused
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
}

fn main() -> ExitCode {
    let Arguments { command, folders, out } = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(told) => {
            let printed = told.print();
            if !told.use_stderr() {
                console::wrote(printed);
            }
            return console::end(told.exit_code() as u8);
        }
    };
    let page = match command {
        Some(Command::Bench { folder }) => reports::bench::report(&folder),
        None => reports::report(&folders, &out.expect("clap asks for it where there is no subcommand")),
    };
    match page {
        Ok(page) => {
            results::outln!("{}", page.display());
            console::end(0)
        }
        Err(error) => {
            results::errln!("error: {error:#}");
            console::end(1)
        }
    }
}
