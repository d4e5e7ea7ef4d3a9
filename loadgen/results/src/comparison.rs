//! Several runs that belong together: the contents of `comparison.json`.

use serde::{Deserialize, Serialize};

/// Name of the file that makes a folder of run folders a comparison.
pub const COMPARISON_FILE: &str = "comparison.json";

/// The contents of `comparison.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Version of the schema, see [`crate::SCHEMA`].
    pub schema: u32,
    /// When the comparison began, RFC 3339 in UTC.
    pub started_at: String,
    /// Transports in the order in which they were asked.
    pub transports: Vec<String>,
    /// Rounds asked for.
    pub rounds: u32,
    /// The runs in the order in which they were made.
    pub runs: Vec<ComparisonRun>,
}

/// One run of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparisonRun {
    /// Round, from 1.
    pub round: u32,
    /// Transport of the run.
    pub transport: String,
    /// What tells it from another contender of the same transport, for example `ws (2)`; absent where the transport does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Run folder, relative to the comparison's own.
    pub folder: String,
}

impl ComparisonRun {
    /// Name of the contender: its label, or else its transport.
    pub fn contender(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.transport)
    }
}
