//! What the user asked for, with every default filled in, so that a run can be repeated from its own record.

use serde::{Deserialize, Serialize};

/// The workload of one run as it was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The words of the command line, program name first.
    pub command: Vec<String>,
    /// Name of the transport as it is spelled in the path and on the command line: `short-poll`, `long-poll`, `sse`, `ws`,
    /// `socketio`.
    pub transport: String,
    /// Name of the target file that says how one speaks with the server; absent for Wirelab's own feed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The server's base URL; absent when the run started its own server.
    pub url: Option<String>,
    /// Flags of the server that the run started, word by word, beyond those that every run gives it; without passwords.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub server_flags: Vec<String>,
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
    /// Connections for publishing over HTTP at most; absent in files that are older than the choice, which published over one, pipelined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish_connections: Option<u32>,
    /// Whether publishing requests were pipelined over one connection.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub publish_pipelined: bool,
    /// What carried Socket.IO: `polling`, `websocket` or `upgrade`; absent on other transports, and in files that are older
    /// than it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socketio: Option<String>,
    /// `auto` or `off`: whether server and generator were to be pinned to separate cores.
    pub pin: String,
    /// What clients did whose transport was lost: `off`, `immediate`, `backoff` or `backoff-jitter`; absent in files that are older
    /// than the choice, which had the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconnect: Option<String>,
    /// What was done to clients and server on purpose, for example `cut 30% at 5s`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// Which part of all this the run played, for example `2/4`; absent where it played all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
}

impl Asked {
    /// Name of the server's target.
    pub fn target_name(&self) -> &str {
        self.target.as_deref().unwrap_or("feed")
    }

    /// What it is called beside others: `ws` on Wirelab's own feed, `ws@node-ws` elsewhere.
    pub fn contender(&self) -> String {
        self.target.as_ref().map_or_else(|| self.transport.clone(), |target| format!("{}@{target}", self.transport))
    }

    /// In what another workload differs, in words: `clients 1000 against 500`. Seed, topic and command do not count.
    pub fn differs_from(&self, other: &Self) -> Vec<String> {
        let pairs = [
            ("transport", self.transport.clone(), other.transport.clone()),
            ("target", self.target_name().to_owned(), other.target_name().to_owned()),
            ("server", said(self.url.as_ref()), said(other.url.as_ref())),
            ("server flags", flags(self), flags(other)),
            ("clients", self.clients.to_string(), other.clients.to_string()),
            ("rate per second", self.rate_per_s.to_string(), other.rate_per_s.to_string()),
            ("payload bytes", self.payload_bytes.to_string(), other.payload_bytes.to_string()),
            ("topics", self.topics.to_string(), other.topics.to_string()),
            ("arrival", self.arrival.clone(), other.arrival.clone()),
            ("duration in s", self.duration_s.to_string(), other.duration_s.to_string()),
            ("warm-up in s", self.warmup_s.to_string(), other.warmup_s.to_string()),
            ("drain in s", self.drain_s.to_string(), other.drain_s.to_string()),
            ("poll interval in s", self.poll_interval_s.to_string(), other.poll_interval_s.to_string()),
            ("wait in s", self.wait_s.to_string(), other.wait_s.to_string()),
            ("connection", self.connection.clone(), other.connection.clone()),
            ("publishing connections", publishing(self), publishing(other)),
            ("socketio", carrier(self), carrier(other)),
            ("reconnect", reconnect(self), reconnect(other)),
            ("faults", faults(self), faults(other)),
            ("pin", self.pin.clone(), other.pin.clone()),
            ("shard", shard(self), shard(other)),
        ];
        let differing = pairs.into_iter().filter(|(_, own, others)| own != others);
        differing.map(|(name, own, others)| format!("{name} {own} against {others}")).collect()
    }
}

fn publishing(asked: &Asked) -> String {
    let most = asked.publish_connections.filter(|_| !asked.publish_pipelined);
    most.map_or_else(|| "1, pipelined".to_owned(), |most| most.to_string())
}

fn said(url: Option<&String>) -> String {
    url.cloned().unwrap_or_else(|| "its own".to_owned())
}

fn flags(asked: &Asked) -> String {
    if asked.server_flags.is_empty() { "none".to_owned() } else { asked.server_flags.join(" ") }
}

fn reconnect(asked: &Asked) -> String {
    asked.reconnect.clone().unwrap_or_else(|| "backoff-jitter".to_owned())
}

fn faults(asked: &Asked) -> String {
    if asked.faults.is_empty() { "none".to_owned() } else { asked.faults.join(", ") }
}

fn shard(asked: &Asked) -> String {
    asked.shard.clone().unwrap_or_else(|| "all".to_owned())
}

fn carrier(asked: &Asked) -> String {
    asked.socketio.clone().unwrap_or_else(|| "not used".to_owned())
}
