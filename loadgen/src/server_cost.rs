//! What the server says about itself before, during and after the window, and what that makes per delivery and connection.

use std::time::{Duration, Instant};

use feed::{ConnectionStats, ServerStats, Transport};
use results::ServerCost;

use crate::clock;
use crate::process;
use crate::target::Target;

/// Longest wait for `/stats`.
const STATS_BOUND: Duration = Duration::from_secs(5);
/// Longest wait for a server to have seen all clients come and leave.
const REST_BOUND: Duration = Duration::from_secs(5);
/// Shortest time over which idle CPU is told: over less, the two readings at its ends are most of what the server does.
const SHORTEST_IDLE: Duration = Duration::from_millis(100);
/// Between two looks at whether they have.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// One reading.
#[derive(Debug, Clone)]
pub struct Reading {
    /// When it was taken.
    pub at: Instant,
    /// What the server said.
    pub stats: ServerStats,
    /// CPU time by `/proc`, if the server is our child.
    pub cpu_by_process: Option<Duration>,
}

impl Reading {
    /// What it says of one transport.
    pub fn of(&self, transport: Transport) -> ConnectionStats {
        self.stats.connections.get(transport.name()).cloned().unwrap_or_default()
    }
}

/// Asks a server for its `/stats`.
#[derive(Debug)]
pub struct StatsReader {
    http: reqwest::Client,
    url: String,
    /// Process id of a server that is our child.
    child: Option<u32>,
}

impl StatsReader {
    /// Reads the stats of `target`; `child` is its process id if we started it.
    pub fn new(target: &Target, child: Option<u32>) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(STATS_BOUND).build()?;
        Ok(Self { http, url: target.join("/stats"), child })
    }

    /// One reading; `None` when the server has no `/stats` of the feed's kind or does not answer.
    pub async fn read(&self) -> Option<Reading> {
        let cpu_by_process = self.child.and_then(process::cpu_time_of);
        let answer = self.http.get(&self.url).send().await.ok()?.error_for_status().ok()?;
        let stats = answer.json::<ServerStats>().await.ok()?;
        Some(Reading { at: clock::now(), stats, cpu_by_process })
    }

    /// A reading of our own server in which `transport` is as wanted, as soon as there is one: a server that is behind answers
    /// this while readers still wait at its door. What has not come about within five seconds stands in the reading as it is.
    /// Of a server that may have other readers, the next reading.
    pub async fn read_when(
        &self,
        transport: Transport,
        is_wanted: impl Fn(&ConnectionStats) -> bool,
    ) -> Option<Reading> {
        let bound = clock::now() + REST_BOUND;
        loop {
            let reading = self.read().await?;
            if is_wanted(&reading.of(transport)) || self.child.is_none() || clock::now() >= bound {
                return Some(reading);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// The readings that a server's cost is made of; each may be missing.
#[derive(Debug, Default)]
pub struct Readings {
    /// Before the first client connected.
    pub before: Option<Reading>,
    /// All clients live, start of the settling phase.
    pub settled: Option<Reading>,
    /// All clients live, end of the settling phase, nothing published yet.
    pub connected: Option<Reading>,
    /// Start of the window.
    pub start: Option<Reading>,
    /// End of the window.
    pub end: Option<Reading>,
    /// After the last client has left.
    pub last: Option<Reading>,
}

impl Readings {
    /// All of them, in their order.
    pub fn all(&self) -> impl Iterator<Item = &Option<Reading>> {
        [&self.before, &self.settled, &self.connected, &self.start, &self.end, &self.last].into_iter()
    }

    /// The cost over the window; `None` when a reading is missing, or is of another process.
    pub fn cost(&self, transport: Transport, clients: u32, deliveries: u64, cpus: Vec<usize>) -> Option<ServerCost> {
        let (before, connected) = (self.before.as_ref()?, self.connected.as_ref()?);
        let (start, end) = (self.start.as_ref()?, self.end.as_ref()?);
        if before.stats.pid != end.stats.pid {
            return None;
        }
        let cpu_s = end.stats.cpu_s - start.stats.cpu_s;
        let per_client = |rss: u64| (rss as f64 - before.stats.rss_bytes as f64) / f64::from(clients);
        let of = |reading: &Reading| reading.stats.connections.get(transport.name()).cloned().unwrap_or_default();
        Some(ServerCost {
            cpu_s,
            cpu_by_process_s: start
                .cpu_by_process
                .zip(end.cpu_by_process)
                .map(|(start, end)| end.saturating_sub(start).as_secs_f64()),
            cpu_us_per_delivery: (deliveries > 0).then(|| cpu_s * 1e6 / deliveries as f64),
            idle_cpu_share: idle_cpu_share(self.settled.as_ref()?, connected),
            rss_before_bytes: before.stats.rss_bytes,
            rss_connected_bytes: connected.stats.rss_bytes,
            rss_end_bytes: end.stats.rss_bytes,
            rss_per_connection_bytes: per_client(end.stats.rss_bytes),
            rss_per_idle_connection_bytes: per_client(connected.stats.rss_bytes),
            delivered: of(end).delivered.saturating_sub(of(start).delivered),
            open_at_end: of(end).open,
            cpus,
        })
    }
}

/// Share of one core that the server used between two readings; `None` when they are of one instant.
pub fn cpu_share(earlier: &Reading, later: &Reading) -> Option<f64> {
    let elapsed = later.at.saturating_duration_since(earlier.at).as_secs_f64();
    (elapsed > 0.0).then(|| (later.stats.cpu_s - earlier.stats.cpu_s) / elapsed)
}

/// The same while nothing was published; `None` when that was too short to say.
fn idle_cpu_share(settled: &Reading, connected: &Reading) -> Option<f64> {
    let is_long_enough = connected.at.saturating_duration_since(settled.at) >= SHORTEST_IDLE;
    is_long_enough.then(|| cpu_share(settled, connected)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(began: Instant, elapsed: Duration, cpu_s: f64) -> Reading {
        let stats = ServerStats { cpu_s, ..ServerStats::default() };
        Reading { at: began + elapsed, stats, cpu_by_process: None }
    }

    #[test]
    fn idle_cpu_over_no_time_is_not_measured() {
        let began = clock::now();
        let share = |elapsed| idle_cpu_share(&after(began, Duration::ZERO, 1.0), &after(began, elapsed, 1.25));
        assert_eq!(share(Duration::from_secs(1)), Some(0.25));
        assert_eq!(share(Duration::from_millis(2)), None, "the readings themselves");
        assert_eq!(share(Duration::ZERO), None);
    }
}
