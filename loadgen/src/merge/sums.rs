//! Sums over shards: bytes, connections, polls, and what server and generator spent.

use std::collections::{BTreeMap, BTreeSet};

use results::{
    Bytes, Connections, CostSource, GeneratorCost, Layers, OrderlyEnds, Percentiles, Phase, Polls, ServerCost, Total,
    WholeRun,
};

use super::Part;
use super::seconds::Times;

pub(super) fn bytes(parts: &[Part]) -> Bytes {
    let all = || parts.iter().map(|part| &part.run.measured.bytes);
    let layers = |of: fn(&Bytes) -> &Layers| Layers {
        payload: all().map(|bytes| of(bytes).payload).sum(),
        framing: all().map(|bytes| of(bytes).framing).sum(),
        tls: all().map(|bytes| of(bytes).tls).sum(),
        tcp_ip: all().map(|bytes| of(bytes).tcp_ip).sum(),
    };
    let total = |of: fn(&WholeRun) -> &Total| -> Option<Total> {
        let totals: Option<Vec<&Total>> = all().map(|bytes| bytes.whole_run.as_ref().map(of)).collect();
        let totals = totals?;
        Some(Total {
            stream: totals.iter().map(|total| total.stream).sum(),
            tcp_ip: totals.iter().map(|total| total.tcp_ip).sum(),
        })
    };
    let whole_run = total(|whole| &whole.received).zip(total(|whole| &whole.sent));
    Bytes {
        deliveries: all().map(|bytes| bytes.deliveries).sum(),
        received: layers(|bytes| &bytes.received),
        sent: layers(|bytes| &bytes.sent),
        whole_run: whole_run.map(|(received, sent)| WholeRun { received, sent }),
    }
}

/// The first words of each kind.
pub(super) fn quotes(parts: &[Part]) -> BTreeMap<String, String> {
    let mut quotes = BTreeMap::new();
    for (kind, words) in parts.iter().flat_map(|part| &part.run.measured.quotes) {
        quotes.entry(kind.clone()).or_insert_with(|| words.clone());
    }
    quotes
}

/// What no client of any shard has learnt.
pub(super) fn never_learnt(parts: &[Part]) -> Vec<String> {
    let Some((first, others)) = parts.split_first() else { return Vec::new() };
    let of = |part: &Part| part.run.measured.never_learnt.clone();
    of(first).into_iter().filter(|name| others.iter().all(|part| of(part).contains(name))).collect()
}

pub(super) fn connections(parts: &[Part]) -> Connections {
    let all = || parts.iter().map(|part| &part.run.measured.connections);
    let sum = |of: fn(&Connections) -> u64| all().map(of).sum();
    let mut errors = BTreeMap::new();
    for (kind, count) in all().flat_map(|connections| &connections.errors) {
        *errors.entry(kind.clone()).or_default() += count;
    }
    Connections {
        asked: sum(|c| c.asked),
        live_at_start: sum(|c| c.live_at_start),
        live_at_end: sum(|c| c.live_at_end),
        opened: sum(|c| c.opened),
        failed: sum(|c| c.failed),
        reconnected: sum(|c| c.reconnected),
        errors,
        orderly: orderly(all()),
    }
}

/// Nothing where one of them is older than the counts.
fn orderly<'a>(mut all: impl Iterator<Item = &'a Connections>) -> Option<OrderlyEnds> {
    all.try_fold(OrderlyEnds::default(), |sum, connections| {
        let one = connections.orderly?;
        Some(OrderlyEnds {
            answers: sum.answers + one.answers,
            sent_again: sum.sent_again + one.sent_again,
            told_to_stop: sum.told_to_stop + one.told_to_stop,
            longest_pause_ms: sum.longest_pause_ms.max(one.longest_pause_ms),
            drain_lengthened_ms: sum.drain_lengthened_ms.max(one.drain_lengthened_ms),
        })
    })
}

pub(super) fn polls(parts: &[Part]) -> Option<Polls> {
    let polls: Option<Vec<&Polls>> = parts.iter().map(|part| part.run.measured.polls.as_ref()).collect();
    let polls = polls?;
    Some(Polls {
        answered: polls.iter().map(|polls| polls.answered).sum(),
        wasted: polls.iter().map(|polls| polls.wasted).sum(),
    })
}

/// Each phase from its first beginning to its last end, in seconds since the merged run began, `lead_s` before publishing.
pub(super) fn phases(parts: &[Part], lead_s: f64) -> Vec<Phase> {
    let mut phases: Vec<Phase> = Vec::new();
    for part in parts {
        let shift = lead_s - part.record.begin_s;
        for phase in &part.run.measured.phases {
            let (start_s, end_s) = (phase.start_s + shift, phase.end_s + shift);
            match phases.iter_mut().find(|known| known.name == phase.name) {
                Some(known) => {
                    known.start_s = known.start_s.min(start_s);
                    known.end_s = known.end_s.max(end_s);
                }
                None => phases.push(Phase { name: phase.name.clone(), start_s, end_s }),
            }
        }
    }
    phases
}

/// What the servers that the shards talked to spent, each once; `None` where one does not tell.
pub(super) fn server(parts: &[Part], clients: u64, deliveries: u64) -> Option<ServerCost> {
    let mut seen = BTreeSet::new();
    let mut costs: Vec<ServerCost> = Vec::new();
    for part in parts {
        let record = &part.record;
        let cost = record.server.clone()?;
        if seen.insert((record.url.as_str(), record.server_pid)) {
            costs.push(cost);
        }
    }
    server_costs(&costs, clients, deliveries)
}

/// Several servers as one, which served `clients` and made `deliveries`; `None` of none.
pub fn server_costs(costs: &[ServerCost], clients: u64, deliveries: u64) -> Option<ServerCost> {
    let sum = |of: fn(&ServerCost) -> u64| costs.iter().map(of).sum::<u64>();
    let cpu_s: f64 = costs.iter().map(|cost| cost.cpu_s).sum();
    let [before, connected, end] =
        [sum(|c| c.rss_before_bytes), sum(|c| c.rss_connected_bytes), sum(|c| c.rss_end_bytes)];
    let per_client = |rss: u64| (rss as f64 - before as f64) / (clients as f64).max(1.0);
    let is_by_tree = costs.iter().any(|cost| cost.source == CostSource::ProcessTree);
    (!costs.is_empty()).then(|| ServerCost {
        source: if is_by_tree { CostSource::ProcessTree } else { CostSource::Stats },
        cpu_s,
        cpu_by_process_s: costs.iter().map(|cost| cost.cpu_by_process_s).sum(),
        cpu_user_s: costs.iter().map(|cost| cost.cpu_user_s).sum(),
        cpu_system_s: costs.iter().map(|cost| cost.cpu_system_s).sum(),
        cpu_us_per_delivery: (deliveries > 0).then(|| cpu_s * 1e6 / deliveries as f64),
        idle_cpu_share: costs.iter().map(|cost| cost.idle_cpu_share).sum(),
        rss_before_bytes: before,
        rss_connected_bytes: connected,
        rss_end_bytes: end,
        rss_per_connection_bytes: per_client(end),
        rss_per_idle_connection_bytes: per_client(connected),
        delivered: costs.iter().map(|cost| cost.delivered).sum(),
        open_at_end: costs.iter().map(|cost| cost.open_at_end).sum(),
        cpus: union(costs.iter().flat_map(|cost| cost.cpus.iter().copied())),
    })
}

/// What all shards spent. Those of one machine share its cores, so what they used of them adds up; of several machines, the
/// one that was used most speaks.
pub(super) fn generator(parts: &[Part], clients: u64, deliveries: u64, times: &Times) -> GeneratorCost {
    let all = || parts.iter().map(|part| &part.run.measured.generator);
    let cpu_s: f64 = all().map(|cost| cost.cpu_s).sum();
    let rss_before_bytes: Option<u64> = all().map(|cost| cost.rss_before_bytes).sum();
    let rss_end_bytes: Option<u64> = all().map(|cost| cost.rss_end_bytes).sum();
    let has_turns = all().any(|cost| cost.turn_wait.is_some());
    GeneratorCost {
        cpu_s,
        cpu_user_s: all().map(|cost| cost.cpu_user_s).sum(),
        cpu_system_s: all().map(|cost| cost.cpu_system_s).sum(),
        cpu_us_per_delivery: (deliveries > 0).then(|| cpu_s * 1e6 / deliveries as f64),
        cpu_share: parts.iter().map(|part| share_of_host(part, parts)).fold(0.0, f64::max),
        rss_before_bytes,
        rss_end_bytes,
        rss_per_client_bytes: rss_before_bytes
            .zip(rss_end_bytes)
            .map(|(before, end)| (end as f64 - before as f64) / (clients as f64).max(1.0)),
        loop_lag: Percentiles::from(&times.loop_lag),
        turn_wait: has_turns.then(|| Percentiles::from(&times.turn_wait)),
        threads: all().map(|cost| cost.threads).sum(),
        cpus: union(all().flat_map(|cost| cost.cpus.iter().copied())),
    }
}

/// What the shards on the machine of `part` used of the cores that they might use between them.
fn share_of_host(part: &Part, parts: &[Part]) -> f64 {
    let is_beside = |other: &&Part| match (&part.record.host, &other.record.host) {
        (Some(host), Some(other)) => host == other,
        _ => part.record.shard == other.record.shard,
    };
    let beside: Vec<&Part> = parts.iter().filter(is_beside).collect();
    let used = |part: &&Part| part.run.measured.generator.cpu_share * part.record.cores.len() as f64;
    let cores = union(beside.iter().flat_map(|part| part.record.cores.iter().copied()));
    beside.iter().map(used).sum::<f64>() / (cores.len() as f64).max(1.0)
}

fn union(numbers: impl Iterator<Item = usize>) -> Vec<usize> {
    numbers.collect::<BTreeSet<_>>().into_iter().collect()
}
