//! One transport against the stub: an ordinary run, and what the stub says about it.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use feed::Transport;
use rand::RngExt;

use super::truth::{TRUTH_PATH, Truth};
use crate::conductor::{self, Outcome, Setup};
use crate::config::{Bounds, Pin};
use crate::cores::Cores;
use crate::gate::Gate;
use crate::interrupt::Interrupt;
use crate::plan::{Arrival, PUBLISH_CONNECTIONS, Plan, Reuse, SocketIoMode};
use crate::reconnection::Reconnection;
use crate::server_process::ServerProcess;
use crate::shard::Shard;
use crate::target::{Target, TargetFile, Trust};
use crate::{clock, display};

/// Longest wait until the stub has seen the end of every client.
const GOODBYE_BOUND: Duration = Duration::from_secs(5);

/// What the stub is told to do in the self-test. In each 20 notifications, one is dropped, one repeated and two are
/// swapped; five clients are cut off once. The delays are spread so widely that what a busy machine adds to some of them
/// moves no percentile far. The cut is well behind a swap: who is cut off right behind one resumes after
/// what was swapped, and is written its successors again.
const THOROUGH: &[&str] = &[
    "--delay",
    "5ms",
    "--more-delay",
    "100ms",
    "--connect-delay",
    "500ms",
    "--answer-delay",
    "500ms",
    "--drop",
    "20:3",
    "--repeat",
    "20:7",
    "--swap",
    "20:11",
    "--chatter",
    "5:0",
    "--split",
    "--cut",
    "65",
    "--cut-connections",
    "5",
];

/// A load, and what the stub does to it.
#[derive(Debug, Clone)]
pub struct Trial {
    /// How notifications are carried.
    pub transport: Transport,
    /// Simulated clients.
    pub clients: u32,
    /// Notifications per second.
    pub rate: f64,
    /// Published but not recorded.
    pub warmup: Duration,
    /// Published and recorded.
    pub duration: Duration,
    /// Longest wait for outstanding deliveries.
    pub drain: Duration,
    /// When the publisher is held up, from the start of publishing.
    pub hold_up: Option<Range<Duration>>,
    /// What its progress is shown as, in plain lines, where it may be one of several trials at a time.
    pub title: Option<&'static str>,
    /// Topics; the stub gives all of them to all.
    pub topics: u16,
    /// How one speaks with the stub, as a target file says it; as with a feed where nothing is said.
    pub target: Option<&'static str>,
    /// Flags of `loadgen stub`.
    pub script: Vec<String>,
}

/// Both sides of it.
pub struct Findings {
    /// What the generator measured.
    pub outcome: Outcome,
    /// What the stub did.
    pub truth: Truth,
}

impl Trial {
    /// A short, light load; the stub is told what to do by `script`.
    pub fn new(transport: Transport, script: &[&str]) -> Self {
        Self {
            transport,
            clients: 20,
            rate: 40.0,
            warmup: Duration::from_millis(500),
            duration: Duration::from_secs(2),
            drain: Duration::from_secs(1),
            hold_up: None,
            title: None,
            topics: 1,
            target: None,
            script: script.iter().map(|&word| word.to_owned()).collect(),
        }
    }

    /// What the self-test does: everything at once. The publisher is held up for a while, so that latencies from actual
    /// publishing instants would be others than those from intended ones.
    pub fn thorough(transport: Transport) -> Self {
        Self {
            clients: 40,
            duration: Duration::from_secs(6),
            drain: Duration::from_millis(1_500),
            hold_up: Some(Duration::from_millis(3_000)..Duration::from_millis(3_600)),
            ..Self::new(transport, THOROUGH)
        }
    }

    /// The number of the first notification of the window, which is that of every topic.
    fn first(&self) -> anyhow::Result<u32> {
        let windows = self.plan()?.window_sequences();
        let first = windows.first().map_or(0, |sequences| sequences.start);
        ensure!(
            windows.iter().all(|sequences| sequences.start == first),
            "topics whose windows begin with different numbers: expected a warm-up of whole intervals, but they begin as {windows:?}"
        );
        Ok(first)
    }

    fn plan(&self) -> anyhow::Result<Plan> {
        Ok(Plan {
            run: rand::rng().random(),
            transport: self.transport,
            clients: self.clients,
            shard: Shard::WHOLE,
            topics: (0..self.topics)
                .map(|topic| Ok(format!("selftest-{topic}").parse()?))
                .collect::<anyhow::Result<_>>()?,
            rate: self.rate,
            payload: 100,
            arrival: Arrival::Constant,
            seed: 1,
            connect_rate: 200.0,
            settle: Duration::ZERO,
            warmup: self.warmup,
            duration: self.duration,
            drain: self.drain,
            poll_interval: Duration::from_millis(100),
            wait: Duration::from_secs(25),
            connection: Reuse::Reuse,
            socketio: SocketIoMode::Upgrade,
            hold_up: self.hold_up.clone(),
            reconnection: Reconnection::default(),
            faults: Vec::new(),
            publish_connections: PUBLISH_CONNECTIONS,
            publish_pipelined: false,
        })
    }

    /// Starts `program` as the stub, leads a run against it, and asks it what it did.
    pub async fn carry_out(&self, program: &Path, bounds: &Bounds, interrupt: &Interrupt) -> anyhow::Result<Findings> {
        let stub = self.start_stub(program).await?;
        self.lead(stub, bounds, interrupt).await
    }

    /// Starts `program` as the stub.
    pub async fn start_stub(&self, program: &Path) -> anyhow::Result<ServerProcess> {
        let mut words = vec!["stub".to_owned(), "--exit-on-stdin-close".to_owned()];
        words.extend(["--origin".to_owned(), clock::origin_ns().to_string()]);
        words.extend(["--first".to_owned(), self.first()?.to_string()]);
        words.extend(self.script.iter().cloned());
        ServerProcess::start_with(program, &words).await
    }

    /// Leads a run against the stub, asks it what it did, and ends it.
    pub async fn lead(&self, stub: ServerProcess, bounds: &Bounds, interrupt: &Interrupt) -> anyhow::Result<Findings> {
        let plan = Arc::new(self.plan()?);
        let cores = Cores::divide(Pin::Off, true)?;
        let file =
            self.target.map_or_else(|| Ok(TargetFile::feed()), |text| TargetFile::parse(text, Path::new(".")))?;
        let target = Target::resolve_as(&stub.url, Arc::new(file), None, &Trust::default())?;
        let setup = Setup {
            plan: Arc::clone(&plan),
            target: target.clone(),
            child: None,
            own_server: None,
            server_pid: None,
            threads: (cores.of_generator() as u32).min(plan.clients),
            cores,
            gate: Gate::Open,
            connect_timeout: Duration::from_secs(10),
            bounds: bounds.clone(),
        };
        let mut display = match self.title {
            Some(title) => display::in_lines(title),
            None => display::for_run(self.transport.name()),
        };
        let outcome = conductor::conduct(&setup, results::RunLogs::default(), &mut *display, interrupt).await?;
        let truth = ask(&target).await?;
        stub.stop().await?;
        Ok(Findings { outcome, truth })
    }
}

/// Asks for the truth once every client has gone.
async fn ask(target: &Target) -> anyhow::Result<Truth> {
    let http = target.http().build()?;
    let bound = clock::now() + GOODBYE_BOUND;
    loop {
        let answer = http.get(target.join(TRUTH_PATH)).send().await.context("the stub does not answer")?;
        let truth: Truth = answer.json().await.context("the stub's truth cannot be read")?;
        if truth.open == 0 || clock::now() > bound {
            return Ok(truth);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
