//! Servers that do what servers of others do: a short run past each, with rows of its own.

use std::fmt::Write;

use feed::Transport;
use results::Percentiles;

use super::row::{at_least, exact, exact_at_rest, times, verdict, write_rows};
use super::{Findings, Row, Trial};

/// The target of a server that refuses inside an answer 200.
const REFUSING: &str = r#"
name = "refusing"

[publish]
path = "/topics/{topic}"
headers = { Content-Type = "application/json" }
accepted = "json /error absent"

[transports.ws]
path = "/topics/{topic}/ws"
"#;

/// A stub with a habit, and what must be measured of it.
pub struct OddServer {
    /// What it is called.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub does: &'static str,
    /// The run past it.
    pub trial: Trial,
    /// Why the run past it is invalid, where it is.
    reason: Option<&'static str>,
    /// Its rows beside those of every odd server.
    rows: fn(&Findings) -> Vec<Row>,
}

impl OddServer {
    /// All of them.
    pub fn all() -> Vec<Self> {
        let light = |transport, script: &[&str]| Trial { clients: 8, ..Trial::new(transport, script) };
        let all = [
            Self {
                name: "serial-posts",
                does: "each connection works off its publishing requests one after another, 50 ms each",
                trial: light(Transport::Ws, &["--serial-posts", "50ms"]),
                reason: None,
                rows: serial_posts,
            },
            Self {
                name: "end-answers",
                does: "each event has an answer of its own, of known length; the connection stays open for the next request",
                // A client asks for the next event 50 ms after the one before.
                trial: Trial { rate: 10.0, ..light(Transport::Sse, &["--end-answers"]) },
                reason: None,
                rows: end_answers,
            },
            Self {
                name: "deaf",
                does: "one of eight clients is sent nothing",
                trial: light(Transport::Sse, &["--deaf", "5"]),
                reason: Some("clients-unheard"),
                rows: |_| Vec::new(),
            },
            Self {
                name: "refuse-inside",
                does: "every second publication is refused, inside an answer 200; `accepted` in the target file tells which",
                trial: Trial { target: Some(REFUSING), ..light(Transport::Ws, &["--refuse-inside", "2:0"]) },
                reason: Some("load-applied"),
                rows: |_| Vec::new(),
            },
            Self {
                name: "mixed-topics",
                does: "what is published on either of two topics is given to the clients of both",
                trial: Trial { topics: 2, rate: 20.0, ..light(Transport::Ws, &[]) },
                reason: Some("misdelivered"),
                rows: mixed_topics,
            },
            Self {
                name: "close-after",
                does: "a publishing connection has one answer, with `Connection: close`; what comes behind it is not read",
                trial: light(Transport::Ws, &["--close-after", "1"]),
                reason: None,
                rows: close_after,
            },
            Self {
                name: "close-silently",
                does: "a publishing connection ends with its second answer, which does not say so",
                trial: light(Transport::Ws, &["--close-after", "2", "--close-silently"]),
                reason: None,
                rows: close_after,
            },
        ];
        all.map(|server| Self { trial: Trial { title: Some(server.name), ..server.trial }, ..server }).into()
    }

    /// Holds what was measured against the truth.
    pub fn examine(&self, findings: &Findings) -> Vec<Row> {
        let mut rows = books(&self.trial, findings);
        rows.extend((self.rows)(findings));
        rows.push(verdict(self.reason, &findings.outcome.verdict));
        rows
    }

    /// The rows as a table, after what the server did.
    pub fn table(&self, rows: &[Row]) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "\n{} ({}): {}", self.name, self.trial.transport, self.does);
        write_rows(&mut out, rows);
        out
    }
}

/// What becomes of every publication and delivery.
fn books(trial: &Trial, Findings { outcome, truth }: &Findings) -> Vec<Row> {
    let published = &outcome.measured.published;
    let deliveries = &outcome.measured.deliveries;
    let clients_of_topic = u64::from(trial.clients) / u64::from(trial.topics);
    vec![
        exact("due", truth.published + truth.refused, published.due),
        exact("accepted", truth.published, published.accepted),
        exact("refused", truth.refused, published.refused),
        exact("unknown", 0, published.unknown),
        exact("expected", truth.published * clients_of_topic, deliveries.expected),
        exact("delivered", truth.delivered, deliveries.delivered),
        exact("lost", truth.dropped, deliveries.lost),
        exact("duplicated", truth.repeated, deliveries.duplicated),
    ]
}

fn serial_posts(Findings { outcome, truth }: &Findings) -> Vec<Row> {
    let published = &outcome.measured.published;
    let unmeasured = Percentiles::default();
    let measured = published.publish_time.as_ref().unwrap_or(&unmeasured);
    let mut rows = vec![exact("sent too early", truth.pipelined, 0), exact_at_rest("waited", 0, published.waited)];
    // How many, and p50: too few for more.
    rows.extend(times("publish time", &truth.publish_time, measured).into_iter().take(2));
    rows
}

fn end_answers(Findings { outcome, truth }: &Findings) -> Vec<Row> {
    let connections = &outcome.measured.connections;
    let bytes = outcome.measured.bytes.whole_run.unwrap_or_default();
    vec![
        exact("answers ended", truth.answers_ended, connections.orderly.unwrap_or_default().answers),
        exact("connections opened", truth.opened, connections.opened),
        exact("reconnected", 0, connections.reconnected),
        exact("errors", 0, connections.errors.values().sum()),
        exact("bytes received", truth.bytes_written, bytes.received.stream),
        exact("bytes sent", truth.bytes_read, bytes.sent.stream),
    ]
}

fn mixed_topics(Findings { outcome, truth }: &Findings) -> Vec<Row> {
    vec![exact("misdelivered", truth.misdelivered, outcome.measured.misdelivered.unwrap_or_default())]
}

fn close_after(Findings { outcome, truth }: &Findings) -> Vec<Row> {
    vec![at_least("publish connections", truth.closed, outcome.measured.published.connections_opened)]
}
