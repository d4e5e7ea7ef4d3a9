//! What the user asked for, with every default filled in, so that a run can be repeated from its own record.

use serde::{Deserialize, Serialize};

/// The workload of one run as it was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The words of the command line, program name first.
    pub command: Vec<String>,
    /// Name of the transport as it is spelled in the path and on the command line: `short-poll`, `long-poll`, `sse`, `ws`.
    pub transport: String,
    /// The server's base URL; absent when the run started its own server.
    pub url: Option<String>,
    /// Simulated clients, each with its own connection.
    pub clients: u32,
    /// Notifications published per second and topic.
    pub rate_per_s: f64,
    /// Bytes of each published payload, postmark included.
    pub payload_bytes: u32,
    /// Topics that are published to; clients are spread over them evenly.
    pub topics: u32,
    /// Name of the topic, or its prefix when there are several.
    pub topic: String,
    /// How publishing instants are spaced: `constant` or `poisson`.
    pub arrival: String,
    /// Seed of everything random in the workload.
    pub seed: u64,
    /// Seconds of measuring.
    pub duration_s: f64,
    /// Seconds of publishing before measuring starts.
    pub warmup_s: f64,
    /// The longest wait for outstanding deliveries after the last publish, seconds.
    pub drain_s: f64,
    /// Connections opened per second while connecting.
    pub connect_rate_per_s: f64,
    /// Seconds between two polls of one client (short polling).
    pub poll_interval_s: f64,
    /// Seconds that the server may hold an empty poll (long polling).
    pub wait_s: f64,
    /// `reuse` or `fresh`: whether a polling client keeps its connection between polls.
    pub connection: String,
    /// `auto` or `off`: whether server and generator were to be pinned to separate cores.
    pub pin: String,
}
