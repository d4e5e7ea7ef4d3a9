//! The run second by second: collects the players' records, keeps the totals, and tells the display.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use results::{LatencyLog, RunLogs, SeriesRow};

use crate::clock;
use crate::cpu_time;
use crate::display::{Display, Progress};
use crate::merge::tag;
use crate::player::Player;
use crate::process;
use crate::publisher::Publishing;
use crate::recording::{Counters, Snapshot};
use crate::server_cost::{Reading, StatsReader, cpu_share};

/// Longest wait for the server's figures of one row: a server that has stopped must not stop the journal.
const ROW_PATIENCE: Duration = Duration::from_millis(200);

/// Keeps the run's records.
pub struct Journal<'a> {
    players: &'a [Player],
    stats: &'a StatsReader,
    display: &'a mut dyn Display,
    /// Name of the transport, by which the server's counts are found.
    transport: &'static str,
    clients: u64,
    began: Instant,
    phase: &'static str,
    phase_began: Instant,
    phase_length: Option<Duration>,
    /// Merged records: counters of the last collection, histograms of the whole run.
    totals: Snapshot,
    /// What was collected since the last row.
    current: Snapshot,
    row_began: Instant,
    /// Rows end whole seconds before or after this, where those of several shards are to be added up.
    grid: Option<Instant>,
    row_counters: Counters,
    row_cpu: Duration,
    row_sent: u64,
    reading: Option<Reading>,
    /// True from the start of the window: earlier seconds do not go into the latency log.
    is_logging: bool,
    logs: RunLogs,
    rows: Vec<SeriesRow>,
}

/// What the journal leaves.
pub struct Records {
    /// Merged records of the whole run.
    pub totals: Snapshot,
    /// The window's latencies, an interval a second.
    pub log: LatencyLog,
    /// A row a second.
    pub rows: Vec<SeriesRow>,
}

impl<'a> Journal<'a> {
    /// An empty journal of a run that begins now; latencies and rows go into `logs`, second by second.
    pub fn new(
        players: &'a [Player],
        stats: &'a StatsReader,
        display: &'a mut dyn Display,
        transport: &'static str,
        clients: u32,
        logs: RunLogs,
    ) -> Self {
        let began = clock::now();
        Self {
            players,
            stats,
            display,
            transport,
            clients: u64::from(clients),
            began,
            phase: "",
            phase_began: began,
            phase_length: None,
            totals: Snapshot::empty(),
            current: Snapshot::empty(),
            row_began: began,
            grid: None,
            row_counters: Counters::default(),
            row_cpu: cpu_time::own().total(),
            row_sent: 0,
            reading: None,
            is_logging: false,
            logs,
            rows: Vec::new(),
        }
    }

    /// When the run began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Enters a phase; `length` if it is known. It is shown with counts of its beginning.
    pub async fn enter(&mut self, phase: &'static str, length: Option<Duration>) -> anyhow::Result<()> {
        self.phase = phase;
        self.phase_began = clock::now();
        self.phase_length = length;
        self.collect(false).await?;
        self.show();
        Ok(())
    }

    /// From now on, what is collected goes into the latency log.
    pub fn start_log(&mut self) {
        self.is_logging = true;
    }

    /// Collects every player's records; with the kernel's counters, if asked.
    pub async fn collect(&mut self, with_tcp_ip: bool) -> anyhow::Result<Snapshot> {
        let mut merged = Snapshot::empty();
        for player in self.players {
            merged.merge(&player.snapshot(with_tcp_ip).await?);
        }
        for sum in [&mut self.totals, &mut self.current] {
            add(&mut sum.latency, &merged.latency);
            add(&mut sum.latency_from_actual, &merged.latency_from_actual);
            add(&mut sum.connect, &merged.connect);
            add(&mut sum.loop_lag, &merged.loop_lag);
            add(&mut sum.turn_wait, &merged.turn_wait);
            sum.take_struck(&merged);
            sum.counters = merged.counters;
            sum.errors.clone_from(&merged.errors);
            sum.told.clone_from(&merged.told);
        }
        Ok(merged)
    }

    /// The instant at which the next row is due.
    pub fn next_row(&self) -> Instant {
        let next = self.row_began + Duration::from_secs(1);
        let Some(grid) = self.grid else { return next };
        // The nearest whole second.
        let ahead = next.saturating_duration_since(grid).as_secs_f64().round();
        let behind = grid.saturating_duration_since(next).as_secs_f64().round();
        if ahead > 0.0 { grid + Duration::from_secs_f64(ahead) } else { grid - Duration::from_secs_f64(behind) }
    }

    /// From now on, rows end whole seconds before or after `instant`.
    pub fn align(&mut self, instant: Instant) {
        self.grid = Some(instant);
    }

    /// Ends the current row.
    pub async fn end_row(&mut self, publishing: Option<&Publishing>) -> anyhow::Result<()> {
        self.collect(false).await?;
        let reading = tokio::time::timeout(ROW_PATIENCE, self.stats.read()).await.ok().flatten();
        let now = clock::now();
        let cpu = cpu_time::own().total();
        let sent = publishing.map_or(self.row_sent, Publishing::sent);
        let length = now.saturating_duration_since(self.row_began);
        let counters = self.totals.counters;
        let since = counters.since(self.row_counters);
        let us = |ns: u64| ns as f64 / 1e3;
        let latency = &self.current.latency;
        let at = |quantile| (!latency.is_empty()).then(|| us(latency.value_at_quantile(quantile)));
        let said = reading.as_ref().and_then(|reading| reading.stats.as_ref());
        let row = SeriesRow {
            at_s: now.saturating_duration_since(self.began).as_secs_f64(),
            phase: self.phase.into(),
            open: counters.live(),
            opening: counters.opening,
            in_flight: counters.in_flight,
            opened: since.opened,
            failed: since.failed,
            reconnected: since.reconnected,
            published: sent - self.row_sent,
            delivered: since.received,
            p50_us: at(0.5),
            p99_us: at(0.99),
            max_us: at(1.0),
            received_bytes: since.bytes_received,
            sent_bytes: since.bytes_sent,
            polls: since.polls,
            wasted_polls: since.wasted_polls,
            server_cpu_share: self.reading.as_ref().zip(reading.as_ref()).and_then(|(a, b)| cpu_share(a, b)),
            server_rss_bytes: reading.as_ref().map(|reading| reading.rss_bytes),
            server_open: said.map(|stats| stats.connections.get(self.transport).map_or(0, |c| c.open)),
            server_descriptors: reading.as_ref().and_then(|reading| process::descriptors(Some(reading.pid))),
            generator_cpu_share: cpu.saturating_sub(self.row_cpu).as_secs_f64() / length.as_secs_f64().max(1e-9),
            generator_rss_bytes: process::own_rss(),
            generator_descriptors: process::descriptors(None),
            loop_lag_max_us: us(self.current.loop_lag.max()),
        };
        self.logs.series.push(&row);
        self.rows.push(row);
        // A row that ends a moment after the window has begun may hold its first deliveries.
        if self.is_logging || !latency.is_empty() {
            let start = self.row_began.saturating_duration_since(self.began);
            self.logs.latency.push(None, start, length, latency)?;
            self.logs.latency.push(Some(tag::ACTUAL), start, length, &self.current.latency_from_actual)?;
        }
        self.current = Snapshot::empty();
        self.row_began = now;
        self.row_counters = counters;
        self.row_cpu = cpu;
        self.row_sent = sent;
        self.reading = reading.or(self.reading.take());
        self.show();
        Ok(())
    }

    /// Light counters of all players, between two collections.
    pub async fn counters(&self) -> anyhow::Result<Counters> {
        let mut sum = Counters::default();
        for player in self.players {
            sum = sum.plus(player.counters().await?);
        }
        Ok(sum)
    }

    /// The event-loop lag recorded since this was last asked for, up to the last collection.
    pub fn take_loop_lag(&mut self) -> Histogram<u64> {
        let lag = self.totals.loop_lag.clone();
        self.totals.loop_lag.reset();
        lag
    }

    /// How long clients waited for their turn, since this was last asked for, up to the last collection.
    pub fn take_turn_wait(&mut self) -> Histogram<u64> {
        let wait = self.totals.turn_wait.clone();
        self.totals.turn_wait.reset();
        wait
    }

    /// Reads the server's stats.
    pub fn stats(&self) -> &'a StatsReader {
        self.stats
    }

    /// Ends the journal.
    pub async fn finish(mut self, publishing: Option<&Publishing>) -> anyhow::Result<Records> {
        self.end_row(publishing).await?;
        self.display.finish();
        Ok(Records { totals: self.totals, log: self.logs.latency, rows: self.rows })
    }

    fn show(&mut self) {
        let counters = self.totals.counters;
        let latency = &self.totals.latency;
        let progress = Progress {
            phase: self.phase.into(),
            elapsed: clock::now().saturating_duration_since(self.phase_began),
            length: self.phase_length,
            clients: self.clients,
            live: counters.live(),
            deliveries_per_s: self.rows.last().map_or(0, |row| row.delivered),
            p50_ns: (!latency.is_empty()).then(|| latency.value_at_quantile(0.5)),
            p99_ns: (!latency.is_empty()).then(|| latency.value_at_quantile(0.99)),
            errors: self.totals.errors.values().sum(),
        };
        self.display.show(&progress);
    }
}

fn add(sum: &mut Histogram<u64>, more: &Histogram<u64>) {
    sum.add(more).expect("a histogram that grows takes in any other");
}
