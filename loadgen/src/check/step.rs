//! One step of the walk: a claim about the server, and what became of it.

use std::fmt;

use crate::target::{Token, redacted};

/// One claim, put to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it belongs to: a transport's name, or another part of the contract.
    pub area: &'static str,
    /// What the contract says.
    pub claim: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// The server departs from it.
    Failed {
        /// What the server did.
        seen: String,
        /// What it would have done if the claim held.
        expected: String,
    },
    /// It was not put to the server.
    Skipped {
        /// Why not.
        why: String,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { area, claim, outcome } = self;
        match outcome {
            Outcome::Passed => write!(f, "ok    {area:<10}  {claim}"),
            Outcome::Failed { seen, expected } => {
                write!(f, "FAIL  {area:<10}  {claim}\n      {:<10}  expected {expected}; seen {seen}", "")
            }
            Outcome::Skipped { why } => write!(f, "skip  {area:<10}  {claim} ({why})"),
        }
    }
}

/// Why a claim does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Objection {
    /// The server departs from the contract.
    Departs { expected: String, seen: String },
    /// The contract leaves it to the server, and it has none.
    NotOffered(String),
}

impl Objection {
    /// The same without the secret, which a server may have repeated.
    pub(super) fn without(self, token: Option<&Token>) -> Self {
        match self {
            Self::Departs { expected, seen } => {
                Self::Departs { expected: redacted(token, &expected), seen: redacted(token, &seen) }
            }
            Self::NotOffered(why) => Self::NotOffered(redacted(token, &why)),
        }
    }
}

/// What putting a claim to the server brings.
pub(super) type Held<T = ()> = Result<T, Objection>;

/// A departure.
pub(super) fn departs(expected: impl Into<String>, seen: impl Into<String>) -> Objection {
    Objection::Departs { expected: expected.into(), seen: seen.into() }
}

/// Holds, or departs.
pub(super) fn ensure(holds: bool, expected: impl Into<String>, seen: impl Into<String>) -> Held {
    if holds { Ok(()) } else { Err(departs(expected, seen)) }
}

impl From<Held> for Outcome {
    fn from(held: Held) -> Self {
        match held {
            Ok(()) => Self::Passed,
            Err(Objection::Departs { expected, seen }) => Self::Failed { seen, expected },
            Err(Objection::NotOffered(why)) => Self::Skipped { why },
        }
    }
}

/// What a server sent, on one line and not too long, for people to read.
pub(super) fn quoted(bytes: &[u8]) -> String {
    const SHOWN: usize = 160;
    let text = String::from_utf8_lossy(bytes);
    let mut shown = String::new();
    for character in text.chars().take(SHOWN) {
        match character.is_control() {
            true => shown.extend(character.escape_debug()),
            false => shown.push(character),
        }
    }
    if text.chars().count() > SHOWN {
        shown.push_str("...");
    }
    format!("`{shown}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_departure_says_what_was_expected_and_what_was_seen() {
        let outcome = Outcome::from(ensure(false, "201", "200"));
        let step = Step { area: "publish", claim: "POST answers 201".to_owned(), outcome };
        let lines: Vec<String> = step.to_string().lines().map(str::to_owned).collect();
        assert_eq!(lines, ["FAIL  publish     POST answers 201", "                  expected 201; seen 200"]);
    }

    #[test]
    fn what_is_quoted_stays_on_one_line() {
        assert_eq!(quoted(b"{\"a\":1}\r\n"), "`{\"a\":1}\\r\\n`");
        assert!(quoted(&[b'x'; 1000]).len() < 200);
    }
}
