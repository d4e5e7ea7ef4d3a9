//! Keeps the publisher's time: each notification is handed to its channel when it is due, never earlier, never waited for.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Context;
use feed::Postmark;
use tokio::sync::watch;

use super::books::UNSENT;
use super::{Channels, Report, Stop};
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
        mut stop: watch::Receiver<Stop>,
    ) -> anyhow::Result<Report> {
        let mut alarm = Alarm::new().context("cannot set the publisher's timer")?;
        let mut ends = vec![0; plan.topics.len()];
        let mut why = Stop::No;
        for arrive in plan.arrivals() {
            let due = begin + arrive.offset;
            if why == Stop::No {
                tokio::select! {
                    biased;
                    reason = stopped(&mut stop) => why = reason,
                    rung = alarm.sleep_until(begin + plan.send_offset(arrive.offset)) => rung?,
                }
            }
            if let Stop::Wanted(end) = why
                && due >= end
            {
                break;
            }
            ends[usize::from(arrive.topic)] = arrive.sequence + 1;
            self.fall_due(plan, arrive, due);
            if why != Stop::No {
                self.leave_unsent(plan, arrive);
                continue;
            }
            // A socket that the server does not read must not keep a stopped publisher from ending.
            let is_handed_over = Cell::new(false);
            tokio::select! {
                biased;
                () = self.send(plan, arrive, due, &is_handed_over) => {}
                reason = stopped(&mut stop) => {
                    why = reason;
                    if !is_handed_over.get() {
                        self.leave_unsent(plan, arrive);
                    }
                }
            }
        }
        self.channels.await_answers().await;
        Ok(self.channels.books.borrow_mut().close(ends))
    }

    fn fall_due(&self, plan: &Plan, arrive: Arrive, due: Instant) {
        let lag = clock::now().saturating_duration_since(due);
        self.channels.books.borrow_mut().due(is_in_window(plan, arrive), lag.as_nanos() as u64);
    }

    fn leave_unsent(&self, plan: &Plan, arrive: Arrive) {
        self.channels.books.borrow_mut().refuse(arrive, is_in_window(plan, arrive), UNSENT);
    }

    /// Sends one notification; `is_handed_over` once its channel answers for what becomes of it.
    async fn send(&self, plan: &Plan, arrive: Arrive, due: Instant, is_handed_over: &Cell<bool>) {
        let postmark = Postmark {
            run: plan.run,
            publisher: plan.publisher(arrive.topic),
            sequence: arrive.sequence,
            intended_ns: clock::ns_at(due),
        };
        self.departures.enter(arrive.topic, arrive.sequence, clock::now_ns());
        let sent = || {
            is_handed_over.set(true);
            self.sent.fetch_add(1, Ordering::Relaxed);
        };
        self.channels.of(arrive.topic).send(arrive, is_in_window(plan, arrive), postmark, sent).await;
    }
}

/// Waits until the publisher is to stop, and says why.
async fn stopped(stop: &mut watch::Receiver<Stop>) -> Stop {
    stop.wait_for(|stop| *stop != Stop::No).await.map_or_else(|_| Stop::Wanted(clock::now()), |why| *why)
}

fn is_in_window(plan: &Plan, arrive: Arrive) -> bool {
    arrive.offset >= plan.warmup
}
