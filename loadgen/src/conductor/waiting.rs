//! The conductor's waiting: for the appointed start, through each phase, for the last deliveries.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use feed::Transport;

use super::{Conductor, GLANCE, LEAD, MARK_LEAD};
use crate::clock;
use crate::gate::{Gate, Waiting};
use crate::plan::Plan;
use crate::publisher::{Publishing, Report, Stop};
use crate::recording::{Counters, Windows};

/// Deliveries this close to the drain bound mean that it cut something off.
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
                None => self.wait(clock::now() + GLANCE, None, |_| false).await?,
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
        self.wait(begin - lead, None, |_| false).await?;
        Ok(begin)
    }

    /// Waits until `deadline`, or until `done`, or until the user wants to end; writes a row each second meanwhile.
    pub(super) async fn wait(
        &mut self,
        deadline: Instant,
        publishing: Option<&Publishing>,
        mut done: impl FnMut(Counters) -> bool,
    ) -> anyhow::Result<()> {
        while clock::now() < deadline && !self.interrupt.is_wanted() {
            if done(self.journal.counters().await?) {
                break;
            }
            let next_row = self.journal.next_row();
            let glance = (clock::now() + GLANCE).min(deadline).min(next_row);
            tokio::select! {
                () = clock::sleep_until(glance) => {}
                () = self.interrupt.wanted() => {}
            }
            if clock::now() >= next_row {
                self.journal.end_row(publishing).await?;
            }
        }
        Ok(())
    }

    /// Waits for the last answers and deliveries; says whether the bound cut something off.
    pub(super) async fn drain(&mut self, publishing: Publishing) -> anyhow::Result<(Report, bool)> {
        let plan = Arc::clone(&self.setup.plan);
        let poll_interval = if plan.transport == Transport::ShortPoll { plan.poll_interval } else { Duration::ZERO };
        let bound = clock::now() + plan.drain + poll_interval;
        let mut delivered = self.journal.counters().await?.delivered;
        let mut last_delivery = None;
        let mut look = |counters: Counters| {
            if counters.delivered > delivered {
                delivered = counters.delivered;
                last_delivery = Some(clock::now());
            }
            delivered
        };
        while !publishing.is_finished() {
            let glance = clock::now() + GLANCE;
            self.wait(glance, Some(&publishing), |counters| {
                look(counters);
                false
            })
            .await?;
            // A publisher that the server keeps from ending is stopped; what it could not send was due, and is told.
            if self.interrupt.is_wanted() || clock::now() > bound {
                publishing.stop(if self.interrupt.is_wanted() { Stop::Wanted } else { Stop::TooLate });
                tokio::time::sleep(GLANCE).await;
            }
        }
        let report = publishing.report()?;
        let own = self.windows.of_shard(plan.shard);
        let expected: u64 = (0..plan.topics.len())
            .map(|topic| {
                let first = own[topic].sequences.start;
                let refused = report.refused[topic].iter().filter(|&&sequence| sequence >= first).count() as u64;
                let due = u64::from(report.ends[topic].saturating_sub(first));
                (due - refused.min(due)) * plan.subscribers_of(topic as u16)
            })
            .sum();
        // What the other shards publish is not known before their results are merged; by the plan it is this.
        let expected = expected + of_others(&plan, &self.windows);
        self.wait(bound, None, |counters| look(counters) >= expected).await?;
        let is_short = look(self.journal.counters().await?) < expected;
        let was_flowing = last_delivery.is_some_and(|last| last + DRAIN_SILENCE > bound);
        let was_cut = is_short && was_flowing && !self.interrupt.is_wanted();
        Ok((report, was_cut))
    }
}

/// Deliveries of the window that the other shards' publishers owe to the clients of this one, if they publish all they plan to.
fn of_others(plan: &Plan, windows: &Windows) -> u64 {
    let others = windows.of_others(plan.shard);
    others.map(|window| window.sequences.len() as u64 * plan.subscribers_of(window.topic)).sum()
}
