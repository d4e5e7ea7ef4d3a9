//! The command line: every flag with its unit, its default and the reason for it.

mod check;
mod compare;
mod find_max;
mod load;
mod run;
mod values;

pub(crate) use values::positive_time_value;

pub use check::{CheckArgs, SelftestArgs};
pub use compare::{CompareArgs, DiffArgs};
pub use find_max::{FindMaxArgs, VaryArg};
pub use load::{Bounds, LoadArgs, Pin};
pub use run::{MergeArgs, PartArgs, RunArgs, StartAt};

use clap::{Parser, Subcommand};

use crate::commands::echo::EchoArgs;
use crate::selftest::stub::Script;

/// Plays thousands of clients against a realtime server and measures what arrives, when, and at what cost.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 fine, 1 the run could not be carried out, 2 usage, 3 invalid measurement, \
                          4 an --assert or --slo does not hold, or diff found a regression.";

fn conditions_and_exit_codes() -> String {
    format!("{}\n\n{EXIT_CODES}", crate::assertion::help())
}

/// What loadgen does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure one transport; without --url, against a server that is started for it
    Run(RunArgs),
    /// Measure several transports in interleaved rounds, each run against a fresh server
    Compare(CompareArgs),
    /// Put the results of several shards of one run together
    Merge(MergeArgs),
    /// Find the highest load that a server carries while conditions hold
    FindMax(FindMaxArgs),
    /// Compare stored results: what became better or worse from one run, or set of rounds, to another
    Diff(DiffArgs),
    /// Walk a server through the feed's contract, step by step, and say where it departs from it
    Check(CheckArgs),
    /// Measure a server whose behaviour is known, over every transport and with odd habits, and compare: is this machine fit to measure on?
    Selftest(SelftestArgs),
    /// Be a WebSocket client that says everything back, for the server of a conformance suite to try
    #[command(hide = true)]
    Echo(EchoArgs),
    /// Be that server
    #[command(hide = true)]
    Stub(Script),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for (flag, value) in [
            ("--clients", "0"),
            ("--rate", "0"),
            ("--rate", "-1"),
            ("--payload", "45"),
            ("--max-cpu", "nan"),
            ("--min-load", "-1"),
            ("--duration", "5"),
            ("--transport", "tcp"),
        ] {
            let transport = if flag == "--transport" { value } else { "ws" };
            let mut words = vec!["loadgen", "run", "--transport", transport];
            if flag != "--transport" {
                words.extend([flag, value]);
            }
            assert!(Cli::try_parse_from(&words).is_err(), "{words:?}");
        }
    }
}
