//! What the publisher writes down: what was due, what was sent, and what became of it.

use std::collections::{BTreeMap, VecDeque};

use hdrhistogram::Histogram;
use results::{Accepted, Percentiles, Published, new_histogram};

use super::Report;
use crate::plan::{Arrive, Plan};

/// The channel was lost, or the answer never came.
const LOST: &str = "lost";
/// It was due, but its channel had no room for it before the publisher's time was over.
pub(super) const UNSENT: &str = "unsent";
/// There was no channel at the time.
pub(super) const UNCONNECTED: &str = "unconnected";

/// A request that has not been answered.
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
}

impl Books {
    pub(super) fn new(plan: &Plan, accepted_when: Accepted) -> Self {
        Self {
            pending: VecDeque::new(),
            refused: vec![Vec::new(); plan.topics.len()],
            failures: BTreeMap::new(),
            published: Published { accepted_when, ..Published::default() },
            send_lag: new_histogram(),
            publish_time: new_histogram(),
            out_of_range: 0,
        }
    }

    /// A notification is about to be sent, `lag_ns` after it was due.
    pub(super) fn due(&mut self, in_window: bool, lag_ns: u64) {
        if in_window {
            self.published.due += 1;
            self.out_of_range += u64::from(self.send_lag.record(lag_ns).is_err());
        }
    }

    /// It was handed to a channel.
    pub(super) fn sent(&mut self, pending: Pending) {
        self.published.sent += u64::from(pending.in_window);
        self.pending.push_back(pending);
    }

    /// The server is not known to have accepted it, for a reason of this kind.
    pub(super) fn refuse(&mut self, arrive: Arrive, in_window: bool, kind: &str) {
        *self.failures.entry(format!("publish-{kind}")).or_default() += 1;
        self.refused[usize::from(arrive.topic)].push(arrive.sequence);
        self.published.refused += u64::from(in_window);
    }

    /// The latest was written, or could not be, and nobody will answer for it.
    pub(super) fn written(&mut self, is_written: bool) {
        let Some(pending) = self.pending.pop_back() else { return };
        if is_written {
            self.published.accepted += u64::from(pending.in_window);
        } else {
            self.refuse(pending.arrive, pending.in_window, LOST);
        }
    }

    /// Matches an answer to the oldest request, which HTTP/1.1 guarantees is the right one.
    pub(super) fn answer(&mut self, status: u16, at_ns: u64) {
        let Some(pending) = self.pending.pop_front() else { return };
        if !(200..300).contains(&status) {
            self.refuse(pending.arrive, pending.in_window, &format!("status-{status}"));
        } else {
            self.accept(pending, at_ns);
        }
    }

    /// Matches an acknowledgement to its notification, whatever came before it.
    pub(super) fn acknowledge(&mut self, topic: u16, sequence: u32, at_ns: u64) {
        let is_meant = |pending: &Pending| (pending.arrive.topic, pending.arrive.sequence) == (topic, sequence);
        if let Some(place) = self.pending.iter().position(is_meant)
            && let Some(pending) = self.pending.remove(place)
        {
            self.accept(pending, at_ns);
        }
    }

    fn accept(&mut self, pending: Pending, at_ns: u64) {
        if pending.in_window {
            self.published.accepted += 1;
            if self.publish_time.record(at_ns.saturating_sub(pending.sent_ns)).is_err() {
                self.out_of_range += 1;
            }
        }
    }

    /// The channel of these topics is lost, and with it every answer that has not come.
    pub(super) fn lose_pending(&mut self, is_carried: impl Fn(u16) -> bool) {
        for pending in std::mem::take(&mut self.pending) {
            if is_carried(pending.arrive.topic) {
                self.refuse(pending.arrive, pending.in_window, LOST);
            } else {
                self.pending.push_back(pending);
            }
        }
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
        Report {
            published: self.published.clone(),
            ends,
            refused,
            failures: std::mem::take(&mut self.failures),
            send_lag: self.send_lag.clone(),
            publish_time: self.publish_time.clone(),
            out_of_range: self.out_of_range,
        }
    }
}
