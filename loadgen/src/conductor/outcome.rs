//! What becomes of all that was read in the course of a run: its results, its verdict, and its part in a larger run.

use std::ops::Range;
use std::time::{Duration, Instant};

use results::{
    Bytes, Connections, LatencyLog, Measured, OrderlyEnds, Percentiles, Phase, Polls, Recovery, RecoveryRow, SeriesRow,
};

use super::Setup;
use crate::clock;
use crate::faults::{Done, Fault, Losses, ServerFault, absence, groups, recovery};
use crate::journal::Records;
use crate::marks::{Mark, accepted, books, bytes, generator_cost, whole_run};
use crate::parts::{Parts, least, sum};
use crate::plan::Plan;
use crate::player::Closed;
use crate::publisher::Report;
use crate::read_limits::kind_in_results;
use crate::reconciliation::reconcile;
use crate::recording::{Live, Told, group, merge_moments, stack};
use crate::server_cost::{Readings, can_be_known};
use crate::target::reason;
use crate::verdict::{self, Circumstances, Judged, Span, Unheard, unheard};

/// What a run leaves behind.
pub struct Outcome {
    /// All that was measured.
    pub measured: Measured,
    /// Whether it may be believed.
    pub verdict: results::Verdict,
    /// True when the user stopped it.
    pub interrupted: bool,
    /// The window's latencies.
    pub log: LatencyLog,
    /// A row a second.
    pub rows: Vec<SeriesRow>,
    /// A row each tenth of a second, of a run with faults.
    pub recovery: Vec<RecoveryRow>,
    /// What is needed to add this run to others of which it is a shard.
    pub parts: Parts,
}

/// All that was read in the course of a run.
pub(super) struct Course {
    /// When publishing began.
    pub begin: Instant,
    /// The same, after the run did.
    pub begun: Duration,
    /// At the window's start.
    pub from: Mark,
    /// At its end.
    pub to: Mark,
    /// After the last client had left.
    pub last: Mark,
    /// What the publisher says.
    pub report: Report,
    /// What of the refused no client received, per topic.
    pub never_received: Vec<Vec<u32>>,
    /// True when the drain bound cut something off.
    pub drain_was_cut: bool,
    /// What the players' clients left.
    pub closed: Vec<Closed>,
    /// The journal's records.
    pub records: Records,
    /// The phases.
    pub phases: Vec<Phase>,
    /// What the server told.
    pub readings: Readings,
    /// Our own resident memory before the first client connected, bytes.
    pub rss_before: Option<u64>,
    /// The same at the window's end.
    pub rss_end: Option<u64>,
    /// True when the user stopped the run.
    pub interrupted: bool,
    /// What was seen of a run with faults.
    pub watched: Option<Vec<RecoveryRow>>,
    /// Who was live after the drain phase, and the fewest since the beginning of the window.
    pub live: Live,
    /// What was done to the server.
    pub faults: Vec<ServerFault>,
    /// The window, as far as it was measured.
    pub window: Range<Instant>,
    /// How long clients stayed away at most, as they were told.
    pub longest_pause: Duration,
}

impl Course {
    /// Makes differences and sums of it, and judges them.
    pub(super) fn outcome(self, setup: &Setup) -> Outcome {
        let Self {
            begin,
            begun,
            from,
            to,
            last,
            report,
            never_received,
            drain_was_cut,
            mut closed,
            records,
            phases,
            readings,
            rss_before,
            rss_end,
            interrupted,
            watched,
            live,
            longest_pause,
            faults,
            window,
        } = self;
        let plan = &setup.plan;
        let window_bytes = Bytes { whole_run: Some(whole_run(&last)), ..bytes(&from, &to, plan.payload) };
        let generator = generator_cost(setup, &from, &to, window_bytes.deliveries, rss_before, rss_end);
        let server = readings.cost(plan.transport, plan.clients, window_bytes.deliveries, setup.cores.server.clone());
        let books = books(plan, accepted(&report), &to, &last, interrupted);
        let reconciliation = match setup.child {
            // One that was started again has begun to count anew.
            Some(_) if setup.target.file.is_feed() && !plan.ends_server() => {
                reconcile(&books, &readings, plan.transport)
            }
            _ => Some(Vec::new()),
        };
        let told_all = server.is_some() && reconciliation.is_some();
        let spans = Span::of_topics(plan, window.end - window.start, &report.ends);
        let clients = group(closed.iter_mut().flat_map(|closed| std::mem::take(&mut closed.clients)));
        let unheard = match plan.shard.is_whole() {
            true => unheard(&clients, Judged::of(plan), |_, topic| {
                Some((*spans.get(topic)?, never_received.get(topic)?.as_slice()))
            }),
            // What the other shards' publishers had accepted is known where all are merged.
            false => Unheard::default(),
        };
        let circumstances =
            Circumstances { unheard, ..circumstances(setup, &readings, told_all, drain_was_cut, &faults, &window) };
        let mut rows = watched.unwrap_or_default();
        let told_apart = groups(plan, &records.totals.latency, records.totals.latency_of_struck.as_ref());
        let recovery = (!plan.faults.is_empty()).then(|| Recovery {
            struck: told_apart.struck,
            bystanders: told_apart.bystanders,
            ..recover(plan, &closed, live, &faults, window.start, &mut rows)
        });
        let polled = to.counters.since(from.counters);
        let parts = Parts {
            loop_lag: to.loop_lag.clone(),
            turn_wait: to.turn_wait.clone(),
            connect: records.totals.connect.clone(),
            send_lag: report.send_lag,
            publish_time: report.publish_time,
            ends: report.ends,
            refused: report.refused,
            orders: report.orders,
            stacks: stack(closed.iter_mut().flat_map(|closed| std::mem::take(&mut closed.stacks))),
            clients,
            spans,
            heard: closed.iter().fold(Vec::new(), |heard, closed| least(&heard, &closed.heard)),
            begin_ns: clock::ns_at(begin),
            begin: begun,
            books,
            server_pid: readings.before.as_ref().map(|reading| reading.pid),
            server: server.clone(),
        };
        let mut quotes = records.totals.told.quotes.clone();
        for (kind, words) in &report.quotes {
            quotes.entry(kind.clone()).or_insert_with(|| reason(setup.target.token.as_ref(), words));
        }
        let measured = Measured {
            phases,
            latency: Percentiles::from(&records.totals.latency),
            latency_from_actual: Some(Percentiles::from(&records.totals.latency_from_actual)),
            latency_out_of_range: records.totals.counters.out_of_range + report.out_of_range,
            connect: Percentiles::from(&records.totals.connect),
            deliveries: sum(closed.iter().map(|closed| &closed.deliveries)),
            misdelivered: Some(last.counters.misdelivered),
            repeated_within_messages: Some(last.counters.repeated_within),
            foreign: (!plan.transport.is_poll()).then_some(last.counters.foreign),
            quotes,
            never_learnt: never_learnt(setup, &records.totals.told),
            published: report.published,
            bytes: window_bytes,
            connections: Connections {
                asked: u64::from(setup.clients()),
                live_at_start: from.counters.live(),
                live_at_end: to.counters.live(),
                opened: records.totals.counters.opened,
                failed: records.totals.counters.failed,
                reconnected: records.totals.counters.reconnected,
                errors: records
                    .totals
                    .errors
                    .iter()
                    .chain(&report.failures)
                    .map(|(kind, n)| (kind_in_results(kind), *n))
                    .collect(),
                orderly: Some(OrderlyEnds {
                    answers: records.totals.counters.answers_ended,
                    sent_again: records.totals.counters.sent_again,
                    told_to_stop: records.totals.counters.told_to_stop,
                    longest_pause_ms: longest_pause.as_millis() as u64,
                    drain_lengthened_ms: longest_pause.min(plan.reconnection.longest).as_millis() as u64,
                }),
            },
            // A server that serves other shards, too, does not know what the clients of this one cost it.
            server: server.filter(|_| plan.shard.is_whole()),
            polls: plan.is_poll().then_some(Polls { answered: polled.polls, wasted: polled.wasted_polls }),
            generator,
            reconciliation: reconciliation.unwrap_or_default(),
            recovery,
        };
        let verdict = verdict::judge(&measured, &setup.bounds, circumstances);
        Outcome { measured, verdict, interrupted, log: records.log, rows: records.rows, recovery: rows, parts }
    }
}

/// What clients were to remember and none of them has learnt.
fn never_learnt(setup: &Setup, told: &Told) -> Vec<String> {
    let subscription = setup.target.file.subscription(setup.plan.transport);
    subscription
        .map_or_else(Vec::new, |subscription| subscription.missing(|place| told.learnt.get(place) == Some(&true)))
}

/// What is reported of the faults; `of_server` are those that were committed there, and all others began when they were due.
fn recover(
    plan: &Plan,
    closed: &[Closed],
    live: Live,
    of_server: &[ServerFault],
    start: Instant,
    rows: &mut [RecoveryRow],
) -> Recovery {
    let losses = closed.iter().fold(Losses::default(), |sum, closed| sum.plus(&closed.losses));
    let seen = rows.last().map_or(0.0, |row| row.at_s);
    let done = |(index, fault): (usize, &Fault)| {
        if fault.is_of_server() {
            let done = of_server.iter().find(|done| done.fault == index)?;
            let after = |instant: Instant| instant.saturating_duration_since(start);
            return Some(Done { at: after(done.at), until: Some(after(done.until)), clients: None });
        }
        let struck = closed.iter().filter_map(|closed| closed.struck.get(index)).sum();
        let was_due = fault.start().as_secs_f64() < seen;
        was_due.then(|| Done { at: fault.start(), until: None, clients: Some(struck) })
    };
    let done: Vec<_> = plan.faults.iter().enumerate().map(done).collect();
    let moments = merge_moments(closed.iter().map(|closed| closed.moments.clone()));
    recovery(plan, &done, &losses, live, &moments, rows)
}

fn circumstances(
    setup: &Setup,
    readings: &Readings,
    has_cost: bool,
    drain_was_cut: bool,
    faults: &[ServerFault],
    window: &Range<Instant>,
) -> Circumstances {
    let of_server = setup.plan.faults.iter().any(Fault::is_of_server);
    Circumstances {
        drain_was_cut,
        unheard: Unheard::default(),
        was_struck: !setup.plan.faults.is_empty(),
        server_away: absence(faults, window),
        window: window.end - window.start,
        server_restarted: readings.are_of_several_processes() && !setup.plan.ends_server(),
        server_fell_silent: (readings.have_any()
            || can_be_known(setup.child.or(setup.server_pid), setup.target.file.is_feed()))
            && !has_cost
            && !of_server,
        publishing_interval: setup.plan.publishing_interval(),
    }
}
