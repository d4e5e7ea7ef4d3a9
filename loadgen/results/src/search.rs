//! A search for the highest load that holds: the contents of `search.json`.

use serde::{Deserialize, Serialize};

/// Name of the file that makes a folder of run folders a search.
pub const SEARCH_FILE: &str = "search.json";

/// The contents of `search.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Search {
    /// Version of the schema, see [`crate::SCHEMA`].
    pub schema: u32,
    /// When the search began, RFC 3339 in UTC.
    pub started_at: String,
    /// Transport of all its runs.
    pub transport: String,
    /// What was varied.
    pub vary: Vary,
    /// What had to hold, each as it was written.
    pub slo: Vec<String>,
    /// The search ends when the lowest load that does not hold is at most this share above the highest that does.
    pub resolution: f64,
    /// The runs in the order in which they were made.
    pub steps: Vec<SearchStep>,
    /// How the search ended.
    pub ending: SearchEnding,
    /// Who was at its limit where the load no longer held; absent where that is not known.
    pub limited_by: Option<LimitedBy>,
    /// The outcome in words; empty while the search goes on.
    pub outcome: String,
}

/// What a search varies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vary {
    /// The number of clients.
    Clients,
    /// Notifications per second and topic.
    Rate,
}

impl Vary {
    /// What its numbers count.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Clients => "clients",
            Self::Rate => "notifications/s",
        }
    }
}

/// One run of a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchStep {
    /// Clients, or notifications per second and topic.
    pub load: f64,
    /// What became of it.
    pub finding: StepFinding,
    /// Run folder, relative to the search's own.
    pub folder: String,
}

/// What became of one load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepFinding {
    /// Every condition holds.
    Holds,
    /// Some condition does not.
    Broken,
    /// The measurement is not to be believed.
    Invalid,
}

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SearchEnding {
    /// It goes on, or was interrupted.
    Unfinished,
    /// The limit lies between two of its loads, as close as was asked.
    Found,
    /// Steps or time ran out before that.
    OutOfBounds,
    /// Even the largest load that was allowed holds.
    NotReached,
    /// Not even the smallest load holds.
    NothingHolds,
    /// A measurement could not be believed, so there is no limit to tell.
    Invalid,
}

/// Whose limit it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitedBy {
    /// The server used clearly more of its cores than the generator of its own.
    Server,
    /// The generator did.
    Generator,
    /// Both were about equally busy.
    Both,
}

impl Search {
    /// The highest load that holds, below the lowest that does not.
    pub fn highest_that_holds(&self) -> Option<f64> {
        let bound = self.lowest_that_breaks().unwrap_or(f64::INFINITY);
        self.loads(StepFinding::Holds).filter(|load| *load < bound).max_by(f64::total_cmp)
    }

    /// The lowest load that does not hold.
    pub fn lowest_that_breaks(&self) -> Option<f64> {
        self.loads(StepFinding::Broken).min_by(f64::total_cmp)
    }

    fn loads(&self, wanted: StepFinding) -> impl Iterator<Item = f64> + '_ {
        self.steps.iter().filter(move |step| step.finding == wanted).map(|step| step.load)
    }
}
