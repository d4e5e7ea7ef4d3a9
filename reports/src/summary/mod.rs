//! The figures of every contender in one row: what the tables and the answer are made from.

mod answer;
mod csv;
mod load;
mod markdown;

pub use answer::{answer, answer_of, comparisons, differences};
pub use csv::csv;
pub use markdown::markdown;

use results::numbers::{NOT_MEASURED, count, kib, number, or_not_measured, size, time_us};
use results::{Deliveries, LoadedRun};

use crate::groups::{Contender, Mark, marks_of};
use crate::plots::{ledger, server_cpu, server_rss};

/// One contender's figures; `None` is what was not measured.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Transport and what tells it from the others.
    pub label: String,
    /// Its transport.
    pub transport: String,
    /// Rounds that the figures are made from.
    pub rounds_used: usize,
    /// Rounds that may be believed.
    pub rounds_valid: usize,
    /// All rounds.
    pub rounds: usize,
    /// Median latency of the merged rounds, microseconds.
    pub p50_us: Option<f64>,
    /// 99th percentile of the merged rounds, microseconds.
    pub p99_us: Option<f64>,
    /// 99.9th percentile of the merged rounds, microseconds.
    pub p999_us: Option<f64>,
    /// Largest latency, microseconds.
    pub max_us: Option<f64>,
    /// Bytes of both directions per delivery, median over rounds.
    pub bytes_per_delivery: Option<f64>,
    /// True when these bytes include TCP/IP.
    pub bytes_are_wire: bool,
    /// Wire bytes over payload bytes, median over rounds.
    pub overhead_factor: Option<f64>,
    /// Server CPU time per delivery, microseconds, median over rounds.
    pub server_cpu_us: Option<f64>,
    /// Share of a core that the server used while nothing was published, median over rounds.
    pub idle_cpu_share: Option<f64>,
    /// Server memory per connection, bytes, median over rounds.
    pub server_rss_bytes: Option<f64>,
    /// TCP connections opened, median over rounds.
    pub opened: Option<f64>,
    /// Share of polls that were answered with nothing; `None` for streams.
    pub wasted_polls: Option<f64>,
    /// Notifications due per second, median over rounds.
    pub offered_per_s: Option<f64>,
    /// Notifications accepted per second, median over rounds.
    pub accepted_per_s: Option<f64>,
    /// Deliveries per second, median over rounds.
    pub deliveries_per_s: Option<f64>,
    /// Ledger counts, summed over rounds.
    pub deliveries: Deliveries,
    /// `valid`, or what must be said.
    pub verdict: String,
    /// Warnings about the rounds used.
    pub marks: Vec<Mark>,
}

/// Sums up every contender.
pub fn summaries(contenders: &[Contender<'_>]) -> Vec<Summary> {
    let ledgers = ledger::select(contenders);
    contenders.iter().zip(ledgers).map(|(contender, ledger)| summary(contender, ledger.counts)).collect()
}

fn summary(contender: &Contender<'_>, deliveries: Deliveries) -> Summary {
    let merged = contender.merged();
    let at = |quantile: f64| (!merged.is_empty()).then(|| merged.value_at_quantile(quantile) as f64 / 1e3);
    let wire = |run: &LoadedRun| {
        let bytes = &run.run.measured.bytes;
        bytes.received.wire().is_some() && bytes.sent.wire().is_some()
    };
    let marks = marks_of(std::slice::from_ref(contender));
    Summary {
        label: contender.label.clone(),
        transport: contender.transport.to_owned(),
        rounds_used: contender.used.len(),
        rounds_valid: contender.valid_rounds(),
        rounds: contender.all.len(),
        p50_us: at(0.50),
        p99_us: at(0.99),
        p999_us: at(0.999),
        max_us: at(1.0),
        bytes_per_delivery: contender.median(|run| run.run.measured.bytes.per_delivery()),
        bytes_are_wire: contender.used.iter().all(|run| wire(run)),
        overhead_factor: contender.median(|run| run.run.measured.bytes.overhead_factor()),
        server_cpu_us: contender.median(server_cpu::us_per_delivery),
        idle_cpu_share: contender.median(server_cpu::idle_share),
        server_rss_bytes: contender.median(server_rss::bytes_per_connection),
        opened: contender.median(|run| Some(run.run.measured.connections.opened as f64)),
        wasted_polls: contender.median(|run| {
            let polls = run.run.measured.polls.as_ref()?;
            (polls.answered > 0).then(|| polls.wasted as f64 / polls.answered as f64)
        }),
        offered_per_s: contender.median(load::offered_per_s),
        accepted_per_s: contender.median(load::accepted_per_s),
        deliveries_per_s: contender.median(load::deliveries_per_s),
        verdict: verdict(contender, &marks),
        deliveries,
        marks,
    }
}

fn verdict(contender: &Contender<'_>, marks: &[Mark]) -> String {
    let invalid = contender.used.iter().any(|run| !run.run.verdict.is_valid());
    let mut words = vec![if invalid { "INVALID".to_owned() } else { "valid".to_owned() }];
    for mark in marks {
        match mark {
            Mark::Invalid { checks, .. } => words.push(checks.join(", ")),
            // Their number is in the note about rounds.
            Mark::LeftOut { .. } => {}
            Mark::Interrupted { .. } => words.push("interrupted".to_owned()),
            Mark::DebugBuild { .. } => words.push("debug build".to_owned()),
        }
    }
    words.extend(contender.rounds_note());
    words.join("; ")
}

/// Headings of the table that people read.
pub const HEADINGS: [&str; 13] = [
    "transport",
    "p50",
    "p99",
    "bytes per delivery",
    "overhead factor",
    "server CPU per delivery",
    "RSS per connection",
    "offered per s",
    "accepted per s",
    "deliveries per s",
    "lost",
    "duplicated",
    "verdict",
];

impl Summary {
    /// The cells below [`HEADINGS`].
    pub fn cells(&self) -> [String; 13] {
        let Deliveries { expected, lost, duplicated, .. } = self.deliveries;
        let ledger = |value: u64| if expected > 0 { count(value) } else { NOT_MEASURED.to_owned() };
        let stream_only = if self.bytes_are_wire || self.bytes_per_delivery.is_none() { "" } else { " without TCP/IP" };
        [
            self.label.clone(),
            or_not_measured(self.p50_us, time_us),
            or_not_measured(self.p99_us, time_us),
            or_not_measured(self.bytes_per_delivery, size) + stream_only,
            or_not_measured(self.overhead_factor, number),
            or_not_measured(self.server_cpu_us, time_us),
            or_not_measured(self.server_rss_bytes, kib),
            or_not_measured(self.offered_per_s, number),
            or_not_measured(self.accepted_per_s, number),
            or_not_measured(self.deliveries_per_s, number),
            ledger(lost),
            ledger(duplicated),
            self.verdict.clone(),
        ]
    }

    /// The label, and whether its figures may be believed.
    pub fn name(&self) -> String {
        let invalid = self.marks.iter().any(Mark::is_invalid);
        if invalid { format!("{} (invalid)", self.label) } else { self.label.clone() }
    }

    /// True when nothing must be said about the figures before they are read.
    pub fn is_clean(&self) -> bool {
        self.marks.is_empty() && self.rounds_valid == self.rounds
    }
}
