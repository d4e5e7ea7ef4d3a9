//! What a server says about itself at `GET /stats`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The body of `GET /stats`. All counters run since the start of the process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerStats {
    /// Name and version of the server, for example `feed-server 0.1.0`.
    pub server: String,
    /// Process id, by which a generator on the same machine can check these numbers.
    pub pid: u32,
    /// Seconds since the process started serving.
    pub uptime_s: f64,
    /// Threads that serve connections.
    pub workers: u32,
    /// Memory allocator, on which the RSS depends.
    pub allocator: String,
    /// User and system CPU time of the process, seconds.
    pub cpu_s: f64,
    /// Resident memory of the process, bytes.
    pub rss_bytes: u64,
    /// Topics that have a log.
    pub topics: u64,
    /// Notifications accepted.
    pub published: u64,
    /// Publishing requests that repeated one under its idempotency key: nothing was appended.
    #[serde(default)]
    pub repeated: u64,
    /// Publishing requests refused.
    pub refused: u64,
    /// Requests and connections that each guard refused, by the guard's name; empty if the server does not say.
    #[serde(default)]
    pub refusals: BTreeMap<String, u64>,
    /// The broker behind the server.
    #[serde(default)]
    pub broker: BrokerStats,
    /// Connections by what they carry: a transport's name, or `other` (publishers, metrics, pages, not yet known).
    pub connections: BTreeMap<String, ConnectionStats>,
}

/// How a server's broker does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerStats {
    /// `memory` or `redis`; empty if the server does not say.
    pub kind: String,
    /// True while publishing would work.
    pub connected: bool,
    /// Times that the connection was lost and made again.
    pub reconnects: u64,
    /// Requests to the broker that failed, attempts to connect included.
    pub errors: u64,
}

impl BrokerStats {
    /// True when other servers may be behind the same broker.
    pub fn is_shared(&self) -> bool {
        !matches!(&*self.kind, "" | "memory")
    }
}

/// Counters of the connections of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionStats {
    /// Open now.
    pub open: u64,
    /// Opened, the open ones included.
    pub opened: u64,
    /// Notifications written to sockets.
    pub delivered: u64,
    /// Polls answered.
    pub answered: u64,
    /// Polls answered with nothing.
    pub empty: u64,
    /// Gaps told.
    pub gaps: u64,
    /// Stream bytes read.
    pub bytes_read: u64,
    /// Stream bytes written.
    pub bytes_written: u64,
    /// Connections or streams ended by the server, by reason.
    pub ended: BTreeMap<String, u64>,
}
