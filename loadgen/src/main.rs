//! `loadgen`: reads the command line, does what it says, and ends with a code that a script can act on.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use loadgen::commands::{self, End, Usage};
use loadgen::config::{Cli, Command};
use loadgen::scenario;
use loadgen::target::redacted;
use results::console;

fn main() -> ExitCode {
    console::end(carry_out())
}

/// Does what the command line says; the exit code.
fn carry_out() -> u8 {
    let words = match scenario::expand(std::env::args_os().collect()) {
        Ok(words) => words,
        // Whatever is wrong with it, it was given on the command line.
        Err(error) => return failed(&Usage(error).into()),
    };
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        // The value that is wrong is quoted, and may be a URL with a password.
        Err(error) if error.kind() == ErrorKind::ValueValidation => {
            console::err(&redacted(None, &error.to_string()));
            return error.exit_code() as u8;
        }
        Err(told) => {
            let printed = told.print();
            if !told.use_stderr() {
                console::wrote(printed);
            }
            return told.exit_code() as u8;
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::anyhow!("cannot start the event loop: {error}")),
    };
    let done = runtime.block_on(async {
        match cli.command {
            Command::Run(args) => commands::run::exec(args).await,
            Command::Compare(args) => commands::compare::exec(args).await,
            Command::Merge(args) => commands::merge::exec(args),
            Command::FindMax(args) => commands::find_max::exec(args).await,
            Command::Diff(args) => commands::diff::exec(&args),
            Command::Check(args) => commands::check::exec(args).await,
            Command::Selftest(args) => commands::selftest::exec(args).await,
            Command::Echo(args) => commands::echo::exec(args).await,
            Command::Stub(script) => commands::stub::exec(script).await,
        }
    });
    done.map_or_else(|error| failed(&error), End::code)
}

/// Tells an error; its exit code.
fn failed(error: &anyhow::Error) -> u8 {
    results::errln!("error: {error:#}");
    Usage::code_of(error)
}
