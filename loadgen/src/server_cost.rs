//! What the server spends before, during and after the window, by its own `/stats` or by `/proc`, and what that makes per
//! delivery and connection.

use std::time::{Duration, Instant};

use feed::{ConnectionStats, ServerStats, Transport};
use results::{CostSource, ServerCost};

use crate::clock;
use crate::process_tree::{Spent, Tree};
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
    /// The server's process.
    pub pid: u32,
    /// CPU time so far, seconds.
    pub cpu_s: f64,
    /// Resident memory, bytes.
    pub rss_bytes: u64,
    /// What the server said, if it is a feed.
    pub stats: Option<ServerStats>,
    /// What `/proc` says of its process and its descendants, if that is known.
    pub tree: Option<Spent>,
}

impl Reading {
    /// What it says of one transport; all zero where the server says nothing.
    pub fn of(&self, transport: Transport) -> ConnectionStats {
        self.said_of(transport).unwrap_or_default()
    }

    /// What the server says of one transport.
    pub fn said_of(&self, transport: Transport) -> Option<ConnectionStats> {
        Some(self.stats.as_ref()?.connections.get(transport.name()).cloned().unwrap_or_default())
    }
}

/// Reads what a server spends: a feed is asked for its `/stats`, of others `/proc` tells.
#[derive(Debug)]
pub struct StatsReader {
    http: reqwest::Client,
    /// Where a feed tells.
    url: Option<String>,
    /// True for a server that is our child.
    is_child: bool,
    /// True when every server of the feed has a reader.
    reads_all: bool,
    /// The server's process and its descendants, if it is known.
    process: Option<Tree>,
}

impl StatsReader {
    /// Reads what `target` spends; `child` is its process id if we started it, `named` if somebody named it.
    pub fn new(target: &Target, child: Option<u32>, named: Option<u32>) -> anyhow::Result<Self> {
        let http = target.http().timeout(STATS_BOUND).build()?;
        let url = target.file.is_feed().then(|| target.join("/stats"));
        Ok(Self { http, url, is_child: child.is_some(), reads_all: false, process: child.or(named).map(Tree::of) })
    }

    /// The reader of one of several servers that share a broker, each of which has its own.
    pub fn beside_others(self) -> Self {
        Self { reads_all: true, ..self }
    }

    /// One reading; `None` when a feed has no `/stats` or does not answer, when nobody knows the server's process, or when it is
    /// one of several, not all of which are read, and nobody said which.
    pub async fn read(&self) -> Option<Reading> {
        let pid = self.process.as_ref().map(Tree::root);
        let tree = self.process.as_ref().and_then(Tree::spent);
        let Some(url) = &self.url else {
            let (pid, spent) = pid.zip(tree)?;
            let (cpu_s, rss_bytes) = (spent.cpu.as_secs_f64(), spent.rss_bytes);
            return Some(Reading { at: clock::now(), pid, cpu_s, rss_bytes, stats: None, tree });
        };
        let answer = self.http.get(url).send().await.ok()?.error_for_status().ok()?;
        let stats = answer.json::<ServerStats>().await.ok()?;
        // One of several behind a broker: what it spends is not what they all do, and the next answer may be another one's.
        if pid.is_none() && !self.reads_all && stats.broker.is_shared() {
            return None;
        }
        let (pid, cpu_s, rss_bytes) = (stats.pid, stats.cpu_s, stats.rss_bytes);
        Some(Reading { at: clock::now(), pid, cpu_s, rss_bytes, stats: Some(stats), tree })
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
            let is_wanted = reading.said_of(transport).is_none_or(|said| is_wanted(&said));
            if is_wanted || !self.is_child || clock::now() >= bound {
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
    /// Those that there are, in their order.
    fn all(&self) -> impl Iterator<Item = &Reading> {
        [&self.before, &self.settled, &self.connected, &self.start, &self.end, &self.last].into_iter().flatten()
    }

    /// True when the server has told something at least once.
    pub fn have_any(&self) -> bool {
        self.all().next().is_some()
    }

    /// True when the server's process changed.
    pub fn are_of_several_processes(&self) -> bool {
        let pids: Vec<u32> = self.all().map(|reading| reading.pid).collect();
        pids.windows(2).any(|pair| pair[0] != pair[1])
    }

    /// The cost over the window; `None` when a reading is missing, or is of another process, or when CPU time has become less:
    /// then a process has left the tree with what it had used.
    pub fn cost(&self, transport: Transport, clients: u32, deliveries: u64, cpus: Vec<usize>) -> Option<ServerCost> {
        let (before, connected) = (self.before.as_ref()?, self.connected.as_ref()?);
        let (start, end) = (self.start.as_ref()?, self.end.as_ref()?);
        if before.pid != end.pid {
            return None;
        }
        let cpu_s = used(start, end)?;
        let per_client = |rss: u64| (rss as f64 - before.rss_bytes as f64) / f64::from(clients);
        let counted = start.said_of(transport).zip(end.said_of(transport));
        let tree = start.tree.zip(end.tree);
        let split = tree.and_then(|(start, end)| end.split_since(&start));
        Some(ServerCost {
            source: if end.stats.is_some() { CostSource::Stats } else { CostSource::ProcessTree },
            cpu_s,
            cpu_by_process_s: tree.and_then(|(start, end)| end.cpu_since(&start)).map(|used| used.as_secs_f64()),
            cpu_user_s: split.map(|used| used.user.as_secs_f64()),
            cpu_system_s: split.map(|used| used.system.as_secs_f64()),
            cpu_us_per_delivery: (deliveries > 0).then(|| cpu_s * 1e6 / deliveries as f64),
            idle_cpu_share: idle_cpu_share(self.settled.as_ref()?, connected),
            rss_before_bytes: before.rss_bytes,
            rss_connected_bytes: connected.rss_bytes,
            rss_end_bytes: end.rss_bytes,
            rss_per_connection_bytes: per_client(end.rss_bytes),
            rss_per_idle_connection_bytes: per_client(connected.rss_bytes),
            delivered: counted.as_ref().map(|(start, end)| end.delivered.saturating_sub(start.delivered)),
            open_at_end: counted.map(|(_, end)| end.open),
            cpus,
        })
    }
}

/// True when it can be known what a server spends, so that silence is a fault: we started it or somebody named its process
/// (`pid`), and it is a feed or there is a `/proc`.
pub fn can_be_known(pid: Option<u32>, is_feed: bool) -> bool {
    pid.is_some() && (is_feed || cfg!(target_os = "linux"))
}

/// CPU seconds between two readings; `None` when there are fewer at the later.
fn used(earlier: &Reading, later: &Reading) -> Option<f64> {
    let used = later.cpu_s - earlier.cpu_s;
    (used >= 0.0).then_some(used)
}

/// Share of one core that the server used between two readings; `None` when they are of one instant, or of two
/// processes, or when a process has left between them with what it had used.
pub fn cpu_share(earlier: &Reading, later: &Reading) -> Option<f64> {
    let elapsed = later.at.saturating_duration_since(earlier.at).as_secs_f64();
    let is_same = earlier.pid == later.pid;
    Some(used(earlier, later)? / elapsed).filter(|_| elapsed > 0.0 && is_same)
}

/// The same while nothing was published; `None` when that was too short to say.
fn idle_cpu_share(settled: &Reading, connected: &Reading) -> Option<f64> {
    let is_long_enough = connected.at.saturating_duration_since(settled.at) >= SHORTEST_IDLE;
    is_long_enough.then(|| cpu_share(settled, connected)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Trust;

    fn after(began: Instant, elapsed: Duration, cpu_s: f64) -> Reading {
        Reading { at: began + elapsed, pid: 1, cpu_s, rss_bytes: 0, stats: None, tree: None }
    }

    #[test]
    fn idle_cpu_over_no_time_is_not_measured() {
        let began = clock::now();
        let share = |elapsed| idle_cpu_share(&after(began, Duration::ZERO, 1.0), &after(began, elapsed, 1.25));
        assert_eq!(share(Duration::from_secs(1)), Some(0.25));
        assert_eq!(share(Duration::from_millis(2)), None, "the readings themselves");
        assert_eq!(share(Duration::ZERO), None);
    }

    #[test]
    fn a_process_that_leaves_the_tree_takes_the_cost_with_it() {
        let began = clock::now();
        let at = |cpu_s| Some(after(began, Duration::from_secs(1), cpu_s));
        let of_end =
            |end| Readings { before: at(0.0), settled: at(0.0), connected: at(0.0), start: at(2.0), end, last: None };
        assert_eq!(of_end(at(2.5)).cost(Transport::Ws, 1, 1, vec![]).unwrap().cpu_s, 0.5);
        assert!(of_end(at(1.5)).cost(Transport::Ws, 1, 1, vec![]).is_none());
        assert_eq!(cpu_share(&after(began, Duration::ZERO, 2.0), &after(began, Duration::from_secs(1), 1.0)), None);
    }

    #[tokio::test]
    async fn one_of_several_servers_is_not_asked_what_they_all_cost() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::resolve(&format!("http://{}", listener.local_addr().unwrap()), &Trust::default()).unwrap();
        let answers = tokio::spawn(async move {
            for kind in ["memory", "redis", "redis"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 4096]).await.unwrap();
                let broker = feed::BrokerStats { kind: kind.into(), ..Default::default() };
                let body = serde_json::to_string(&ServerStats { broker, ..Default::default() }).unwrap();
                let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            }
        });
        let foreign = StatsReader::new(&target, None, None).unwrap();
        assert!(foreign.read().await.is_some(), "a server by itself");
        assert!(foreign.read().await.is_none(), "one of several");
        let named = StatsReader::new(&target, None, Some(std::process::id())).unwrap();
        assert!(named.read().await.is_some(), "one of several, and somebody said which");
        answers.await.unwrap();
    }
}
