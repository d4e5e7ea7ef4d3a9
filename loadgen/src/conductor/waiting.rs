//! The conductor's waiting: for the appointed start, through each phase, for the last deliveries.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::awaited::Awaited;
use super::troubles::Troubles;
use super::{Conductor, GLANCE, LEAD, MARK_LEAD};
use crate::clock;
use crate::faults::Watch;
use crate::gate::{Gate, Waiting};
use crate::plan::Plan;
use crate::publisher::{Publishing, Report, Stop};
use crate::recording::{Counters, Windows};

/// Deliveries this close to the drain bound mean that it cut something off; so long without any, and what was refused is no longer
/// waited for, nor is anything if the user wants to end. Short polling is given its interval on top.
const DRAIN_SILENCE: Duration = Duration::from_millis(500);

impl Conductor<'_> {
    /// Waits for the start of publishing, and says when it is.
    pub(super) async fn appoint(&mut self) -> anyhow::Result<Instant> {
        let lead = LEAD + MARK_LEAD;
        let gate = self.setup.gate.clone();
        let ready = clock::now();
        gate.ask(Waiting::Start);
        let begin = loop {
            match gate.start(ready + lead) {
                Some(begin) => break begin,
                None if self.interrupt.is_wanted() => break ready + lead,
                None => self.wait_until(clock::now() + GLANCE, None).await?,
            }
        };
        if matches!(gate, Gate::Open) || self.interrupt.is_wanted() {
            return Ok(begin.max(clock::now()));
        }
        if begin < clock::now() + MARK_LEAD {
            let late = clock::now().saturating_duration_since(begin) + lead;
            bail!(
                "shard {} was ready {} too late for the start that was agreed upon: name a later --start-at, or raise \
                 --connect-rate",
                self.setup.plan.shard,
                humantime::format_duration(Duration::from_millis(late.as_millis() as u64))
            );
        }
        self.journal.align(begin);
        self.wait_until(begin - lead, None).await?;
        Ok(begin)
    }

    /// Waits until `deadline`, or until the user wants to end; writes a row each second meanwhile. It asks the players for nothing in
    /// between, unless there are faults to be watched: each question wakes two threads, which is CPU that the clients would be charged
    /// with.
    pub(super) async fn wait_until(
        &mut self,
        deadline: Instant,
        publishing: Option<&Publishing>,
    ) -> anyhow::Result<()> {
        while clock::now() < deadline && !self.interrupt.is_wanted() {
            self.sleep_until(deadline, publishing).await?;
        }
        Ok(())
    }

    /// The same, or until `done`.
    pub(super) async fn wait_for(
        &mut self,
        deadline: Instant,
        publishing: Option<&Publishing>,
        mut done: impl FnMut(Counters) -> bool,
    ) -> anyhow::Result<()> {
        while clock::now() < deadline && !self.interrupt.is_wanted() && !done(self.journal.counters().await?) {
            self.sleep_until(deadline.min(clock::now() + GLANCE), publishing).await?;
        }
        Ok(())
    }

    /// Sleeps until the next row is due, at most until `deadline`, or until the user wants to end.
    async fn sleep_until(&mut self, deadline: Instant, publishing: Option<&Publishing>) -> anyhow::Result<()> {
        let next_row = self.journal.next_row();
        let next_look = self.watch.as_ref().map_or(next_row, Watch::next);
        tokio::select! {
            () = clock::sleep_until(deadline.min(next_row).min(next_look)) => {}
            () = self.interrupt.wanted() => {}
        }
        self.keep_up(publishing).await
    }

    /// Sleeps for a moment, whatever the user wants.
    async fn glance(&mut self, publishing: Option<&Publishing>) -> anyhow::Result<()> {
        clock::sleep_until(clock::now() + GLANCE).await;
        self.keep_up(publishing).await
    }

    /// Writes the row that is due, and looks at who is live if that is.
    async fn keep_up(&mut self, publishing: Option<&Publishing>) -> anyhow::Result<()> {
        if clock::now() >= self.journal.next_row() {
            self.journal.end_row(publishing).await?;
        }
        if let Some(watch) = &mut self.watch
            && clock::now() >= watch.next()
        {
            let counters = self.journal.counters().await?;
            watch.enter(clock::now(), counters);
        }
        Ok(())
    }

    /// Waits for the last answers and deliveries, until `bound` at most; says whether that cut something off. As long as there are `troubles`, or
    /// somebody is not live, silence says nothing, unless the user wants to end: what is under way then is waited for, too, but nobody else.
    pub(super) async fn drain(
        &mut self,
        publishing: Publishing,
        troubles: &Troubles,
        bound: Instant,
    ) -> anyhow::Result<(Report, bool)> {
        let plan = Arc::clone(&self.setup.plan);
        let mut delivered = self.journal.counters().await?.delivered;
        let mut last_delivery = None;
        let mut look = |counters: Counters| {
            if counters.delivered > delivered {
                delivered = counters.delivered;
                last_delivery = Some(clock::now());
            }
            (delivered, last_delivery)
        };
        while !publishing.is_finished() {
            self.glance(Some(&publishing)).await?;
            look(self.journal.counters().await?);
            // A publisher that the server keeps from ending is stopped; what it could not send was due, and is told.
            let now = clock::now();
            if self.interrupt.is_wanted() {
                publishing.stop(Stop::Wanted(now));
            } else if now > bound {
                publishing.stop(Stop::TooLate);
            }
        }
        let report = publishing.report()?;
        let own = self.shared.windows.of_shard(plan.shard);
        let (mut accepted, mut due) = (0, 0);
        for (topic, window) in own.iter().enumerate() {
            let first = window.sequences.start;
            let refused = report.refused[topic].iter().filter(|&&sequence| sequence >= first).count() as u64;
            let of_topic = u64::from(report.ends[topic].saturating_sub(first));
            let subscribers = plan.subscribers_of(topic as u16);
            due += of_topic * subscribers;
            accepted += (of_topic - refused.min(of_topic)) * subscribers;
        }
        // What the other shards publish is not known before their results are merged; by the plan it is this.
        let others = of_others(&plan, &self.shared.windows);
        let awaited = Awaited {
            accepted: accepted + others,
            due: due + others,
            silence: DRAIN_SILENCE + (plan.patience() - plan.drain),
        };
        let clients = u64::from(self.setup.clients());
        let mut quiet_since = clock::now();
        while clock::now() < bound + self.lengthened() {
            let counters = self.journal.counters().await?;
            let (delivered, last) = look(counters);
            let is_given_up = self.interrupt.is_wanted();
            let settled = counters.live() + counters.told_to_stop;
            if !is_given_up && (settled < clients || !troubles.are_over()) {
                quiet_since = clock::now();
            }
            let quiet = clock::now().saturating_duration_since(last.map_or(quiet_since, |last| last.max(quiet_since)));
            if awaited.is_over(delivered, quiet.saturating_sub(self.lengthened()), is_given_up) {
                break;
            }
            self.glance(None).await?;
        }
        let (delivered, last_delivery) = look(self.journal.counters().await?);
        let is_short = delivered < awaited.accepted;
        let was_flowing = last_delivery.is_some_and(|last| last + DRAIN_SILENCE > bound + self.lengthened());
        let is_awaited = self.shared.longest_pause.read() > plan.reconnection.longest;
        let was_cut = is_short && (was_flowing || is_awaited) && !self.interrupt.is_wanted();
        Ok((report, was_cut))
    }
}

impl Conductor<'_> {
    /// How much longer the drain takes because clients stay away for a while as they were told, by `retry` or `Retry-After`: what is published
    /// meanwhile is not lost. `--reconnect-longest` bounds it; where it does, what is missing then was cut off.
    fn lengthened(&self) -> Duration {
        if self.interrupt.is_wanted() {
            return Duration::ZERO;
        }
        self.shared.longest_pause.read().min(self.setup.plan.reconnection.longest)
    }
}

/// Deliveries of the window that the other shards' publishers owe to the clients of this one, if they publish all they plan to.
fn of_others(plan: &Plan, windows: &Windows) -> u64 {
    let others = windows.of_others(plan.shard);
    others.map(|window| window.sequences.len() as u64 * plan.subscribers_of(window.topic)).sum()
}
