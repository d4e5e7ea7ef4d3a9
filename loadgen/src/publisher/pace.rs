//! Keeps the publisher's time: each notification is handed to its channel when it is due, never earlier, never waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Context;
use feed::Postmark;
use tokio::sync::watch;

use super::{Channels, Report};
use crate::clock::{self, Alarm};
use crate::plan::{Arrive, Plan};
use crate::recording::Departures;

/// The channels, and who is told of what goes into them.
pub(super) struct Pace {
    channels: Channels,
    sent: Arc<AtomicU64>,
    departures: Arc<Departures>,
}

impl Pace {
    pub(super) fn new(channels: Channels, sent: Arc<AtomicU64>, departures: Arc<Departures>) -> Self {
        Self { channels, sent, departures }
    }

    /// Publishes the whole plan from `begin` on, or until told to stop.
    pub(super) async fn publish(
        self,
        plan: &Plan,
        begin: Instant,
        mut stop: watch::Receiver<bool>,
    ) -> anyhow::Result<Report> {
        let mut alarm = Alarm::new().context("cannot set the publisher's timer")?;
        let mut ends = vec![0; plan.topics.len()];
        for arrive in plan.arrivals() {
            let due = begin + arrive.offset;
            let stopped = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => true,
                rung = alarm.sleep_until(begin + plan.send_offset(arrive.offset)) => { rung?; false }
            };
            if stopped {
                break;
            }
            ends[usize::from(arrive.topic)] = arrive.sequence + 1;
            // A socket that the server does not read must not keep a stopped publisher from ending.
            tokio::select! {
                biased;
                () = self.send(plan, arrive, due) => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        self.channels.await_answers().await;
        Ok(self.channels.books.borrow_mut().close(ends))
    }

    async fn send(&self, plan: &Plan, arrive: Arrive, due: Instant) {
        let in_window = arrive.offset >= plan.warmup;
        let postmark = Postmark {
            run: plan.run,
            publisher: plan.publisher(arrive.topic),
            sequence: arrive.sequence,
            intended_ns: clock::ns_at(due),
        };
        let now = clock::now();
        self.departures.enter(arrive.topic, arrive.sequence, clock::ns_at(now));
        self.channels.books.borrow_mut().due(in_window, now.saturating_duration_since(due).as_nanos() as u64);
        let sent = || {
            self.sent.fetch_add(1, Ordering::Relaxed);
        };
        self.channels.of(arrive.topic).send(arrive, in_window, postmark, sent).await;
    }
}
