//! Whether a run may be believed, and what it was held against.

use serde::{Deserialize, Serialize};

/// The generator's judgement of its own measurement.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Why the run is not to be believed; empty when it is valid.
    pub reasons: Vec<Reason>,
}

impl Verdict {
    /// True when nothing speaks against the measurement.
    pub fn is_valid(&self) -> bool {
        self.reasons.is_empty()
    }

    /// `valid`, or `invalid`.
    pub fn word(&self) -> &'static str {
        if self.is_valid() { "valid" } else { "invalid" }
    }
}

/// One thing that speaks against a measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// Short name of the check, for example `send-lag`.
    pub check: String,
    /// What was seen, with its unit.
    pub seen: String,
    /// The bound that it passed, with its unit.
    pub bound: String,
    /// What may cause it.
    pub cause: String,
    /// What to try.
    pub remedy: String,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { check, seen, bound, cause, remedy } = self;
        write!(f, "{check}: {seen} (bound: {bound}). {cause} {remedy}")
    }
}

/// One `--assert` and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assertion {
    /// As it was written, for example `p99<100ms`.
    pub text: String,
    /// The value that was seen, with its unit.
    pub seen: String,
    /// True when it holds.
    pub holds: bool,
}
