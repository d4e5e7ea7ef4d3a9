//! One file per command, each with its `exec`.

pub mod check;
pub mod compare;
pub mod diff;
pub mod find_max;
pub mod merge;
pub mod run;
pub mod selftest;
pub mod stub;

use std::process::ExitCode;

/// How a command ended, as a script sees it. That it could not be carried out at all is an error instead, and code 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Nothing to complain about.
    Fine,
    /// Stopped by the user before its end, or a check that found fault.
    Unfinished,
    /// An `--assert` or `--slo` does not hold, or `diff` found a regression.
    AssertionFailed,
    /// The measurement is not to be believed.
    Invalid,
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        Self::from(match end {
            End::Fine => 0,
            End::Unfinished => 1,
            End::Invalid => 3,
            End::AssertionFailed => 4,
        })
    }
}
