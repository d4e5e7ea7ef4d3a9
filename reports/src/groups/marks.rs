//! What must be said about measurements before they are read: invalid, interrupted, or made by a debug build.

use std::fmt;

use results::{Ending, LoadedRun, Search, SearchEnding};

use super::Contender;
use crate::style::{ALARM, CAUTION, Colour};

/// One warning, with those whom it concerns.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    /// The generator does not believe its own measurement.
    Invalid {
        /// Names of the checks that failed.
        checks: Vec<String>,
        /// Labels of the contenders.
        labels: Vec<String>,
    },
    /// Some rounds are not to be believed, and others stand for them.
    LeftOut {
        /// Names of the checks that failed.
        checks: Vec<String>,
        /// How many rounds of whom.
        labels: Vec<String>,
    },
    /// Stopped before its end.
    Interrupted {
        /// Labels of the contenders.
        labels: Vec<String>,
    },
    /// Made by a debug build, whose figures say nothing.
    DebugBuild {
        /// Labels of the contenders.
        labels: Vec<String>,
    },
}

impl Mark {
    /// True when there is somebody to whom it applies.
    pub(crate) fn concerns_somebody(&self) -> bool {
        match self {
            Self::Invalid { labels, .. }
            | Self::LeftOut { labels, .. }
            | Self::Interrupted { labels }
            | Self::DebugBuild { labels } => !labels.is_empty(),
        }
    }
}

impl Mark {
    /// True when the figures are not to be believed.
    pub fn is_invalid(&self) -> bool {
        matches!(self, Self::Invalid { .. })
    }

    /// Colour of its banner.
    pub fn colour(&self) -> Colour {
        if self.is_invalid() { ALARM } else { CAUTION }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { checks, labels } => {
                write!(f, "INVALID MEASUREMENT: {} ({})", checks.join(", "), labels.join("; "))
            }
            Self::LeftOut { checks, labels } => {
                write!(f, "INVALID ROUNDS LEFT OUT: {} ({})", checks.join(", "), labels.join("; "))
            }
            Self::Interrupted { labels } => write!(f, "INTERRUPTED before its end: {}", labels.join("; ")),
            Self::DebugBuild { labels } => write!(f, "DEBUG BUILD, figures mean nothing: {}", labels.join("; ")),
        }
    }
}

/// The marks of a search. A single invalid step is told in its row; only a search that ended on one is marked as a whole.
pub fn marks_of_search(search: &Search, contenders: &[Contender<'_>]) -> Vec<Mark> {
    let mut marks = marks_of(contenders);
    marks.retain(|mark| !mark.is_invalid() || search.ending == SearchEnding::Invalid);
    marks
}

/// The marks of everything that is made from these contenders; only rounds that are used count.
pub fn marks_of(contenders: &[Contender<'_>]) -> Vec<Mark> {
    let labels = |concerned: &dyn Fn(&LoadedRun) -> bool| -> Vec<String> {
        let hit = |contender: &&Contender<'_>| contender.used.iter().any(|run| concerned(run));
        contenders.iter().filter(hit).map(|contender| contender.label.clone()).collect()
    };
    let mut checks: Vec<String> = Vec::new();
    for run in contenders.iter().flat_map(|contender| &contender.used) {
        for reason in &run.run.verdict.reasons {
            if !checks.contains(&reason.check) {
                checks.push(reason.check.clone());
            }
        }
    }
    let mut marks = vec![
        Mark::Invalid { checks, labels: labels(&|run| !run.run.verdict.is_valid()) },
        Mark::Interrupted { labels: labels(&|run| run.run.ending == Ending::Interrupted) },
        Mark::DebugBuild { labels: labels(&|run| run.run.machine.build == "debug") },
    ];
    marks.retain(Mark::concerns_somebody);
    marks
}
