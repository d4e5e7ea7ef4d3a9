//! Every measured quantity, defined once.
//!
//! The *window* of a run is the span from the start of measuring to its end; a notification belongs to the window when its
//! intended publishing instant lies in it.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::{OrderlyEnds, Recovery};

/// All that one run measured. What could not be measured is `None`, never zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The phases in order, in seconds since the run began.
    pub phases: Vec<Phase>,
    /// Delivery latency: receipt by the client's code minus the *intended* publishing instant, per delivery. Where several
    /// shards play a run, of what each shard's own publisher sent to its own clients: so no two clocks need to agree.
    pub latency: Percentiles,
    /// The same minus the *actual* publishing instant: what differs is the publisher's own lag. Absent in runs from before it
    /// was measured.
    #[serde(default)]
    pub latency_from_actual: Option<Percentiles>,
    /// Deliveries whose latency lay outside what the histogram holds (1 us to 60 s); they are in no percentile.
    pub latency_out_of_range: u64,
    /// TCP connect started until the transport was live (101, first SSE byte, first poll answer).
    pub connect: Percentiles,
    /// What each client's ledger says, summed.
    pub deliveries: Deliveries,
    /// Notifications of this run, over the whole of it, that were received by clients of another topic than they were published to:
    /// zero where there is one topic. Absent in files that are older than the count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub misdelivered: Option<u64>,
    /// Repetitions of a notification within the very message that delivered it, say in a text and an HTML field, over the whole run:
    /// no deliveries, and counted in nothing else. Absent in files that are older than the count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeated_within_messages: Option<u64>,
    /// Messages of a stream over the whole run that were neither this run's notifications nor the feed's own; `None` for polls,
    /// whose answers hold what they like, and in runs from before it was told.
    #[serde(default)]
    pub foreign: Option<u64>,
    /// The server's own words, the first of each kind: `foreign` of messages, `answer` of polls' answers that brought nothing, and the
    /// names of errors. On one line, bounded, without secrets. Empty in files that are older.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quotes: BTreeMap<String, String>,
    /// What the target file has clients remember and no answer ever said, by name and place. Empty in files that are older.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub never_learnt: Vec<String>,
    /// The publisher's side.
    pub published: Published,
    /// Bytes of the window by layer and direction.
    pub bytes: Bytes,
    /// Connection counters of the whole run.
    pub connections: Connections,
    /// Polling counters of the window; absent for streams.
    pub polls: Option<Polls>,
    /// What the work cost the server; absent when it does not tell.
    pub server: Option<ServerCost>,
    /// What the work cost the generator.
    pub generator: GeneratorCost,
    /// The whole run as both sides counted it; empty where the server is not ours alone, or the run is older than this.
    #[serde(default)]
    pub reconciliation: Vec<Reconciled>,
    /// How the run got over what was done to it on purpose; absent where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
}

/// One quantity of the whole run, counted by both sides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciled {
    /// What was counted, for example `stream bytes received`; directions are the clients'.
    pub quantity: String,
    /// What the generator counted.
    pub generator: u64,
    /// What the server counted, by its `/stats`.
    pub server: u64,
    /// Why a difference is nobody's fault, if it is.
    #[serde(default)]
    pub explained: Option<String>,
}

impl Reconciled {
    /// True when a difference is nobody's fault.
    pub fn is_explained(&self) -> bool {
        self.explained.is_some()
    }

    /// True when the sides differ and nothing explains it.
    pub fn is_disagreement(&self) -> bool {
        self.generator != self.server && !self.is_explained()
    }
}

/// One phase of a run: `connect`, `settle`, `warm-up`, `measure`, `drain`, `close`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Name of the phase.
    pub name: String,
    /// Start, seconds since the run began.
    pub start_s: f64,
    /// End, seconds since the run began.
    pub end_s: f64,
}

/// The usual percentiles of one quantity, nanoseconds. All zero when `count` is zero: look at `count` first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// How many values were recorded.
    pub count: u64,
    /// Smallest value, ns.
    pub min_ns: u64,
    /// Mean, ns.
    pub mean_ns: f64,
    /// Median, ns.
    pub p50_ns: u64,
    /// 90th percentile, ns.
    pub p90_ns: u64,
    /// 95th percentile, ns.
    pub p95_ns: u64,
    /// 99th percentile, ns.
    pub p99_ns: u64,
    /// 99.9th percentile, ns.
    pub p999_ns: u64,
    /// Largest value, ns.
    pub max_ns: u64,
}

impl From<&Histogram<u64>> for Percentiles {
    fn from(histogram: &Histogram<u64>) -> Self {
        if histogram.is_empty() {
            return Self::default();
        }
        let at = |quantile| histogram.value_at_quantile(quantile);
        Self {
            count: histogram.len(),
            min_ns: histogram.min(),
            mean_ns: histogram.mean(),
            p50_ns: at(0.50),
            p90_ns: at(0.90),
            p95_ns: at(0.95),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            max_ns: histogram.max(),
        }
    }
}

/// The ledgers of all clients, summed over the notifications of the window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deliveries {
    /// Notifications that the server accepted, times the clients that were meant to get each.
    pub expected: u64,
    /// Different notifications received, per client.
    pub delivered: u64,
    /// Expected and never received before the drain bound.
    pub lost: u64,
    /// Received again.
    pub duplicated: u64,
    /// Received after a notification that was published later.
    pub reordered: u64,
    /// Received after the drain bound; they count as lost, too.
    pub late: u64,
    /// `gap` messages by which the server owned up to losses.
    pub gaps: u64,
}

/// What the publisher offered and what became of it, over the window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// Notifications that were due in the window.
    pub due: u64,
    /// Notifications that were sent.
    pub sent: u64,
    /// Notifications that the server accepted.
    pub accepted: u64,
    /// When a notification counts as accepted.
    #[serde(default)]
    pub accepted_when: Accepted,
    /// Notifications that the server refused, or that were not sent. In files that are older than `unknown`, those of it as well.
    pub refused: u64,
    /// Notifications that were sent, and of which no answer tells whether the server took them.
    #[serde(default)]
    pub unknown: u64,
    /// Notifications that waited for a free connection for publishing: longer than send lag may be, and longer than they were late anyway.
    #[serde(default)]
    pub waited: u64,
    /// Requests that were sent once more: the server had not acted on them, or recognises them by an idempotency key.
    #[serde(default)]
    pub sent_again: u64,
    /// HTTP connections opened for publishing, over the whole run.
    #[serde(default)]
    pub connections_opened: u64,
    /// Most of them that were open at a time, over the whole run. Of several shards, the sum of theirs: a bound that no instant need have reached.
    #[serde(default)]
    pub most_connections: u64,
    /// Those of the refused and unknown that some client received in time all the same: the server had taken them, and its answer was lost. They are
    /// expected of every client. Absent in files that are older than the count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_and_delivered: Option<u64>,
    /// Actual minus intended publishing instant: the generator's own fault.
    pub send_lag: Percentiles,
    /// Request sent until its response; absent where there are no responses.
    pub publish_time: Option<Percentiles>,
}

/// When a published notification counts as accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accepted {
    /// When the server has answered with 2xx. All runs from before there was anything else.
    #[default]
    Answered,
    /// When it has been written to a socket on which nothing is answered.
    Written,
}

/// Bytes of the window, as the clients' own connections carried them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Bytes {
    /// Deliveries received while these bytes were counted (duplicates included): the divisor of "per delivery".
    pub deliveries: u64,
    /// Server to clients.
    pub received: Layers,
    /// Clients to server.
    pub sent: Layers,
    /// From the first connection to the end of the last, for comparing with a capture; absent in runs older than this.
    #[serde(default)]
    pub whole_run: Option<WholeRun>,
}

/// Bytes of the whole run, closing exchanges included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WholeRun {
    /// Server to clients.
    pub received: Total,
    /// Clients to server.
    pub sent: Total,
}

/// Bytes of one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// Bytes that TCP carried, each once.
    pub stream: u64,
    /// Headers, pure ACKs, handshakes, farewells and retransmissions; `None` where the system does not tell.
    pub tcp_ip: Option<u64>,
}

impl Bytes {
    /// Wire bytes of both directions over payload bytes delivered; `None` without deliveries or where TCP/IP was not
    /// measured.
    pub fn overhead_factor(&self) -> Option<f64> {
        let wire = self.received.wire()? + self.sent.wire()?;
        (self.received.payload > 0).then(|| wire as f64 / self.received.payload as f64)
    }

    /// Bytes of both directions per delivery, on the wire where TCP/IP was measured, else of the stream.
    pub fn per_delivery(&self) -> Option<f64> {
        let total = |layers: &Layers| layers.wire().unwrap_or_else(|| layers.stream());
        (self.deliveries > 0).then(|| (total(&self.received) + total(&self.sent)) as f64 / self.deliveries as f64)
    }
}

/// Bytes of one direction, by layer; the layers add up to what was on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// Published payloads, once per delivery.
    pub payload: u64,
    /// Everything else in the byte stream: HTTP heads, chunk sizes, SSE field names, WebSocket headers, envelopes, pings,
    /// empty polls.
    pub framing: u64,
    /// Ciphertext minus plaintext.
    pub tls: u64,
    /// Headers, pure ACKs, handshakes and retransmissions, from the kernel's segment counts; `None` where the
    /// system does not tell.
    pub tcp_ip: Option<u64>,
}

impl Layers {
    /// Bytes of the application's stream, before encryption.
    pub fn stream(&self) -> u64 {
        self.payload + self.framing
    }

    /// Bytes on the wire, or `None` where TCP/IP was not measured.
    pub fn wire(&self) -> Option<u64> {
        Some(self.stream() + self.tls + self.tcp_ip?)
    }
}

/// Connections as the clients saw them, over the whole run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// Clients asked for.
    pub asked: u64,
    /// Clients that were live when measuring started: sampled once, up to 50 ms before, thread by thread.
    pub live_at_start: u64,
    /// Clients that were live when measuring ended: sampled once, thread by thread, as soon after as the machine had time.
    pub live_at_end: u64,
    /// TCP connections opened.
    pub opened: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Times that a client came back after its transport had been live and was lost.
    pub reconnected: u64,
    /// What went wrong, by kind.
    pub errors: BTreeMap<String, u64>,
    /// What the server ended in an orderly way; absent in files that are older than the counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orderly: Option<OrderlyEnds>,
}

/// Requests of polling clients, over the window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Polls {
    /// Polls answered.
    pub answered: u64,
    /// Polls answered with nothing.
    pub wasted: u64,
}

/// What the server spent, over the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerCost {
    /// Who says so.
    #[serde(default)]
    pub source: CostSource,
    /// User and system CPU time, seconds.
    pub cpu_s: f64,
    /// The same, read by the generator from outside: the CPU clocks of the server's process and its descendants, and `/proc` for
    /// those that have ended, seconds. Exact while none ends; in runs of older builds, and where there are no CPU clocks, to the
    /// clock tick, 10 ms as a rule. Absent where nobody knows the server's process.
    pub cpu_by_process_s: Option<f64>,
    /// What of `cpu_by_process_s` was user mode, seconds: the share that `/proc/PID/stat` gives it over the window, known to
    /// about one clock tick a process. Absent in older runs, and where no tick passed in the window.
    #[serde(default)]
    pub cpu_user_s: Option<f64>,
    /// What of it the kernel did for the server, seconds; with `cpu_user_s` it makes the whole of `cpu_by_process_s`.
    #[serde(default)]
    pub cpu_system_s: Option<f64>,
    /// CPU time per delivery received in the window, microseconds.
    pub cpu_us_per_delivery: Option<f64>,
    /// Share of one core that the server used while all clients were connected and nothing was published; `None` where that
    /// lasted too short a time to say (`--settle`).
    pub idle_cpu_share: Option<f64>,
    /// Resident memory before the first client connected, bytes. This and the next two are single samples, not extremes.
    pub rss_before_bytes: u64,
    /// Resident memory with all clients live, before anything was published, bytes.
    pub rss_connected_bytes: u64,
    /// Resident memory at the end of measuring, bytes.
    pub rss_end_bytes: u64,
    /// `(rss_end - rss_before) / clients`, bytes: what a connection costs after it has worked.
    pub rss_per_connection_bytes: f64,
    /// `(rss_connected - rss_before) / clients`, bytes: what a connection costs before its first notification.
    pub rss_per_idle_connection_bytes: f64,
    /// Notifications handed to sockets in the window, by the server's count; absent where it does not count.
    pub delivered: Option<u64>,
    /// Connections open at the end of measuring, by the server's count, on this run's transport: sampled once, as soon after the window as
    /// it answers. Absent where it does not count.
    pub open_at_end: Option<u64>,
    /// Cores that the server was pinned to; empty when it was not.
    pub cpus: Vec<usize>,
}

/// Where a server's cost was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CostSource {
    /// The server's own `/stats`. All runs from before there was anything else.
    #[default]
    Stats,
    /// The system, summed over the server's process and its descendants: CPU time by their CPU clocks (in runs of older builds
    /// by `/proc`, to the clock tick, 10 ms as a rule); resident memory with what processes share counted for each of them.
    ProcessTree,
}

/// What the generator itself spent, over the window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GeneratorCost {
    /// User and system CPU time, seconds.
    pub cpu_s: f64,
    /// What of it was user mode, seconds (`getrusage(2)`); absent in older runs.
    #[serde(default)]
    pub cpu_user_s: Option<f64>,
    /// What of it the kernel did for the generator, seconds; absent in older runs.
    #[serde(default)]
    pub cpu_system_s: Option<f64>,
    /// CPU time per delivery received in the window, microseconds.
    pub cpu_us_per_delivery: Option<f64>,
    /// CPU time over the window, as a share of the cores that the generator may use (1 = all of them).
    pub cpu_share: f64,
    /// Resident memory before the first client connected, bytes; `None` where the system does not tell.
    pub rss_before_bytes: Option<u64>,
    /// Resident memory at the end of measuring, bytes; `None` where the system does not tell.
    pub rss_end_bytes: Option<u64>,
    /// `(rss_end - rss_before) / clients`, bytes; `None` where the system does not tell.
    pub rss_per_client_bytes: Option<f64>,
    /// How late the players' event loops ran a timer: sampled on a grid of 10 ms, so that what held them up for less may be in none of it.
    pub loop_lag: Percentiles,
    /// How long clients that had an answer waited for their turn to ask again, so that unread answers came first; `None`
    /// where clients take no turns (all but those that poll and wait), and in runs from before it was told.
    #[serde(default)]
    pub turn_wait: Option<Percentiles>,
    /// Threads that clients were spread over; `workers` in runs from before processes were called so.
    #[serde(alias = "workers")]
    pub threads: u32,
    /// Cores that the generator was pinned to; empty when it was not.
    pub cpus: Vec<usize>,
}
