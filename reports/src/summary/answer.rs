//! The answer in one sentence, and the comparisons worth telling, in words made from the figures.

use results::statistics::difference_interval;
use results::{Deliveries, LoadedRun};

use super::Summary;
use crate::groups::Contender;
use crate::numbers::{bytes, counted, kib, percent, time_us, times};
use crate::plots::{server_cpu, server_rss};

/// What each contender gives and costs, the quickest first, in one sentence.
pub fn answer(summaries: &[Summary]) -> String {
    let mut order: Vec<&Summary> = summaries.iter().collect();
    let latency = |summary: &Summary| summary.p50_us.unwrap_or(f64::INFINITY);
    order.sort_by(|a, b| latency(a).total_cmp(&latency(b)));
    let clauses: Vec<String> = order
        .iter()
        .enumerate()
        .map(|(place, summary)| match (place, summary.p50_us.zip(summary.p99_us)) {
            (0, Some((p50, p99))) => format!(
                "Over {} a notification arrives in {} at the median and {} at the 99th percentile{}",
                summary.name(),
                time_us(p50),
                time_us(p99),
                cost(summary)
            ),
            (_, Some((p50, p99))) => {
                format!("{} takes {} and {}{}", summary.name(), time_us(p50), time_us(p99), cost(summary))
            }
            (_, None) => format!("the latency of {} was not measured{}", summary.name(), loss(summary)),
        })
        .collect();
    let mut sentence = clauses.join("; ") + ".";
    if let Some(first) = sentence.get(..1).map(str::to_uppercase) {
        sentence.replace_range(..1, &first);
    }
    sentence
}

fn cost(summary: &Summary) -> String {
    let what = if summary.bytes_are_wire { "on the wire" } else { "of the stream" };
    let parts: Vec<String> = [
        summary.bytes_per_delivery.map(|value| format!("{} {what}", bytes(value))),
        summary.server_cpu_us.map(|value| format!("{} of server CPU", time_us(value))),
    ]
    .into_iter()
    .flatten()
    .collect();
    let cost = if parts.is_empty() { String::new() } else { format!(" for {}", parts.join(" and ")) };
    cost + &loss(summary)
}

fn loss(summary: &Summary) -> String {
    let Deliveries { expected, lost, .. } = summary.deliveries;
    let share = lost as f64 / expected.max(1) as f64;
    if lost > 0 { format!(", and {} of its deliveries are lost", percent(share)) } else { String::new() }
}

/// A quantity in which contenders are compared.
struct Quantity {
    name: &'static str,
    /// `needs`, or `takes`.
    verb: &'static str,
    /// `much`, or `long`.
    adverb: &'static str,
    /// The figure that is told.
    shown: fn(&Summary) -> Option<f64>,
    /// The figure of one round, for the interval of the difference.
    of: fn(&LoadedRun) -> Option<f64>,
    text: fn(f64) -> String,
}

const QUANTITIES: [Quantity; 5] = [
    Quantity {
        name: "median latency",
        verb: "takes",
        adverb: "long",
        shown: |summary| summary.p50_us,
        of: p50_us,
        text: time_us,
    },
    Quantity {
        name: "bytes on the wire per delivery",
        verb: "needs",
        adverb: "much",
        shown: |summary| summary.bytes_per_delivery.filter(|_| summary.bytes_are_wire),
        of: |run| run.run.measured.bytes.per_delivery(),
        text: bytes,
    },
    // Bytes with and without TCP/IP are different quantities and never compared with each other.
    Quantity {
        name: "bytes of the stream per delivery, TCP/IP not measured",
        verb: "needs",
        adverb: "much",
        shown: |summary| summary.bytes_per_delivery.filter(|_| !summary.bytes_are_wire),
        of: |run| run.run.measured.bytes.per_delivery(),
        text: bytes,
    },
    Quantity {
        name: "server CPU per delivery",
        verb: "needs",
        adverb: "much",
        shown: |summary| summary.server_cpu_us,
        of: server_cpu::us_per_delivery,
        text: time_us,
    },
    Quantity {
        name: "server memory per connection",
        verb: "needs",
        adverb: "much",
        shown: |summary| summary.server_rss_bytes,
        of: server_rss::bytes_per_connection,
        text: kib,
    },
];

fn p50_us(run: &LoadedRun) -> Option<f64> {
    let latency = &run.run.measured.latency;
    (latency.count > 0).then(|| latency.p50_ns as f64 / 1e3)
}

/// Every quantity against the contender that needs least of it, and what else matters, a sentence each.
///
/// With two rounds or more, a difference whose 95 % bootstrap interval holds zero is called not distinguishable.
pub fn comparisons(contenders: &[Contender<'_>], summaries: &[Summary]) -> Vec<String> {
    let mut sentences: Vec<String> =
        QUANTITIES.iter().filter_map(|quantity| against_the_least(quantity, contenders, summaries)).collect();
    if contenders.iter().any(|contender| contender.used.len() < 2) && !sentences.is_empty() {
        sentences
            .push("One round carries no interval: repeat the measurement to tell a difference from chance.".into());
    }
    let shares = |of: fn(&Summary) -> Option<f64>| {
        let told = summaries.iter().filter_map(|summary| Some(format!("{} {}", summary.name(), percent(of(summary)?))));
        told.collect::<Vec<_>>().join(", ")
    };
    let idle = shares(|summary| summary.idle_cpu_share);
    if !idle.is_empty() {
        sentences.push(format!("Core kept busy by idle clients, nothing being published: {idle}."));
    }
    let wasted = shares(|summary| summary.wasted_polls);
    if !wasted.is_empty() {
        sentences.push(format!("Polls answered with nothing: {wasted}."));
    }
    sentences
}

fn against_the_least(quantity: &Quantity, contenders: &[Contender<'_>], summaries: &[Summary]) -> Option<String> {
    let Quantity { name, verb, adverb, shown, of, text } = quantity;
    let mut measured: Vec<(&Contender<'_>, &Summary, f64)> = contenders
        .iter()
        .zip(summaries)
        .filter_map(|(contender, summary)| Some((contender, summary, shown(summary)?)))
        .filter(|(_, _, value)| *value > 0.0)
        .collect();
    measured.sort_by(|a, b| a.2.total_cmp(&b.2));
    let ((least, least_summary, low), others) = measured.split_first()?;
    let clauses: Vec<String> = others
        .iter()
        .map(|(other, summary, value)| {
            let difference = difference_interval(&other.rounds(of), &least.rounds(of));
            let (label, value_text) = (summary.name(), text(*value));
            if difference.is_some_and(|interval| interval.low <= 0.0 && interval.high >= 0.0) {
                let rounds = counted(other.used.len().min(least.used.len()), "round");
                format!("{label} ({value_text}) is not distinguishable from it in {rounds}")
            } else {
                format!("{label} {verb} {} as {adverb} ({value_text})", times(value / low))
            }
        })
        .collect();
    let first = format!("{}: {} is lowest with {}", capital(name), least_summary.name(), text(*low));
    (!clauses.is_empty()).then(|| format!("{first}; {}.", clauses.join("; ")))
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
