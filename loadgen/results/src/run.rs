//! One run as a whole: the contents of `run.json`.

use serde::{Deserialize, Serialize};

use crate::{Asked, Assertion, Machine, Measured, ShardShare, Verdict};

/// Version of the schema that this build writes. Readers refuse a newer one by name.
pub const SCHEMA: u32 = 1;

/// The contents of `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Version of this schema.
    pub schema: u32,
    /// Eight hex digits that also stand in every postmark of the run.
    pub id: String,
    /// When the run began, RFC 3339 in UTC.
    pub started_at: String,
    /// How the run ended.
    pub ending: Ending,
    /// Whether the measurement may be believed.
    pub verdict: Verdict,
    /// Assertions in the order in which they were asked.
    pub assertions: Vec<Assertion>,
    /// What was asked.
    pub asked: Asked,
    /// On what machine.
    pub machine: Machine,
    /// What was measured.
    pub measured: Measured,
    /// The shards that this run was merged from; empty where one process played it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<ShardShare>,
}

impl Run {
    /// What server and generator used over the window, as shares of the cores that each may use; `None` where the server
    /// does not tell.
    pub fn cpu_shares(&self) -> (Option<f64>, f64) {
        let of_server = self.measured.server.as_ref().map(|server| {
            let cores = if server.cpus.is_empty() { self.machine.cores as usize } else { server.cpus.len() };
            server.cpu_s / (self.asked.duration_s * cores.max(1) as f64)
        });
        (of_server, self.measured.generator.cpu_share)
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// All phases ran to their end.
    Complete,
    /// The user stopped it; what was measured until then is kept.
    Interrupted,
}
