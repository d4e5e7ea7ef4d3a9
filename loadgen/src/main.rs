//! `loadgen`: reads the command line, does what it says, and ends with a code that a script can act on.

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use loadgen::commands::{self, Usage};
use loadgen::config::{Cli, Command};
use loadgen::scenario;
use loadgen::target::redacted;

fn main() -> ExitCode {
    let words = match scenario::expand(std::env::args_os().collect()) {
        Ok(words) => words,
        Err(error) => {
            eprintln!("error: {error:#}");
            // Whatever is wrong with it, it was given on the command line.
            return Usage::code_of(&Usage(error).into());
        }
    };
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        // The value that is wrong is quoted, and may be a URL with a password.
        Err(error) if error.kind() == ErrorKind::ValueValidation => {
            eprint!("{}", redacted(None, &error.to_string()));
            return ExitCode::from(error.exit_code() as u8);
        }
        Err(error) => error.exit(),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the event loop: {error}");
            return ExitCode::FAILURE;
        }
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
    match done {
        Ok(end) => end.into(),
        Err(error) => {
            eprintln!("error: {error:#}");
            Usage::code_of(&error)
        }
    }
}
