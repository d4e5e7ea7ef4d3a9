//! Seconds and latencies of several shards on one axis of time, whose zero is the start of publishing.
//!
//! Rows and intervals of a shard end whole seconds before or after that start, so those of one second add up.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use anyhow::Context;
use hdrhistogram::Histogram;
use results::{LATENCY_FILE, LatencyLog, SeriesRow, new_histogram, visit_latency_log};

use super::{Part, tag};

/// The histograms of all shards.
pub(super) struct Times {
    /// Latency by the second that ends then, after the start of publishing.
    latency: BTreeMap<i64, Histogram<u64>>,
    from_actual: BTreeMap<i64, Histogram<u64>>,
    /// Connect times.
    pub connect: Histogram<u64>,
    /// Event-loop lag.
    pub loop_lag: Histogram<u64>,
    /// Waits of clients for their turn.
    pub turn_wait: Histogram<u64>,
    /// Send lag.
    pub send_lag: Histogram<u64>,
    /// Publish times.
    pub publish_time: Histogram<u64>,
}

impl Times {
    /// Reads and adds up the logs of all shards.
    pub(super) fn read(parts: &[Part]) -> anyhow::Result<Self> {
        let mut times = Self {
            latency: BTreeMap::new(),
            from_actual: BTreeMap::new(),
            connect: new_histogram(),
            loop_lag: new_histogram(),
            turn_wait: new_histogram(),
            send_lag: new_histogram(),
            publish_time: new_histogram(),
        };
        for part in parts {
            let path = part.folder.join(LATENCY_FILE);
            visit_latency_log(&path, |tag, span| {
                let second = second(part, (span.start + span.length).as_secs_f64());
                let place = match tag {
                    None => times.latency.entry(second).or_insert_with(new_histogram),
                    Some(tag::ACTUAL) => times.from_actual.entry(second).or_insert_with(new_histogram),
                    Some(tag::CONNECT) => &mut times.connect,
                    Some(tag::LOOP_LAG) => &mut times.loop_lag,
                    Some(tag::TURN_WAIT) => &mut times.turn_wait,
                    Some(tag::SEND_LAG) => &mut times.send_lag,
                    Some(tag::PUBLISH) => &mut times.publish_time,
                    Some(_) => return,
                };
                place.add(&span.histogram).expect("all histograms have the same bounds");
            })
            .with_context(|| format!("cannot read {}", path.display()))?;
        }
        Ok(times)
    }

    /// All latencies: from intended and from actual publishing instants.
    pub(super) fn whole(&self) -> [Histogram<u64>; 2] {
        [&self.latency, &self.from_actual].map(|seconds| {
            seconds.values().fold(new_histogram(), |mut sum, more| {
                sum.add(more).expect("all histograms have the same bounds");
                sum
            })
        })
    }

    /// The log of the merged run, which began `lead` before publishing did.
    pub(super) fn log(&self, lead: Duration) -> io::Result<LatencyLog> {
        let mut log = LatencyLog::default();
        let one = Duration::from_secs(1);
        for (second, histogram) in &self.latency {
            let start = Duration::from_secs_f64((lead.as_secs_f64() + *second as f64 - 1.0).max(0.0));
            log.push(None, start, one, histogram)?;
            if let Some(from_actual) = self.from_actual.get(second) {
                log.push(Some(tag::ACTUAL), start, one, from_actual)?;
            }
        }
        Ok(log)
    }
}

/// The second in which `at_s`, counted from the shard's own beginning, is an end.
fn second(part: &Part, at_s: f64) -> i64 {
    (at_s - part.record.begin_s).round() as i64
}

/// The rows of the merged run, which began `lead` before publishing did.
pub(super) fn rows(parts: &[Part], times: &Times, lead: Duration) -> Vec<SeriesRow> {
    let mut seconds: BTreeMap<i64, Vec<SeriesRow>> = BTreeMap::new();
    // What the servers told, each once.
    let mut told: BTreeMap<i64, Vec<Told>> = BTreeMap::new();
    let servers = parts.iter().filter(|part| is_first_of_server(part, parts)).count();
    for part in parts {
        let mut own: BTreeMap<i64, SeriesRow> = BTreeMap::new();
        let is_first_of_server = is_first_of_server(part, parts);
        for row in &part.series {
            let row = row.clone();
            let place = second(part, row.at_s);
            let row = match own.remove(&place) {
                Some(earlier) => following(&earlier, row),
                None => row,
            };
            own.insert(place, row);
        }
        for (place, row) in own {
            if is_first_of_server {
                told.entry(place).or_default().push(Told::by(&row));
            }
            seconds.entry(place).or_default().push(row);
        }
    }
    let row = |(second, rows): (i64, Vec<SeriesRow>)| {
        let at_s = (lead.as_secs_f64() + second as f64).max(0.0);
        let row = rows.into_iter().reduce(|one, other| beside(&one, &other)).unwrap_or_default();
        // A sum over some of the servers would pass for what they all spend.
        let told = told.get(&second).filter(|told| told.len() == servers).map_or(&[][..], Vec::as_slice);
        let Told { cpu_share, rss_bytes, open, descriptors } = together(told);
        let latency = times.latency.get(&second).filter(|latency| !latency.is_empty());
        let at = |quantile| latency.map(|latency| latency.value_at_quantile(quantile) as f64 / 1e3);
        SeriesRow {
            at_s,
            p50_us: at(0.5),
            p99_us: at(0.99),
            max_us: at(1.0),
            server_cpu_share: cpu_share,
            server_rss_bytes: rss_bytes,
            server_open: open,
            server_descriptors: descriptors,
            ..row
        }
    };
    seconds.into_iter().map(row).collect()
}

/// What one server told of a second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Told {
    cpu_share: Option<f64>,
    rss_bytes: Option<u64>,
    open: Option<u64>,
    descriptors: Option<u64>,
}

impl Told {
    fn by(row: &SeriesRow) -> Self {
        Self {
            cpu_share: row.server_cpu_share,
            rss_bytes: row.server_rss_bytes,
            open: row.server_open,
            descriptors: row.server_descriptors,
        }
    }
}

/// What several servers spend together; nothing of what one of them did not tell.
fn together(told: &[Told]) -> Told {
    if told.is_empty() {
        return Told::default();
    }
    Told {
        cpu_share: told.iter().map(|told| told.cpu_share).sum(),
        rss_bytes: told.iter().map(|told| told.rss_bytes).sum(),
        open: told.iter().map(|told| told.open).sum(),
        descriptors: told.iter().map(|told| told.descriptors).sum(),
    }
}

/// Of several shards that read the same server, the first speaks for it.
fn is_first_of_server(part: &Part, parts: &[Part]) -> bool {
    let first = parts.iter().find(|other| other.record.url == part.record.url);
    first.is_some_and(|first| first.record.shard == part.record.shard)
}

/// Two rows of one shard that end in the same second: counters of both, gauges of the later.
fn following(earlier: &SeriesRow, later: SeriesRow) -> SeriesRow {
    SeriesRow {
        opened: earlier.opened + later.opened,
        failed: earlier.failed + later.failed,
        reconnected: earlier.reconnected + later.reconnected,
        published: earlier.published + later.published,
        delivered: earlier.delivered + later.delivered,
        received_bytes: earlier.received_bytes + later.received_bytes,
        sent_bytes: earlier.sent_bytes + later.sent_bytes,
        polls: earlier.polls + later.polls,
        wasted_polls: earlier.wasted_polls + later.wasted_polls,
        loop_lag_max_us: earlier.loop_lag_max_us.max(later.loop_lag_max_us),
        ..later
    }
}

/// The same second of two shards: counters and gauges of both, but of their servers, which they may share.
fn beside(one: &SeriesRow, other: &SeriesRow) -> SeriesRow {
    SeriesRow {
        open: one.open + other.open,
        opening: one.opening + other.opening,
        in_flight: one.in_flight + other.in_flight,
        generator_cpu_share: one.generator_cpu_share + other.generator_cpu_share,
        generator_rss_bytes: one.generator_rss_bytes.zip(other.generator_rss_bytes).map(|(a, b)| a + b),
        generator_descriptors: one.generator_descriptors.zip(other.generator_descriptors).map(|(a, b)| a + b),
        phase: one.phase.clone(),
        at_s: one.at_s,
        ..following(other, one.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_of_two_servers_did_not_tell_is_not_told_of_both() {
        let one = Told { cpu_share: Some(0.5), rss_bytes: Some(10), open: Some(3), descriptors: Some(5) };
        let other = Told { cpu_share: Some(0.25), rss_bytes: None, open: Some(4), descriptors: Some(6) };
        let both = Told { cpu_share: Some(0.75), rss_bytes: None, open: Some(7), descriptors: Some(11) };
        assert_eq!(together(&[one, other]), both);
        assert_eq!(together(&[one]), one);
        assert_eq!(together(&[]), Told::default());
    }
}
