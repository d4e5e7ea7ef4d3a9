//! One run out of its shards.

use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use results::{
    Accepted, Asked, Ending, LatencyLog, Measured, Percentiles, Published, Reconciled, Run, RunFolder, SCHEMA,
    SeriesRow, ServerCost, ShardShare,
};

use super::seconds::{Times, rows};
use super::{Part, doubts, ledgers, sums};
use crate::assertion::Condition;
use crate::parts::sum;
use crate::recording::count_numbers;
use crate::verdict::{self, Circumstances};

/// What who led the shards saw of the server, where somebody did.
#[derive(Debug, Clone)]
pub struct Observed {
    /// What was asked for, by whoever led them.
    pub asked: Asked,
    /// What the servers spent, all together.
    pub server: Option<ServerCost>,
    /// The whole run as both sides counted it.
    pub reconciliation: Vec<Reconciled>,
    /// True when a server's process was another one at the end than at the start.
    pub server_restarted: bool,
    /// True when a server told its cost at one point and not at another, or is our own and never did.
    pub server_fell_silent: bool,
    /// Cores that the generators were bound to.
    pub cpus: Vec<usize>,
}

/// A merged run, not written yet.
pub struct Merged {
    /// The run.
    pub run: Run,
    /// Its latencies, an interval a second.
    pub log: LatencyLog,
    /// Its seconds.
    pub rows: Vec<SeriesRow>,
}

impl Merged {
    /// Writes it into its folder.
    pub fn write(&self, folder: &RunFolder) -> anyhow::Result<()> {
        let started: SystemTime = humantime::parse_rfc3339(&self.run.started_at)
            .with_context(|| format!("`{}` is no time that a run could have begun at", self.run.started_at))?;
        Ok(folder.write(&self.run, &self.log, started, &self.rows)?)
    }
}

/// Adds up the shards of one run. Shards of different runs, or two that are the same, are an error; what else does not fit
/// together is in the verdict.
pub fn merge(mut parts: Vec<Part>, observed: Option<&Observed>, conditions: &[Condition]) -> anyhow::Result<Merged> {
    parts.sort_by_key(|part| part.record.shard.index);
    refuse_strangers(&parts)?;
    let first = parts.first().context("no shard was named")?;
    let lead_s = parts.iter().map(|part| part.record.begin_s).fold(0.0, f64::max);
    let lead = Duration::from_secs_f64(lead_s);
    let times = Times::read(&parts)?;
    let unheard = ledgers::unheard(&parts);
    let measured = measured(&parts, &unheard, &times, lead_s, observed);
    let circumstances = Circumstances {
        // Each shard says so of itself.
        drain_was_cut: false,
        unheard: ledgers::unheard_clients(&parts, &unheard),
        // Several processes commit no faults.
        was_struck: false,
        server_away: Duration::ZERO,
        window: Duration::from_secs_f64(first.run.asked.duration_s),
        server_restarted: observed.is_some_and(|observed| observed.server_restarted),
        server_fell_silent: observed.is_some_and(|observed| observed.server_fell_silent),
        publishing_interval: publishing_interval(&first.run, parts.len()),
    };
    let own = verdict::judge(&measured, &first.record.bounds, circumstances);
    let asked = observed.map_or_else(|| asked(first, &parts), |observed| observed.asked.clone());
    let started_at = parts.iter().map(|part| part.run.started_at.as_str()).min().unwrap_or_default().to_owned();
    let was_interrupted = parts.iter().any(|part| part.run.ending == Ending::Interrupted);
    let run = Run {
        schema: SCHEMA,
        id: first.run.id.clone(),
        started_at,
        ending: if was_interrupted { Ending::Interrupted } else { Ending::Complete },
        verdict: doubts::verdict(&parts, own),
        assertions: conditions.iter().map(|condition| condition.check(&measured)).collect(),
        asked,
        machine: first.run.machine.clone(),
        measured,
        shards: parts.iter().map(|part| share(part, &parts, &unheard)).collect(),
    };
    Ok(Merged { run, log: times.log(lead)?, rows: rows(&parts, &times, lead) })
}

fn refuse_strangers(parts: &[Part]) -> anyhow::Result<()> {
    for pair in parts.windows(2) {
        let ([one, other], [a, b]) = (pair, [&pair[0].record, &pair[1].record]) else { unreachable!("of two") };
        let (one, other) = (one.folder.display(), other.folder.display());
        if a.run != b.run {
            bail!(
                "{one} and {other} are of different runs ({:08x} and {:08x}): start all shards of a run with the same --run-id",
                a.run,
                b.run
            );
        }
        if a.shard.of != b.shard.of || a.ends.len() != b.ends.len() {
            bail!("{one} is shard {} and {other} is shard {}: they divide different plans", a.shard, b.shard);
        }
        if a.shard == b.shard {
            bail!("{one} and {other} are both shard {}: name each once", a.shard);
        }
    }
    Ok(())
}

fn publishing_interval(run: &Run, shards: usize) -> Duration {
    let per_second = run.asked.rate_per_s * f64::from(run.asked.topics) / (shards as f64).max(1.0);
    Duration::from_secs_f64(1.0 / per_second.max(f64::MIN_POSITIVE).max(1e-6))
}

fn measured(
    parts: &[Part],
    unheard: &[Vec<Vec<u32>>],
    times: &Times,
    lead_s: f64,
    observed: Option<&Observed>,
) -> Measured {
    let bytes = sums::bytes(parts);
    let connections = sums::connections(parts);
    let (clients, deliveries) = (connections.asked, bytes.deliveries);
    let books: Vec<_> = parts.iter().map(|part| ledgers::close(part, parts, unheard)).collect();
    let [latency, from_actual] = times.whole();
    let mut generator = sums::generator(parts, clients, deliveries, times);
    if let Some(observed) = observed {
        generator.cpus.clone_from(&observed.cpus);
    }
    Measured {
        phases: sums::phases(parts, lead_s),
        latency: Percentiles::from(&latency),
        latency_from_actual: Some(Percentiles::from(&from_actual)),
        latency_out_of_range: parts.iter().map(|part| part.run.measured.latency_out_of_range).sum(),
        connect: Percentiles::from(&times.connect),
        deliveries: sum(books.iter()),
        published: published(parts, unheard, times),
        misdelivered: parts.iter().map(|part| part.run.measured.misdelivered).sum(),
        repeated_within_messages: parts.iter().map(|part| part.run.measured.repeated_within_messages).sum(),
        foreign: parts.iter().map(|part| part.run.measured.foreign).sum(),
        quotes: sums::quotes(parts),
        never_learnt: sums::never_learnt(parts),
        connections,
        polls: sums::polls(parts),
        server: match observed {
            Some(observed) => observed.server.clone(),
            None => sums::server(parts, clients, deliveries),
        },
        generator,
        reconciliation: observed.map(|observed| observed.reconciliation.clone()).unwrap_or_default(),
        bytes,
        recovery: None,
    }
}

fn published(parts: &[Part], unheard: &[Vec<Vec<u32>>], times: &Times) -> Published {
    let sum = |of: fn(&Published) -> u64| parts.iter().map(|part| of(&part.run.measured.published)).sum();
    let is_answered = parts.iter().all(|part| part.run.measured.published.accepted_when == Accepted::Answered);
    let accepted_when = if is_answered { Accepted::Answered } else { Accepted::Written };
    let delivered =
        |(part, unheard): (&Part, &Vec<Vec<u32>>)| count_numbers(&part.record.refused) - count_numbers(unheard);
    Published {
        due: sum(|p| p.due),
        sent: sum(|p| p.sent),
        accepted: sum(|p| p.accepted),
        refused: sum(|p| p.refused),
        unknown: sum(|p| p.unknown),
        waited: sum(|p| p.waited),
        sent_again: sum(|p| p.sent_again),
        connections_opened: sum(|p| p.connections_opened),
        // Each shard had its most at an instant of its own: together there were this many at most.
        most_connections: sum(|p| p.most_connections),
        refused_and_delivered: Some(std::iter::zip(parts, unheard).map(delivered).sum()),
        accepted_when,
        send_lag: Percentiles::from(&times.send_lag),
        publish_time: match accepted_when {
            Accepted::Answered => Some(Percentiles::from(&times.publish_time)),
            Accepted::Written => None,
        },
    }
}

fn share(part: &Part, parts: &[Part], unheard: &[Vec<Vec<u32>>]) -> ShardShare {
    let (run, books) = (&part.run, ledgers::close(part, parts, unheard));
    ShardShare {
        shard: part.record.shard.to_string(),
        url: part.record.url.clone(),
        ending: run.ending,
        is_valid: run.verdict.is_valid(),
        clients: run.measured.connections.asked,
        accepted: run.measured.published.accepted,
        expected: books.expected,
        delivered: books.delivered,
        lost: books.lost,
        latency: run.measured.latency.clone(),
        cpu_share: run.measured.generator.cpu_share,
    }
}

/// What the shards were asked for, as if it had been one that was asked.
fn asked(first: &Part, parts: &[Part]) -> Asked {
    Asked { command: std::env::args().collect(), url: Some(urls(parts)), shard: None, ..first.run.asked.clone() }
}

/// The servers, each once.
fn urls(parts: &[Part]) -> String {
    let mut urls: Vec<&str> = Vec::new();
    for part in parts {
        if !urls.contains(&part.record.url.as_str()) {
            urls.push(&part.record.url);
        }
    }
    urls.join(",")
}
