//! What one of several processes contributed to a run that they played together.

use serde::{Deserialize, Serialize};

use crate::{Ending, Percentiles};

/// One shard of a merged run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShardShare {
    /// Which of how many, for example `2/4`.
    pub shard: String,
    /// The server that its clients and its publisher talked to.
    pub url: String,
    /// How it ended.
    pub ending: Ending,
    /// Whether its own measurement may be believed.
    pub is_valid: bool,
    /// Clients that it played.
    pub clients: u64,
    /// Notifications of the window that the server accepted from its publisher.
    pub accepted: u64,
    /// Notifications that its clients were meant to get, from all publishers.
    pub expected: u64,
    /// Of these, received.
    pub delivered: u64,
    /// Of these, never received before its drain bound.
    pub lost: u64,
    /// Delivery latency of what its own publisher published, for its own clients.
    pub latency: Percentiles,
    /// CPU time over the window, as a share of the cores that it might use.
    pub cpu_share: f64,
}
