//! Flags that say what the load is, how it is measured, and beyond which bounds a run is not to be believed.

use std::time::Duration;

use clap::{Args, ValueEnum};
use feed::TopicName;
use serde::{Deserialize, Serialize};

use super::values::{positive_time_value, rate_value, time_value};
use crate::plan::{Arrival, PUBLISH_CONNECTIONS, Reuse, SocketIoMode};
use crate::publisher::MIN_PAYLOAD;
use crate::reconnection::Reconnection;

/// The load, and how it is measured.
#[derive(Debug, Clone, Args)]
pub struct LoadArgs {
    /// Simulated clients, each with its own connection
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub clients: u32,
    /// Notifications published per second and topic
    #[arg(long, value_name = "PER_SECOND", default_value_t = 1.0, value_parser = rate_value)]
    pub rate: f64,
    /// Size of each payload, bytes, the quotes of the JSON string included; at least 46, for the postmark by which it is recognised
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = payload_value)]
    pub payload: u32,
    /// How long to measure
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time_value)]
    pub duration: Duration,
    /// How long to publish before measuring, so that caches, connections and allocators have settled
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time_value)]
    pub warmup: Duration,
    /// How long to keep all clients connected before publishing, to measure what that costs by itself;
    /// below 100 ms, the server's idle CPU is not measured
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time_value)]
    pub settle: Duration,
    /// Longest wait for outstanding deliveries after the measured window, whatever the server does; what comes later is
    /// late, and lost. Short polling is given its interval on top
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = time_value)]
    pub drain: Duration,
    /// Connections opened per second, all clients together: below what fills the accept queue of a common server
    #[arg(long, value_name = "PER_SECOND", default_value_t = 2000.0, value_parser = rate_value)]
    pub connect_rate: f64,
    /// Longest wait until a client's transport is live, before it is counted as failed and tried again
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time_value)]
    pub connect_timeout: Duration,
    /// Time between two polls of one client (short polling)
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = positive_time_value)]
    pub poll_interval: Duration,
    /// How long the server may hold a poll that has nothing to bring (long polling)
    #[arg(long, value_name = "TIME", default_value = "25s", value_parser = positive_time_value)]
    pub wait: Duration,
    /// Whether a polling client keeps its connection between polls
    #[arg(long, value_enum, default_value_t = Reuse::Reuse)]
    pub connection: Reuse,
    /// What carries a Socket.IO session: polling, websocket, or upgrade, which is polling first and then websocket, as the official
    /// client has it
    #[arg(long, value_enum, value_name = "CARRIER", default_value_t = SocketIoMode::Upgrade)]
    pub socketio: SocketIoMode,
    /// Topic to publish to, or the prefix of several; the default is one of this run's own, so that runs do not meet
    #[arg(long, value_name = "NAME")]
    pub topic: Option<TopicName>,
    /// Topics; clients are spread over them evenly, each is published to at --rate
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub topics: u32,
    /// Connections for publishing over HTTP at most, of all processes together and at least one of each: each carries one request at a time, and
    /// they are opened as needed. Publications that find none free wait, and more than 1 % of them make a run invalid
    #[arg(long, value_name = "N", default_value_t = PUBLISH_CONNECTIONS, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub publish_connections: u32,
    /// Publish over one connection without waiting for answers (HTTP pipelining), which RFC 9112 says not to do with POST: many servers
    /// then work off the requests one after another, and that is what is measured
    #[arg(long, conflicts_with = "publish_connections")]
    pub publish_pipelined: bool,
    /// How publishing instants are spaced
    #[arg(long, value_enum, default_value_t = Arrival::Constant)]
    pub arrival: Arrival,
    /// Seed of everything random in the load: Poisson gaps, poll phases, padding
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Threads that play clients, of each process; default: one per core that the generator may use
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: Option<u32>,
    /// Whether a server that is started for the run and the generator are bound to separate cores, so that neither takes
    /// time from the other
    #[arg(long, value_enum, default_value_t = Pin::Auto)]
    pub pin: Pin,
    /// How clients come back.
    #[command(flatten)]
    pub reconnection: Reconnection,
    /// Bounds beyond which a run is not to be believed.
    #[command(flatten)]
    pub bounds: Bounds,
}

/// Whether to pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pin {
    /// When there are two cores or more.
    Auto,
    /// Never.
    Off,
}

/// When a run is invalid.
#[derive(Debug, Clone, PartialEq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Bounds of a valid run")]
pub struct Bounds {
    /// Send lag, 99th percentile: beyond it, latencies are the publisher's rather than the server's. Where notifications are
    /// due at shorter intervals than this, the interval is the bound, down to 1 ms
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = positive_time_value)]
    pub max_send_lag: Duration,
    /// Event-loop lag, 99th percentile: beyond it, receipts are stamped late
    #[arg(long, value_name = "TIME", default_value = "20ms", value_parser = positive_time_value)]
    pub max_loop_lag: Duration,
    /// Generator CPU, share of the cores that it may use: beyond it, the generator is what is measured
    #[arg(long, value_name = "SHARE", default_value_t = 0.9, value_parser = share_value)]
    pub max_cpu: f64,
    /// Notifications accepted, share of those due: below it, the load was not applied
    #[arg(long, value_name = "SHARE", default_value_t = 0.99, value_parser = share_value)]
    pub min_load: f64,
}

/// A bound that is no number would hold whatever was seen.
fn share_value(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1000.0).contains(&share) => Ok(share),
        _ => Err("expected a share of one, for example 0.9".into()),
    }
}

fn payload_value(text: &str) -> Result<u32, String> {
    const LARGEST: u32 = 1 << 20;
    match text.parse() {
        Ok(bytes) if (MIN_PAYLOAD as u32..=LARGEST).contains(&bytes) => Ok(bytes),
        _ => Err(format!("expected a number of bytes from {MIN_PAYLOAD} to {LARGEST}")),
    }
}
