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
    /// What it is called beside others, for example `ws@node-ws`; absent where that is the transport's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
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
    /// What was searched: its label, or else its transport.
    pub fn contender(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.transport)
    }

    /// The highest load that holds, below the lowest that does not.
    pub fn highest_that_holds(&self) -> Option<f64> {
        let bound = self.lowest_that_breaks().unwrap_or(f64::INFINITY);
        self.loads(StepFinding::Holds).filter(|load| *load < bound).max_by(f64::total_cmp)
    }

    /// The lowest load that does not hold.
    pub fn lowest_that_breaks(&self) -> Option<f64> {
        self.loads(StepFinding::Broken).min_by(f64::total_cmp)
    }

    /// Loads whose last run came to this finding. A load is repeated until two runs agree, so the last one decides.
    fn loads(&self, wanted: StepFinding) -> impl Iterator<Item = f64> + '_ {
        let last =
            |place: usize, step: &SearchStep| self.steps[place + 1..].iter().all(|later| later.load != step.load);
        let steps = self.steps.iter().enumerate().filter(move |(place, step)| last(*place, step));
        steps.filter(move |(_, step)| step.finding == wanted).map(|(_, step)| step.load)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(steps: &[(f64, StepFinding)]) -> Search {
        Search {
            schema: crate::SCHEMA,
            started_at: String::new(),
            transport: "ws".to_owned(),
            label: None,
            vary: Vary::Clients,
            slo: Vec::new(),
            resolution: 0.1,
            steps: steps.iter().map(|&(load, finding)| SearchStep { load, finding, folder: String::new() }).collect(),
            ending: SearchEnding::Unfinished,
            limited_by: None,
            outcome: String::new(),
        }
    }

    #[test]
    fn a_load_counts_as_its_repetition_did() {
        use StepFinding::{Broken, Holds, Invalid};
        let search = search(&[(1.0, Holds), (2.0, Broken), (2.0, Holds), (4.0, Invalid), (4.0, Broken), (3.0, Holds)]);
        assert_eq!((search.highest_that_holds(), search.lowest_that_breaks()), (Some(3.0), Some(4.0)));
    }

    #[test]
    fn what_held_by_luck_is_taken_back() {
        use StepFinding::{Broken, Holds};
        let steps =
            [(1.0, Holds), (2.0, Holds), (4.0, Broken), (4.0, Broken), (2.0, Broken), (2.0, Broken), (1.0, Holds)];
        let search = search(&steps);
        assert_eq!((search.highest_that_holds(), search.lowest_that_breaks()), (Some(1.0), Some(2.0)));
    }

    #[test]
    fn what_holds_above_what_breaks_is_luck() {
        use StepFinding::{Broken, Holds};
        let search = search(&[(1.0, Holds), (2.0, Broken), (4.0, Holds)]);
        assert_eq!(search.highest_that_holds(), Some(1.0));
    }
}
