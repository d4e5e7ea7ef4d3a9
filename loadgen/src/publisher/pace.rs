//! Keeps the publisher's time: each notification is handed to its channel when it is due, never earlier, never waited for.

use std::cell::Cell;
use std::time::Instant;

use anyhow::Context;
use feed::Postmark;
use tokio::sync::watch;

use super::books::UNSENT;
use super::publication::Publication;
use super::{Channels, Report, Stop};
use crate::clock::{self, Alarm};
use crate::plan::{Arrive, Plan};

/// What keeps the time of everything that goes through the channels.
pub(super) struct Pace {
    channels: Channels,
}

impl Pace {
    pub(super) fn new(channels: Channels) -> Self {
        Self { channels }
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
        if why != Stop::No {
            self.channels.stop_sending();
        }
        tokio::select! {
            () = self.channels.await_answers() => {}
            _ = stopped(&mut stop), if why == Stop::No => {
                self.channels.stop_sending();
                self.channels.await_answers().await;
            }
        }
        Ok(self.channels.books.borrow_mut().close(ends))
    }

    fn fall_due(&self, plan: &Plan, arrive: Arrive, due: Instant) {
        let lag = clock::now().saturating_duration_since(due);
        self.channels.books.borrow_mut().due(is_in_window(plan, arrive), lag.as_nanos() as u64);
    }

    fn leave_unsent(&self, plan: &Plan, arrive: Arrive) {
        self.channels.books.borrow_mut().refuse(arrive, is_in_window(plan, arrive), UNSENT);
    }

    /// Publishes one notification; `is_handed_over` once the books will tell what became of it.
    async fn send(&self, plan: &Plan, arrive: Arrive, due: Instant, is_handed_over: &Cell<bool>) {
        let postmark = Postmark {
            run: plan.run,
            publisher: plan.publisher(arrive.topic),
            sequence: arrive.sequence,
            intended_ns: clock::ns_at(due),
        };
        let publication = Publication { arrive, in_window: is_in_window(plan, arrive), postmark };
        self.channels.publish(publication, || is_handed_over.set(true)).await;
    }
}

/// Waits until the publisher is to stop, and says why.
async fn stopped(stop: &mut watch::Receiver<Stop>) -> Stop {
    stop.wait_for(|stop| *stop != Stop::No).await.map_or_else(|_| Stop::Wanted(clock::now()), |why| *why)
}

fn is_in_window(plan: &Plan, arrive: Arrive) -> bool {
    arrive.offset >= plan.warmup
}
