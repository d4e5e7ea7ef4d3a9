//! Leads one run through its phases: connect, settle, warm-up, measure, drain, close.
//!
//! Measuring starts when all clients are live, so the number of expected deliveries is exact.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use feed::{ConnectionStats, Transport};
use results::{Bytes, Connections, LatencyLog, Measured, Percentiles, Phase, Polls, SeriesRow};

use crate::clock;
use crate::config::Bounds;
use crate::cores::Cores;
use crate::display::Display;
use crate::gate::{Gate, Waiting};
use crate::interrupt::Interrupt;
use crate::journal::Journal;
use crate::marks::{Mark, accepted, books, bytes, generator_cost, whole_run};
use crate::parts::{Parts, least, sum};
use crate::plan::Plan;
use crate::player::{Closing, Player};
use crate::process;
use crate::publisher::{Publisher, Publishing, Report, Stop};
use crate::reconciliation::reconcile;
use crate::recording::{Counters, Departures, Windows, stack};
use crate::server_cost::{Readings, StatsReader, can_be_known};
use crate::target::Target;
use crate::verdict::{self, Circumstances};

/// Between "all is ready" and the first notification: time for every player to learn of the window.
const LEAD: Duration = Duration::from_millis(200);
/// The kernel's counters of thousands of connections take milliseconds to read: done this long before the window, so
/// that the first notification does not wait for it.
pub const MARK_LEAD: Duration = Duration::from_millis(50);
/// How often a condition is looked at while waiting for it.
const GLANCE: Duration = Duration::from_millis(25);
/// Longest wait beyond the paced connecting for the last clients to be live.
const CONNECT_GRACE: Duration = Duration::from_secs(15);
/// Deliveries this close to the drain bound mean that it cut something off.
const DRAIN_SILENCE: Duration = Duration::from_millis(500);

/// All that a run needs.
pub struct Setup {
    /// The load.
    pub plan: Arc<Plan>,
    /// The server.
    pub target: Target,
    /// Process id of the server if it is our child.
    pub child: Option<u32>,
    /// Process id of the server if somebody named it.
    pub server_pid: Option<u32>,
    /// Who runs on which cores.
    pub cores: Cores,
    /// Threads that play clients.
    pub threads: u32,
    /// What is waited for before publishing, and before clients leave.
    pub gate: Gate,
    /// Longest wait until a client is live.
    pub connect_timeout: Duration,
    /// When the run is invalid.
    pub bounds: Bounds,
}

impl Setup {
    /// Clients that this process plays.
    pub fn clients(&self) -> u32 {
        self.plan.own_clients().len() as u32
    }
}

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
    /// What is needed to add this run to others of which it is a shard.
    pub parts: Parts,
}

/// Carries a run out.
pub async fn conduct(setup: &Setup, display: &mut dyn Display, interrupt: &Interrupt) -> anyhow::Result<Outcome> {
    let plan = &setup.plan;
    let stats = StatsReader::new(&setup.target, setup.child, setup.server_pid)?;
    let windows = Arc::new(Windows::of(plan));
    let departures = Arc::new(Departures::new(plan, &windows));
    let players = (0..setup.threads)
        .map(|index| {
            let (windows, departures) = (Arc::clone(&windows), Arc::clone(&departures));
            let (plan, target) = (Arc::clone(plan), setup.target.clone());
            Player::start(index, setup.threads, plan, target, setup.connect_timeout, windows, departures)
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let publisher = Publisher::start(Arc::clone(plan), setup.target.clone(), departures).await;
    // The server's own words may stand in why not.
    let publisher = publisher.map_err(|error| setup.target.told(&error))?;
    let journal = Journal::new(&players, &stats, display, plan.transport.name(), setup.clients());
    let readings =
        Readings { before: stats.read_when(plan.transport, |readers| readers.open == 0).await, ..Readings::default() };
    let rss_before = process::own_rss();
    Conductor { setup, interrupt, windows, journal, readings, phases: Vec::new(), rss_before }
        .lead(&players, publisher)
        .await
}

struct Conductor<'a> {
    setup: &'a Setup,
    interrupt: &'a Interrupt,
    windows: Arc<Windows>,
    journal: Journal<'a>,
    readings: Readings,
    phases: Vec<Phase>,
    rss_before: Option<u64>,
}

impl Conductor<'_> {
    async fn lead(mut self, players: &[Player], publisher: Publisher) -> anyhow::Result<Outcome> {
        let setup = self.setup;
        let plan = &setup.plan;
        let clients = u64::from(setup.clients());

        self.enter("connect", None);
        let paced = Duration::from_secs_f64(clients as f64 / plan.own_connect_rate());
        let start = clock::now();
        players.iter().for_each(|player| player.connect(start));
        let live_bound = start + paced + CONNECT_GRACE;
        // What the appointment leaves no time for is seen by the verdict.
        let latest = setup.gate.appointment().map(|start| start - plan.settle - LEAD - MARK_LEAD);
        let live_bound = latest.map_or(live_bound, |latest| latest.min(live_bound));
        self.wait(live_bound, None, |counters| counters.open == clients).await?;

        self.enter("settle", Some(plan.settle));
        self.readings.settled = self.journal.stats().read().await;
        self.wait(clock::now() + plan.settle, None, |_| false).await?;
        self.readings.connected = self.journal.stats().read().await;

        let begin = self.appoint().await?;
        let begun = begin.saturating_duration_since(self.journal.began());
        let window = begin + plan.warmup..begin + plan.warmup + plan.duration;
        let mut window_ns = clock::ns_at(window.start)..clock::ns_at(window.end);
        players.iter().for_each(|player| player.set_window(window_ns.clone()));
        self.enter("warm-up", Some(plan.warmup + LEAD));
        let publishing = publisher.begin(begin);
        self.wait(window.start - MARK_LEAD, Some(&publishing), |_| false).await?;

        let from = self.mark().await?;
        self.readings.start = self.journal.stats().read().await;
        self.wait(window.start, Some(&publishing), |_| false).await?;
        self.enter("measure", Some(plan.duration));
        self.journal.start_log();
        self.wait(window.end, Some(&publishing), |_| false).await?;
        if self.interrupt.is_wanted() {
            publishing.stop(Stop::Wanted);
            window_ns.end = window_ns.end.min(clock::now_ns()).max(window_ns.start);
            players.iter().for_each(|player| player.set_window(window_ns.clone()));
        }
        let to = self.mark().await?;
        let rss_end = process::own_rss();
        self.readings.end = self.journal.stats().read().await;

        self.enter("drain", Some(plan.drain));
        let (report, drain_was_cut) = self.drain(publishing).await?;
        // A run that was stopped has no drain: what the others still published is on its way until they have stopped, too.
        if !self.interrupt.is_wanted() {
            players.iter().for_each(Player::set_too_late);
        }
        let opened = self.journal.counters().await?.opened;
        self.setup.gate.ask(Waiting::Close(opened));
        while !self.setup.gate.may_close() {
            self.wait(clock::now() + GLANCE, None, |_| false).await?;
            clock::sleep_until(clock::now() + GLANCE).await;
        }
        players.iter().for_each(Player::set_too_late);
        self.enter("close", None);
        // A reader that leaves before the server has looked at its request is never counted as one.
        let opened_before = self.readings.before.as_ref().map_or(0, |reading| reading.of(plan.transport).opened);
        let opened = opened_before + self.journal.counters().await?.opened;
        if !self.interrupt.is_wanted() {
            self.journal.stats().read_when(plan.transport, |readers| readers.opened >= opened).await;
        }
        let published = accepted(&report);
        let closing = Closing {
            base: plan.publisher(0),
            ends: Arc::new(report.ends.clone()),
            refused: Arc::new(report.refused.clone()),
        };
        let mut closed = Vec::new();
        for player in players {
            closed.push(player.close(closing.clone()).await?);
        }
        let deliveries = sum(closed.iter().map(|closed| &closed.deliveries));
        let last = self.mark().await?;
        let opened = opened_before + last.counters.opened;
        let has_finished = |readers: &ConnectionStats| readers.open == 0 && readers.opened >= opened;
        self.readings.last = self.journal.stats().read_when(plan.transport, has_finished).await;
        self.end_phase();
        let records = self.journal.finish(None).await?;

        let window_bytes = Bytes { whole_run: Some(whole_run(&last)), ..bytes(&from, &to, plan.payload) };
        let generator = generator_cost(setup, &from, &to, window_bytes.deliveries, self.rss_before, rss_end);
        let server =
            self.readings.cost(plan.transport, plan.clients, window_bytes.deliveries, setup.cores.server.clone());
        let books = books(plan, published, &to, &last, self.interrupt.is_wanted());
        let reconciliation = match setup.child {
            Some(_) if setup.target.file.is_feed() => reconcile(&books, &self.readings, plan.transport),
            _ => Some(Vec::new()),
        };
        let told_all = server.is_some() && reconciliation.is_some();
        let circumstances = circumstances(setup, &self.readings, told_all, drain_was_cut);
        let polled = to.counters.since(from.counters);
        let parts = Parts {
            loop_lag: to.loop_lag.clone(),
            turn_wait: to.turn_wait.clone(),
            connect: records.totals.connect.clone(),
            send_lag: report.send_lag,
            publish_time: report.publish_time,
            ends: report.ends,
            refused: report.refused,
            stacks: stack(closed.iter_mut().flat_map(|closed| std::mem::take(&mut closed.stacks))),
            heard: closed.iter().fold(Vec::new(), |heard, closed| least(&heard, &closed.heard)),
            begin_ns: clock::ns_at(begin),
            begin: begun,
            books,
            server_pid: self.readings.before.as_ref().map(|reading| reading.pid),
            server: server.clone(),
        };
        let measured = Measured {
            phases: self.phases,
            latency: Percentiles::from(&records.totals.latency),
            latency_from_actual: Some(Percentiles::from(&records.totals.latency_from_actual)),
            latency_out_of_range: records.totals.counters.out_of_range + report.out_of_range,
            connect: Percentiles::from(&records.totals.connect),
            deliveries,
            foreign: (!plan.transport.is_poll()).then_some(last.counters.foreign),
            published: report.published,
            bytes: window_bytes,
            connections: Connections {
                asked: clients,
                live_at_start: from.counters.open,
                live_at_end: to.counters.open,
                opened: records.totals.counters.opened,
                failed: records.totals.counters.failed,
                reconnected: records.totals.counters.reconnected,
                errors: records
                    .totals
                    .errors
                    .iter()
                    .chain(&report.failures)
                    .map(|(kind, n)| (kind.clone(), *n))
                    .collect(),
            },
            // A server that serves other shards, too, does not know what the clients of this one cost it.
            server: server.filter(|_| plan.shard.is_whole()),
            polls: plan.is_poll().then_some(Polls { answered: polled.polls, wasted: polled.wasted_polls }),
            generator,
            reconciliation: reconciliation.unwrap_or_default(),
        };
        let verdict = verdict::judge(&measured, &setup.bounds, circumstances);
        let interrupted = self.interrupt.is_wanted();
        Ok(Outcome { measured, verdict, interrupted, log: records.log, rows: records.rows, parts })
    }

    /// Waits for the start of publishing, and says when it is.
    async fn appoint(&mut self) -> anyhow::Result<Instant> {
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
    async fn wait(
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
    async fn drain(&mut self, publishing: Publishing) -> anyhow::Result<(Report, bool)> {
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

    /// Reads everything that is a difference over the window.
    async fn mark(&mut self) -> anyhow::Result<Mark> {
        let snapshot = self.journal.collect(true).await?;
        let own_cpu = process::own_cpu_time();
        let had_errors = !snapshot.errors.is_empty();
        let (loop_lag, turn_wait) = (self.journal.take_loop_lag(), self.journal.take_turn_wait());
        Ok(Mark {
            counters: snapshot.counters,
            tcp_ip: snapshot.tcp_ip,
            own_cpu,
            had_errors,
            loop_lag,
            turn_wait,
            at: clock::now(),
        })
    }

    fn enter(&mut self, name: &'static str, length: Option<Duration>) {
        self.end_phase();
        let start_s = clock::now().saturating_duration_since(self.journal.began()).as_secs_f64();
        self.phases.push(Phase { name: name.into(), start_s, end_s: start_s });
        self.journal.enter(name, length);
    }

    fn end_phase(&mut self) {
        let now_s = clock::now().saturating_duration_since(self.journal.began()).as_secs_f64();
        if let Some(phase) = self.phases.last_mut() {
            phase.end_s = now_s;
        }
    }
}

/// Deliveries of the window that the other shards' publishers owe to the clients of this one, if they publish all they plan to.
fn of_others(plan: &Plan, windows: &Windows) -> u64 {
    let others = windows.of_others(plan.shard);
    others.map(|window| window.sequences.len() as u64 * plan.subscribers_of(window.topic)).sum()
}

fn circumstances(setup: &Setup, readings: &Readings, has_cost: bool, drain_was_cut: bool) -> Circumstances {
    Circumstances {
        drain_was_cut,
        server_restarted: readings.are_of_several_processes(),
        server_fell_silent: (readings.have_any()
            || can_be_known(setup.child.or(setup.server_pid), setup.target.file.is_feed()))
            && !has_cost,
        publishing_interval: Duration::from_secs_f64(1.0 / (setup.plan.own_rate() * setup.plan.topics.len() as f64)),
    }
}
