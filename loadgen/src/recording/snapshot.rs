//! A player's records at one instant, and how those of several players become one.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use results::growing_histogram;

use super::Told;
use crate::wire::TcpIp;

/// Counters since the start of the run, and gauges of this instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Clients whose transport is live (gauge).
    pub open: u64,
    /// Clients between two answers of an event stream: one has ended in an orderly way, the next is not there yet (gauge).
    pub returning: u64,
    /// Clients that are connecting (gauge).
    pub opening: u64,
    /// Polls that wait for their answer (gauge).
    pub in_flight: u64,
    /// TCP connections that are open (gauge).
    pub connections: u64,
    /// TCP connections opened.
    pub opened: u64,
    /// Attempts to connect that failed.
    pub failed: u64,
    /// Clients that came back after their transport was lost.
    pub reconnected: u64,
    /// Clients whose transport was lost, who left, or who were made to read no more.
    pub interrupted: u64,
    /// Clients who were live again, or read again, after that.
    pub resumed: u64,
    /// Answers of event streams that ended in an orderly way.
    pub answers_ended: u64,
    /// Requests sent again at once on a new connection, because the server had ended the kept one before it answered.
    pub sent_again: u64,
    /// Clients that were told not to come back: 204 on an event stream.
    pub told_to_stop: u64,
    /// Attempts to connect that were begun.
    pub attempts: u64,
    /// Notifications received, of the warm-up and repeated ones included.
    pub received: u64,
    /// Different notifications of the window received.
    pub delivered: u64,
    /// Different notifications of the window received that were published before their client began to resume.
    pub caught_up: u64,
    /// Notifications received again.
    pub repeated: u64,
    /// Repetitions of a notification within the message that delivered it; they are no deliveries.
    pub repeated_within: u64,
    /// Notifications of this run received by clients of other topics.
    pub misdelivered: u64,
    /// Messages of a stream that carried no postmark of this run, and were none of the feed's own either.
    pub foreign: u64,
    /// Gaps told by the server.
    pub gaps: u64,
    /// Polls answered.
    pub polls: u64,
    /// Polls answered with nothing.
    pub wasted_polls: u64,
    /// Stream bytes received.
    pub bytes_received: u64,
    /// Stream bytes sent.
    pub bytes_sent: u64,
    /// Bytes that TLS added to those received.
    pub tls_received: u64,
    /// Bytes that TLS added to those sent.
    pub tls_sent: u64,
    /// Connections given up before the server had ended them.
    pub abandoned: u64,
    /// Times that no histogram holds, or that ended before they began.
    pub out_of_range: u64,
}

impl Counters {
    /// Applies `combine` to every pair of counters, gauges included.
    fn zip(self, other: Self, combine: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            open: combine(self.open, other.open),
            returning: combine(self.returning, other.returning),
            opening: combine(self.opening, other.opening),
            in_flight: combine(self.in_flight, other.in_flight),
            connections: combine(self.connections, other.connections),
            opened: combine(self.opened, other.opened),
            failed: combine(self.failed, other.failed),
            reconnected: combine(self.reconnected, other.reconnected),
            interrupted: combine(self.interrupted, other.interrupted),
            resumed: combine(self.resumed, other.resumed),
            answers_ended: combine(self.answers_ended, other.answers_ended),
            sent_again: combine(self.sent_again, other.sent_again),
            told_to_stop: combine(self.told_to_stop, other.told_to_stop),
            attempts: combine(self.attempts, other.attempts),
            received: combine(self.received, other.received),
            delivered: combine(self.delivered, other.delivered),
            caught_up: combine(self.caught_up, other.caught_up),
            repeated: combine(self.repeated, other.repeated),
            repeated_within: combine(self.repeated_within, other.repeated_within),
            misdelivered: combine(self.misdelivered, other.misdelivered),
            foreign: combine(self.foreign, other.foreign),
            gaps: combine(self.gaps, other.gaps),
            polls: combine(self.polls, other.polls),
            wasted_polls: combine(self.wasted_polls, other.wasted_polls),
            bytes_received: combine(self.bytes_received, other.bytes_received),
            bytes_sent: combine(self.bytes_sent, other.bytes_sent),
            tls_received: combine(self.tls_received, other.tls_received),
            tls_sent: combine(self.tls_sent, other.tls_sent),
            abandoned: combine(self.abandoned, other.abandoned),
            out_of_range: combine(self.out_of_range, other.out_of_range),
        }
    }

    /// Clients that are live: those between two answers of a stream are, as those between two polls are.
    pub fn live(&self) -> u64 {
        self.open + self.returning
    }

    /// What was counted since `earlier`. Gauges mean nothing in a difference.
    pub fn since(self, earlier: Self) -> Self {
        self.zip(earlier, u64::saturating_sub)
    }

    /// The counters of two players together.
    pub fn plus(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
}

/// A player's records: counters of the whole run, histograms since the snapshot before.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Counters and gauges.
    pub counters: Counters,
    /// Delivery latency of the window's notifications, ns.
    pub latency: Histogram<u64>,
    /// What of it was received by clients that faults are aimed at; `None` in a run that has no such faults.
    pub latency_of_struck: Option<Histogram<u64>>,
    /// The same from actual publishing instants, ns.
    pub latency_from_actual: Histogram<u64>,
    /// Connect time, ns.
    pub connect: Histogram<u64>,
    /// Event-loop lag, ns.
    pub loop_lag: Histogram<u64>,
    /// How long clients waited for their turn to ask again, ns.
    pub turn_wait: Histogram<u64>,
    /// What went wrong since the start, by kind.
    pub errors: BTreeMap<String, u64>,
    /// What was said and learnt since the start.
    pub told: Told,
    /// TCP/IP bytes since the start; only where the snapshot was asked for them and the system tells.
    pub tcp_ip: Option<TcpIp>,
}

impl Snapshot {
    /// Nothing at all; the start of a merge.
    pub fn empty() -> Self {
        Self {
            counters: Counters::default(),
            latency: growing_histogram(),
            latency_of_struck: None,
            latency_from_actual: growing_histogram(),
            connect: growing_histogram(),
            loop_lag: growing_histogram(),
            turn_wait: growing_histogram(),
            errors: BTreeMap::new(),
            told: Told::default(),
            tcp_ip: Some(TcpIp::default()),
        }
    }

    /// Adds another player's snapshot.
    pub fn merge(&mut self, other: &Self) {
        self.counters = self.counters.plus(other.counters);
        for (mine, theirs) in [
            (&mut self.latency, &other.latency),
            (&mut self.latency_from_actual, &other.latency_from_actual),
            (&mut self.connect, &other.connect),
            (&mut self.loop_lag, &other.loop_lag),
            (&mut self.turn_wait, &other.turn_wait),
        ] {
            mine.add(theirs).expect("a histogram that grows takes in any other");
        }
        self.take_struck(other);
        for (kind, count) in &other.errors {
            *self.errors.entry(kind.clone()).or_default() += count;
        }
        self.told.merge(&other.told);
        self.tcp_ip = self.tcp_ip.zip(other.tcp_ip).map(|(a, b)| a + b);
    }

    /// Adds what another snapshot has of the struck.
    pub fn take_struck(&mut self, other: &Self) {
        let Some(theirs) = &other.latency_of_struck else { return };
        let mine = self.latency_of_struck.get_or_insert_with(growing_histogram);
        mine.add(theirs).expect("a histogram that grows takes in any other");
    }
}
