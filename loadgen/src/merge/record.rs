//! What a shard leaves beside its results so that they can be added to those of the others: `shard.json`.

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use results::file::write_whole;
use results::{LatencyLog, Run, SeriesRow, ServerCost};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::config::Bounds;
use crate::parts::Parts;
use crate::plan::Plan;
use crate::reconciliation::Books;
use crate::recording::{ClientGroup, PublishOrder, Stack};
use crate::shard::{MOST_SHARDS, Shard};
use crate::verdict::{Judged, Span};

/// Name of the file that makes a run folder that of a shard.
pub const SHARD_FILE: &str = "shard.json";
/// Version of that file. Another one is refused: shards of one run are made by one build.
const SCHEMA: u32 = 2;

/// Where Linux says which start of which machine this is.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// Tags of the histograms that a shard adds to its latency log.
pub mod tag {
    /// Latency from actual publishing instants, an interval a second.
    pub const ACTUAL: &str = "actual";
    /// Connect times of the whole run.
    pub const CONNECT: &str = "connect";
    /// Event-loop lag over the window.
    pub const LOOP_LAG: &str = "loop-lag";
    /// Waits of clients for their turn over the window.
    pub const TURN_WAIT: &str = "turn-wait";
    /// Send lag over the window.
    pub const SEND_LAG: &str = "send-lag";
    /// Publish times over the window.
    pub const PUBLISH: &str = "publish";
}

/// The contents of `shard.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this file.
    pub schema: u32,
    /// Number of the run.
    pub run: u32,
    /// Which part it is.
    pub shard: Shard,
    /// What tells the machine that it ran on from others until it is started anew; absent where the system does not tell.
    pub host: Option<String>,
    /// Cores of that machine that it might use.
    pub cores: Vec<usize>,
    /// The server.
    pub url: String,
    /// The server's process, by its own word; absent when it does not tell.
    pub server_pid: Option<u32>,
    /// What the server spent over the window, whoever its clients are.
    pub server: Option<ServerCost>,
    /// What its run was held against.
    pub bounds: Bounds,
    /// When publishing began: on the clock of its postmarks, ns.
    pub begin_ns: u64,
    /// The same, seconds since its run began.
    pub begin_s: f64,
    /// The same, by the wall clock, seconds since 1970.
    pub begin_at_s: f64,
    /// One past the last number that was due, per topic, of its own publishers.
    pub ends: Vec<u32>,
    /// Numbers that the server is not known to have accepted, ascending, per topic.
    pub refused: Vec<Vec<u32>>,
    /// In which order its publishers' notifications were published, per topic.
    pub orders: Vec<PublishOrder>,
    /// Its clients' ledgers, of the publishers of all shards.
    pub stacks: Vec<Stack>,
    /// What its clients received, by client.
    pub clients: Vec<ClientGroup>,
    /// The numbers that were due in the window, per topic, of its own publishers.
    pub spans: Vec<Span>,
    /// Of what clients are judged that received nothing.
    pub judged: Judged,
    /// Receipt minus intended instant, each on its own process's clock, ns: the least of what each shard published.
    pub heard: Vec<Option<i64>>,
    /// The whole run as it was counted here.
    pub books: Books,
}

impl Record {
    /// True when its parts fit together, as they do in every record that was written to its end.
    fn is_sound(&self) -> bool {
        let has_place = (2..=MOST_SHARDS).contains(&self.shard.of) && self.shard.index < self.shard.of;
        let topics = [self.refused.len(), self.orders.len(), self.spans.len()];
        let has_topics = !self.ends.is_empty() && topics == [self.ends.len(); 3];
        has_place && has_topics && self.begin_s.is_finite()
    }

    /// Writes it into a run folder.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(SHARD_FILE);
        write_whole(&path, &serde_json::to_vec(self)?).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// What the shard that played `plan` leaves for a merge; the histograms that only a merge needs go into its latency log.
pub fn keep(
    plan: &Plan,
    url: &str,
    cores: &[usize],
    bounds: &Bounds,
    parts: &Parts,
    log: &mut LatencyLog,
) -> anyhow::Result<Record> {
    for (tag, histogram) in [
        (tag::CONNECT, &parts.connect),
        (tag::LOOP_LAG, &parts.loop_lag),
        (tag::TURN_WAIT, &parts.turn_wait),
        (tag::SEND_LAG, &parts.send_lag),
        (tag::PUBLISH, &parts.publish_time),
    ] {
        log.push(Some(tag), parts.begin, plan.warmup + plan.duration, histogram)?;
    }
    Ok(Record {
        schema: SCHEMA,
        run: plan.run,
        shard: plan.shard,
        host: std::fs::read_to_string(BOOT).ok().map(|id| id.trim().to_owned()),
        cores: cores.to_vec(),
        url: url.to_owned(),
        server_pid: parts.server_pid,
        server: parts.server.clone(),
        bounds: bounds.clone(),
        begin_ns: parts.begin_ns,
        begin_s: parts.begin.as_secs_f64(),
        begin_at_s: wall_clock_s(clock::instant_at(parts.begin_ns)),
        ends: parts.ends.clone(),
        refused: parts.refused.clone(),
        orders: parts.orders.clone(),
        stacks: parts.stacks.clone(),
        clients: parts.clients.clone(),
        spans: parts.spans.clone(),
        judged: Judged::of(plan),
        heard: parts.heard.clone(),
        books: parts.books,
    })
}

/// An instant that has passed, by the wall clock, seconds since 1970.
fn wall_clock_s(instant: Instant) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(clock::now().saturating_duration_since(instant)).as_secs_f64()
}

/// A shard's results as they were read back, without its histograms.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its folder.
    pub folder: PathBuf,
    /// Its run.
    pub run: Run,
    /// Its seconds.
    pub series: Vec<SeriesRow>,
    /// What it leaves for a merge.
    pub record: Record,
}

/// Reads the results of one shard.
pub fn read(folder: &Path) -> anyhow::Result<Part> {
    let loaded = results::load(folder)?;
    let path = folder.join(SHARD_FILE);
    if !path.is_file() {
        bail!(
            "{} is no shard of a run: expected {SHARD_FILE} in it, as `loadgen run --shard` leaves",
            folder.display()
        );
    }
    let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let record: Record = serde_json::from_slice(&text)
        .with_context(|| format!("{} cannot be read: merge with the build that wrote it", path.display()))?;
    if record.schema != SCHEMA {
        bail!("{} has schema {}, expected {SCHEMA}: merge with the build that wrote it", path.display(), record.schema);
    }
    ensure!(record.is_sound(), "{} is damaged: run that shard again", path.display());
    Ok(Part { folder: folder.to_owned(), run: loaded.run, series: loaded.series, record })
}
