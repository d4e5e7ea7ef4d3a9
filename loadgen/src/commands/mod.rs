//! One file per command, each with its `exec`.

pub mod check;
pub mod compare;
pub mod diff;
pub mod echo;
pub mod find_max;
pub mod merge;
pub mod run;
pub mod selftest;
pub mod stub;

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

/// What was asked for makes no sense together: code 2, as for a flag that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
pub struct Usage(pub anyhow::Error);

impl Usage {
    /// The exit code of an error.
    pub fn code_of(error: &anyhow::Error) -> u8 {
        if error.is::<Self>() { 2 } else { 1 }
    }
}

impl End {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Unfinished => 1,
            Self::Invalid => 3,
            Self::AssertionFailed => 4,
        }
    }
}
