//! What the publisher writes down: what was due, what was sent, and what became of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use feed::postmarks;
use hdrhistogram::Histogram;
use results::{Accepted, Percentiles, Published, new_histogram};

use super::Report;
use super::http::NOT_ACCEPTED;
use super::socket_end::Told;
use crate::clock;
use crate::plan::{Arrive, Plan};
use crate::recording::{Departures, Proof, PublishOrder, TOLD_PUBLISHERS, count_numbers, shape};

/// It was sent, and no answer tells what became of it.
pub(super) const UNKNOWN: &str = "unknown";
/// It was sent, and the publisher's time was over before the server had answered.
pub(super) const UNANSWERED: &str = "unanswered";
/// The answer to it broke off behind its head.
pub(super) const TRUNCATED: &str = "truncated";
/// It was due, but was not sent before the publisher's time was over.
pub(super) const UNSENT: &str = "unsent";
/// There was no connection at the time, nor one on its way.
pub(super) const UNCONNECTED: &str = "unconnected";

/// Most messages on publishers' own sockets that are quoted, each of another shape.
const MOST_HEARD: usize = 3;
/// Most kinds of refusals that are quoted.
const MOST_QUOTES: usize = 8;

/// A notification that was sent over a socket and not acknowledged yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    pub arrive: Arrive,
    pub in_window: bool,
    pub sent_ns: u64,
}

/// The books of a whole run, or of its publisher's share in them.
#[derive(Debug)]
pub(super) struct Books {
    pub pending: VecDeque<Pending>,
    refused: Vec<Vec<u32>>,
    failures: BTreeMap<String, u64>,
    published: Published,
    send_lag: Histogram<u64>,
    publish_time: Histogram<u64>,
    out_of_range: u64,
    /// When each was sent and answered.
    departures: Arc<Departures>,
    /// How many were sent, warm-up included: the display reads it.
    sent: Arc<AtomicU64>,
    /// What proves the order of publishing.
    order: Order,
    /// What the server answered to the first publication.
    first_answer: Option<String>,
    /// The first messages on publishers' own sockets, by their shapes.
    heard: Vec<(u64, String)>,
    /// Refusals of which nobody says what they refuse.
    unattributed: u64,
    /// What the first answer of each kind said that was no acceptance.
    refusals: BTreeMap<String, String>,
}

/// What proves in which order notifications were published.
#[derive(Debug)]
enum Order {
    /// That one was answered before the other was sent.
    Answers,
    /// That they were written to the same connection.
    Writing(Vec<Written>),
}

/// What was written of one topic.
#[derive(Debug, Clone, Default)]
struct Written {
    /// One past the number that was written last.
    next: u32,
    /// The numbers with which connections began that took over from a lost one.
    connections: Vec<u32>,
}

impl Books {
    /// Empty books of a publisher whose requests are answered one by one, so that the answers prove the order.
    pub(super) fn of_requests(plan: &Plan, departures: Arc<Departures>, sent: Arc<AtomicU64>) -> Self {
        departures.prove_order_by(Proof::Answers);
        Self::new(plan, Accepted::Answered, Order::Answers, departures, sent)
    }

    /// Empty books of a publisher that writes to sockets.
    pub(super) fn of_sockets(
        plan: &Plan,
        accepted_when: Accepted,
        departures: Arc<Departures>,
        sent: Arc<AtomicU64>,
    ) -> Self {
        departures.prove_order_by(Proof::Writing);
        let order = Order::Writing(vec![Written::default(); plan.topics.len()]);
        Self::new(plan, accepted_when, order, departures, sent)
    }

    fn new(
        plan: &Plan,
        accepted_when: Accepted,
        order: Order,
        departures: Arc<Departures>,
        sent: Arc<AtomicU64>,
    ) -> Self {
        Self {
            pending: VecDeque::new(),
            refused: vec![Vec::new(); plan.topics.len()],
            failures: BTreeMap::new(),
            published: Published { accepted_when, ..Published::default() },
            send_lag: new_histogram(),
            publish_time: new_histogram(),
            out_of_range: 0,
            departures,
            sent,
            order,
            first_answer: None,
            heard: Vec::new(),
            unattributed: 0,
            refusals: BTreeMap::new(),
        }
    }

    /// A notification is about to be sent, `lag_ns` after it was due.
    pub(super) fn due(&mut self, in_window: bool, lag_ns: u64) {
        if in_window {
            self.published.due += 1;
            self.out_of_range += u64::from(self.send_lag.record(lag_ns).is_err());
        }
    }

    /// It has waited, because no connection was free.
    pub(super) fn waited(&mut self, in_window: bool) {
        self.published.waited += u64::from(in_window);
    }

    /// It leaves now, for the first time; returns the instant (ns). To be called before it does.
    pub(super) fn leaves(&mut self, arrive: Arrive) -> u64 {
        let at_ns = clock::now_ns();
        self.departures.enter(arrive.topic, arrive.sequence, at_ns);
        if let Order::Writing(topics) = &mut self.order {
            topics[usize::from(arrive.topic)].next = arrive.sequence + 1;
        }
        at_ns
    }

    /// It was sent, or sent `again`.
    pub(super) fn sent(&mut self, in_window: bool, again: bool) {
        if again {
            self.published.sent_again += u64::from(in_window);
        } else {
            self.sent.fetch_add(1, Ordering::Relaxed);
            self.published.sent += u64::from(in_window);
        }
    }

    /// It was written to a socket whose server acknowledges it, or not.
    pub(super) fn await_acknowledgement(&mut self, pending: Pending) {
        self.pending.push_back(pending);
    }

    /// The server refused it, or it was not sent, for a reason of this kind.
    pub(super) fn refuse(&mut self, arrive: Arrive, in_window: bool, kind: &str) {
        self.not_accepted(arrive, kind);
        self.published.refused += u64::from(in_window);
    }

    /// The server refused it, in words of which the first of this kind are kept.
    pub(super) fn refuse_with(&mut self, arrive: Arrive, in_window: bool, kind: &str, words: impl FnOnce() -> String) {
        self.refuse(arrive, in_window, kind);
        self.quote(kind, || Some(words()));
    }

    /// Something went wrong in this way, of which these are the server's own words.
    pub(super) fn fails_with(&mut self, kind: &str, words: impl FnOnce() -> Option<String>) {
        self.count_failure(kind);
        self.quote(kind, words);
    }

    fn quote(&mut self, kind: &str, words: impl FnOnce() -> Option<String>) {
        let kind = publish(kind);
        if self.refusals.len() < MOST_QUOTES
            && !self.refusals.contains_key(&kind)
            && let Some(words) = words()
        {
            self.refusals.insert(kind, words);
        }
    }

    /// It was sent, and nobody says whether the server took it, for a reason of this kind.
    pub(super) fn unknown(&mut self, arrive: Arrive, in_window: bool, kind: &str) {
        self.not_accepted(arrive, kind);
        self.published.unknown += u64::from(in_window);
    }

    /// Something went wrong in this way.
    pub(super) fn count_failure(&mut self, kind: &str) {
        *self.failures.entry(publish(kind)).or_default() += 1;
    }

    /// The server ended a publisher's socket, in words of which the first of this kind are kept.
    pub(super) fn socket_ended(&mut self, Told { kind, words }: Told) {
        self.count_failure(&kind);
        if !words.is_empty() && self.refusals.len() < MOST_QUOTES {
            self.refusals.entry(publish(&kind)).or_insert(words);
        }
    }

    fn not_accepted(&mut self, arrive: Arrive, kind: &str) {
        self.count_failure(kind);
        self.refused[usize::from(arrive.topic)].push(arrive.sequence);
    }

    /// It was written, or could not be, and nobody will answer for it.
    pub(super) fn written(&mut self, arrive: Arrive, is_written: bool) {
        let Some(pending) = self.take_pending(arrive.topic, arrive.sequence) else { return };
        if is_written {
            self.published.accepted += u64::from(pending.in_window);
        } else {
            self.unknown(pending.arrive, pending.in_window, UNKNOWN);
        }
    }

    /// Matches an acknowledgement to its notification, whatever came before it: one that came at an instant (ns), or that says that it was not
    /// accepted.
    pub(super) fn acknowledge(&mut self, topic: u16, sequence: u32, accepted_ns: Option<u64>, words: &[u8]) {
        if let Some(pending) = self.take_pending(topic, sequence) {
            self.answered(pending, accepted_ns, words);
        }
    }

    /// Matches an answer to the notification that has waited longest for one on a socket that carries these topics; false where none has.
    pub(super) fn answer_oldest(
        &mut self,
        is_carried: impl Fn(u16) -> bool,
        accepted_ns: Option<u64>,
        words: &[u8],
    ) -> bool {
        let oldest = self.pending.iter().position(|pending| is_carried(pending.arrive.topic));
        let Some(pending) = oldest.and_then(|place| self.pending.remove(place)) else { return false };
        self.answered(pending, accepted_ns, words);
        true
    }

    fn answered(&mut self, pending: Pending, accepted_ns: Option<u64>, words: &[u8]) {
        match accepted_ns {
            Some(at_ns) => self.accept(pending, at_ns),
            None => self.refuse_with(pending.arrive, pending.in_window, NOT_ACCEPTED, || text(words)),
        }
    }

    /// The server refused one of those that were written, in these words, and does not say which: it stays among those that are expected.
    pub(super) fn refused_one(&mut self, words: &[u8]) {
        self.fails_with(NOT_ACCEPTED, || Some(text(words)));
        self.unattributed += 1;
        if self.published.accepted > 0 {
            self.published.accepted -= 1;
            self.published.refused += 1;
        }
    }

    /// The server said this on a publisher's own socket; the first of each shape is kept, but for what was published.
    pub(super) fn hear(&mut self, message: &[u8]) {
        if self.heard.len() < MOST_HEARD && postmarks(message).next().is_none() {
            let shape = shape(message);
            if self.heard.iter().all(|(other, _)| *other != shape) {
                self.heard.push((shape, text(message)));
            }
        }
    }

    fn take_pending(&mut self, topic: u16, sequence: u32) -> Option<Pending> {
        let is_meant = |pending: &Pending| (pending.arrive.topic, pending.arrive.sequence) == (topic, sequence);
        self.pending.iter().position(is_meant).and_then(|place| self.pending.remove(place))
    }

    /// The server answered at `at_ns` that it has accepted it.
    pub(super) fn accept(&mut self, pending: Pending, at_ns: u64) {
        self.departures.enter_answer(pending.arrive.topic, pending.arrive.sequence, at_ns);
        if pending.in_window {
            self.published.accepted += 1;
            if self.publish_time.record(at_ns.saturating_sub(pending.sent_ns)).is_err() {
                self.out_of_range += 1;
            }
        }
    }

    /// The connection that carried these topics is lost and, if it `is_answered`, with it every answer that has not come.
    pub(super) fn lose_connection(&mut self, is_carried: impl Fn(u16) -> bool, is_answered: bool) {
        if let Order::Writing(topics) = &mut self.order {
            // What comes after it over another one may overtake it.
            self.departures.prove_order_by(Proof::InTheEnd);
            let carried = topics.iter_mut().enumerate().filter(|(topic, _)| is_carried(*topic as u16));
            carried.for_each(|(_, written)| written.connections.push(written.next));
        }
        if is_answered {
            self.lose_pending(is_carried);
        }
    }

    fn lose_pending(&mut self, is_carried: impl Fn(u16) -> bool) {
        for pending in std::mem::take(&mut self.pending) {
            if is_carried(pending.arrive.topic) {
                self.unknown(pending.arrive, pending.in_window, UNKNOWN);
            } else {
                self.pending.push_back(pending);
            }
        }
    }

    /// A connection for publishing was opened, so that there are `open` now.
    pub(super) fn opened(&mut self, open: u64) {
        self.published.connections_opened += 1;
        self.published.most_connections = self.published.most_connections.max(open);
    }

    /// How many were sent so far.
    #[cfg(test)]
    pub(super) fn sent_so_far(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// The server has answered; what the first answer says is kept.
    pub(super) fn first_answer(&mut self, quote: impl FnOnce() -> String) {
        self.first_answer.get_or_insert_with(quote);
    }

    /// What the server answered to the first publication, if it has.
    pub(super) fn told_first(&self) -> Vec<String> {
        self.first_answer.iter().chain(self.heard.iter().map(|(_, words)| words)).cloned().collect()
    }

    /// How many were not accepted so far, or are not known to be.
    pub(super) fn count_not_accepted(&self) -> u64 {
        count_numbers(&self.refused) + self.unattributed
    }

    /// What kept notifications from being accepted so far, by kind.
    pub(super) fn failures(&self) -> &BTreeMap<String, u64> {
        &self.failures
    }

    /// Closes the books; `ends` are the numbers behind the last that was due, per topic.
    pub(super) fn close(&mut self, ends: Vec<u32>) -> Report {
        self.lose_pending(|_| true);
        self.published.send_lag = Percentiles::from(&self.send_lag);
        self.published.publish_time = match self.published.accepted_when {
            Accepted::Answered => Some(Percentiles::from(&self.publish_time)),
            Accepted::Written => None,
        };
        let mut refused = std::mem::take(&mut self.refused);
        refused.iter_mut().for_each(|numbers| numbers.sort_unstable());
        let orders = match &self.order {
            Order::Answers => (0..refused.len()).map(|topic| self.departures.order_of_answers(topic as u16)).collect(),
            Order::Writing(topics) => {
                topics.iter().map(|written| PublishOrder::of_writing(&written.connections)).collect()
            }
        };
        let mut quotes = std::mem::take(&mut self.refusals);
        let heard = std::mem::take(&mut self.heard);
        quotes.extend(
            heard.into_iter().enumerate().map(|(place, (_, words))| (format!("{TOLD_PUBLISHERS}{}", place + 1), words)),
        );
        Report {
            published: self.published.clone(),
            ends,
            refused,
            orders,
            failures: std::mem::take(&mut self.failures),
            quotes,
            send_lag: self.send_lag.clone(),
            publish_time: self.publish_time.clone(),
            out_of_range: self.out_of_range,
        }
    }
}

/// The beginning of what a server said.
fn text(words: &[u8]) -> String {
    /// Longest words that are kept, bytes: whoever shows them cuts them further, once there is no secret in them.
    const LONGEST: usize = 4 * 1024;
    String::from_utf8_lossy(&words[..words.len().min(LONGEST)]).into_owned()
}

/// The kind of a failure as it stands among those of clients.
fn publish(kind: &str) -> String {
    format!("publish-{kind}")
}
