//! Leads one run through its phases: connect, settle, warm-up, measure, drain, close.
//!
//! Measuring starts when all clients are live, so the number of expected deliveries is exact.

mod awaited;
mod outcome;
mod troubles;
mod waiting;

pub use outcome::Outcome;

use std::sync::Arc;
use std::time::Duration;

use feed::ConnectionStats;
use results::{Phase, RunLogs};

use crate::clock;
use crate::config::Bounds;
use crate::cores::Cores;
use crate::cpu_time;
use crate::display::Display;
use crate::faults::{OwnServer, Watch};
use crate::gate::{Gate, Waiting};
use crate::interrupt::Interrupt;
use crate::journal::Journal;
use crate::marks::Mark;
use crate::plan::Plan;
use crate::player::{Closing, Player};
use crate::process;
use crate::publisher::{Publisher, Stop};
use crate::recording::{Shared, count_numbers};
use crate::server_cost::{Readings, StatsReader};
use crate::target::Target;
use crate::verdict;
use outcome::Course;
use troubles::Troubles;

/// Between "all is ready" and the first notification: time for every player to learn of the window.
const LEAD: Duration = Duration::from_millis(200);
/// The kernel's counters of thousands of connections take milliseconds to read: done this long before the window, so
/// that the first notification does not wait for it.
pub const MARK_LEAD: Duration = Duration::from_millis(50);
/// How often a condition is looked at while waiting for it.
const GLANCE: Duration = Duration::from_millis(25);
/// Longest wait beyond the paced connecting for the last clients to be live.
const CONNECT_GRACE: Duration = Duration::from_secs(15);

/// All that a run needs.
pub struct Setup {
    /// The load.
    pub plan: Arc<Plan>,
    /// The server.
    pub target: Target,
    /// Process id of the server if it is our child.
    pub child: Option<u32>,
    /// The server if it is our child and may be ended and started again.
    pub own_server: Option<OwnServer>,
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

/// Carries a run out. Its latencies and rows go into `logs`, second by second.
pub async fn conduct(
    setup: &Setup,
    logs: RunLogs,
    display: &mut dyn Display,
    interrupt: &Interrupt,
) -> anyhow::Result<Outcome> {
    let plan = &setup.plan;
    let stats = StatsReader::new(&setup.target, setup.child, setup.server_pid)?;
    let shared = Shared::of(plan);
    let players = (0..setup.threads)
        .map(|index| {
            let (plan, target) = (Arc::clone(plan), setup.target.clone());
            Player::start(index, setup.threads, plan, target, setup.connect_timeout, shared.clone())
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let tolerated_wait = verdict::most_send_lag(&setup.bounds, plan.publishing_interval());
    let departures = Arc::clone(&shared.departures);
    let publisher = Publisher::start(Arc::clone(plan), setup.target.clone(), departures, tolerated_wait).await;
    // The server's own words may stand in why not.
    let publisher = publisher.map_err(|error| setup.target.told(&error))?;
    let journal = Journal::new(&players, &stats, display, plan.transport.name(), setup.clients(), logs);
    let readings =
        Readings { before: stats.read_when(plan.transport, |readers| readers.open == 0).await, ..Readings::default() };
    let rss_before = process::own_rss();
    Conductor { setup, interrupt, shared, journal, readings, phases: Vec::new(), rss_before, watch: None }
        .lead(&players, publisher)
        .await
}

struct Conductor<'a> {
    setup: &'a Setup,
    interrupt: &'a Interrupt,
    shared: Shared,
    journal: Journal<'a>,
    readings: Readings,
    phases: Vec<Phase>,
    rss_before: Option<u64>,
    /// Looks at the clients of a run with faults, from the beginning of the window on.
    watch: Option<Watch>,
}

impl Conductor<'_> {
    async fn lead(mut self, players: &[Player], publisher: Publisher) -> anyhow::Result<Outcome> {
        let setup = self.setup;
        let plan = &setup.plan;
        let clients = u64::from(setup.clients());

        self.enter("connect", None).await?;
        let paced = Duration::from_secs_f64(clients as f64 / plan.own_connect_rate());
        let start = clock::now();
        players.iter().for_each(|player| player.connect(start));
        let live_bound = start + paced + CONNECT_GRACE;
        // What the appointment leaves no time for is seen by the verdict.
        let latest = setup.gate.appointment().map(|start| start - plan.settle - LEAD - MARK_LEAD);
        let live_bound = latest.map_or(live_bound, |latest| latest.min(live_bound));
        self.wait_for(live_bound, None, |counters| counters.live() + counters.told_to_stop == clients).await?;

        self.enter("settle", Some(plan.settle)).await?;
        self.readings.settled = self.journal.stats().read().await;
        self.wait_until(clock::now() + plan.settle, None).await?;
        self.readings.connected = self.journal.stats().read().await;

        let begin = self.appoint().await?;
        let begun = begin.saturating_duration_since(self.journal.began());
        let mut window = begin + plan.warmup..begin + plan.warmup + plan.duration;
        let mut window_ns = clock::ns_at(window.start)..clock::ns_at(window.end);
        players.iter().for_each(|player| {
            player.set_window(window_ns.clone());
            // Told beforehand: whatever the conductor is waiting for at that instant, nobody is given longer.
            player.set_too_late_from(window.end + plan.patience());
        });
        self.enter("warm-up", Some(plan.warmup + LEAD)).await?;
        let publishing = publisher.begin(begin);
        let faults = Troubles::begin(setup, window.start, self.interrupt);
        self.wait_until(window.start - MARK_LEAD, Some(&publishing)).await?;

        let from = self.mark().await?;
        self.watch = (!plan.faults.is_empty()).then(|| Watch::new(window.start, from.counters));
        self.shared.live.watch();
        self.readings.start = self.journal.stats().read().await;
        self.wait_until(window.start, Some(&publishing)).await?;
        self.enter("measure", Some(plan.duration)).await?;
        self.journal.start_log();
        self.wait_until(window.end, Some(&publishing)).await?;
        let mut bound = window.end + plan.patience();
        if self.interrupt.is_wanted() {
            let now = clock::now();
            publishing.stop(Stop::Wanted(now));
            window.end = window.end.min(now).max(window.start);
            window_ns.end = clock::ns_at(window.end);
            players.iter().for_each(|player| player.set_window(window_ns.clone()));
            bound = bound.min(now + plan.patience());
        }
        let to = self.mark().await?;
        let rss_end = process::own_rss();

        self.enter("drain", Some(bound.saturating_duration_since(clock::now()))).await?;
        // A server that does not answer is waited for while its deliveries are, not before.
        let end = self.journal.stats().read();
        let (end, drained) = tokio::join!(end, self.drain(publishing, &faults, bound));
        self.readings.end = end;
        let (mut report, drain_was_cut) = drained?;
        let faults = self.end(faults).await?;
        // Of a run that was stopped, what the others still published is on its way until they have stopped, too.
        if !self.interrupt.is_wanted() {
            let now = clock::now();
            players.iter().for_each(|player| player.set_too_late_from(now));
        }
        let opened = self.journal.counters().await?.opened;
        self.setup.gate.ask(Waiting::Close(opened));
        while !self.setup.gate.may_close() {
            self.wait_until(clock::now() + GLANCE, None).await?;
            clock::sleep_until(clock::now() + GLANCE).await;
        }
        let now = clock::now();
        players.iter().for_each(|player| player.set_too_late_from(now));
        // From here on clients leave because they are asked to.
        let live = self.shared.live.read();
        self.enter("close", None).await?;
        // A reader that leaves before the server has looked at its request is never counted as one.
        // One that was started again counts anew, so there is nothing to wait for.
        let counts_on = !self.interrupt.is_wanted() && !plan.ends_server();
        let opened_before = self.readings.before.as_ref().map_or(0, |reading| reading.of(plan.transport).opened);
        let opened = opened_before + self.journal.counters().await?.opened;
        if counts_on {
            self.journal.stats().read_when(plan.transport, |readers| readers.opened >= opened).await;
        }
        let mut closing = Closing {
            base: plan.publisher(0),
            ends: Arc::new(report.ends.clone()),
            refused: Arc::new(report.refused.clone()),
            orders: Arc::new(report.orders.clone()),
        };
        // What one client received was published to all of them, whatever became of its answer.
        for player in players {
            closing.refused = Arc::new(player.leave(closing.clone()).await?);
        }
        report.published.refused_and_delivered = Some(count_numbers(&report.refused) - count_numbers(&closing.refused));
        let mut closed = Vec::new();
        for player in players {
            closed.push(player.close(closing.clone()).await?);
        }
        let last = self.mark().await?;
        let opened = opened_before + last.counters.opened;
        let has_finished = |readers: &ConnectionStats| readers.open == 0 && (readers.opened >= opened || !counts_on);
        self.readings.last = self.journal.stats().read_when(plan.transport, has_finished).await;
        self.end_phase();
        let records = self.journal.finish(None).await?;

        let course = Course {
            begin,
            begun,
            from,
            to,
            last,
            report,
            never_received: closing.refused.to_vec(),
            drain_was_cut,
            closed,
            records,
            phases: self.phases,
            readings: self.readings,
            rss_before: self.rss_before,
            rss_end,
            interrupted: self.interrupt.is_wanted(),
            watched: self.watch.map(Watch::into_rows),
            live,
            faults,
            window,
        };
        Ok(course.outcome(setup))
    }

    /// Reads everything that is a difference over the window.
    async fn mark(&mut self) -> anyhow::Result<Mark> {
        let cpu_before = cpu_time::own();
        let snapshot = self.journal.collect(true).await?;
        let cpu_after = cpu_time::own();
        let had_errors = !snapshot.errors.is_empty();
        let (loop_lag, turn_wait) = (self.journal.take_loop_lag(), self.journal.take_turn_wait());
        Ok(Mark {
            counters: snapshot.counters,
            tcp_ip: snapshot.tcp_ip,
            cpu_before,
            cpu_after,
            had_errors,
            loop_lag,
            turn_wait,
            at: clock::now(),
        })
    }

    async fn enter(&mut self, name: &'static str, length: Option<Duration>) -> anyhow::Result<()> {
        self.end_phase();
        let start_s = clock::now().saturating_duration_since(self.journal.began()).as_secs_f64();
        self.phases.push(Phase { name: name.into(), start_s, end_s: start_s });
        self.journal.enter(name, length).await
    }

    fn end_phase(&mut self) {
        let now_s = clock::now().saturating_duration_since(self.journal.began()).as_secs_f64();
        if let Some(phase) = self.phases.last_mut() {
            phase.end_s = now_s;
        }
    }
}
