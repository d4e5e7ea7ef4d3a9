//! The answer in one sentence, and the comparisons worth telling, in words made from the figures.

use results::LoadedRun;
use results::statistics::difference_interval;

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
                summary.label,
                time_us(p50),
                time_us(p99),
                cost(summary, " for ")
            ),
            (_, Some((p50, p99))) => {
                format!("{} takes {} and {}{}", summary.label, time_us(p50), time_us(p99), cost(summary, " for "))
            }
            (_, None) => format!("the latency of {} was not measured", summary.label),
        })
        .collect();
    let mut sentence = clauses.join("; ") + ".";
    if let Some(first) = sentence.get(..1).map(str::to_uppercase) {
        sentence.replace_range(..1, &first);
    }
    sentence
}

fn cost(summary: &Summary, before: &str) -> String {
    let what = if summary.bytes_are_wire { "on the wire" } else { "of the stream" };
    let parts: Vec<String> = [
        summary.bytes_per_delivery.map(|value| format!("{} {what}", bytes(value))),
        summary.server_cpu_us.map(|value| format!("{} of server CPU", time_us(value))),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() { String::new() } else { format!("{before}{}", parts.join(" and ")) }
}

/// A quantity in which contenders are compared.
struct Quantity {
    name: &'static str,
    of: fn(&LoadedRun) -> Option<f64>,
    text: fn(f64) -> String,
}

const QUANTITIES: [Quantity; 4] = [
    Quantity { name: "median latency", of: p50_us, text: time_us },
    Quantity { name: "bytes per delivery", of: |run| run.run.measured.bytes.per_delivery(), text: bytes },
    Quantity { name: "server CPU per delivery", of: server_cpu::us_per_delivery, text: time_us },
    Quantity { name: "server memory per connection", of: server_rss::bytes_per_connection, text: kib },
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
        QUANTITIES.iter().filter_map(|quantity| against_the_least(quantity, contenders)).collect();
    if contenders.iter().any(|contender| contender.used.len() < 2) && !sentences.is_empty() {
        sentences
            .push("One round carries no interval: repeat the measurement to tell a difference from chance.".into());
    }
    for summary in summaries {
        if let Some(share) = summary.idle_cpu_share.filter(|share| *share >= 0.001) {
            let sentence = "of a core busy while nothing was published";
            sentences.push(format!("{} kept {} {sentence}.", summary.label, percent(share)));
        }
        if let Some(share) = summary.wasted_polls.filter(|share| *share > 0.0) {
            sentences.push(format!("{} of the polls of {} were answered with nothing.", percent(share), summary.label));
        }
    }
    sentences
}

fn against_the_least(quantity: &Quantity, contenders: &[Contender<'_>]) -> Option<String> {
    let mut measured: Vec<(&Contender<'_>, f64)> =
        contenders.iter().filter_map(|contender| Some((contender, contender.median(quantity.of)?))).collect();
    measured.retain(|(_, value)| *value > 0.0);
    measured.sort_by(|a, b| a.1.total_cmp(&b.1));
    let ((least, low), others) = measured.split_first()?;
    let clauses: Vec<String> = others
        .iter()
        .map(|(other, value)| {
            let difference = difference_interval(&other.rounds(quantity.of), &least.rounds(quantity.of));
            if difference.is_some_and(|interval| interval.low <= 0.0 && interval.high >= 0.0) {
                let rounds = counted(other.used.len().min(least.used.len()), "round");
                format!("{} is not distinguishable from it in {rounds}", other.label)
            } else {
                format!("{} needs {} as much ({})", other.label, times(value / low), (quantity.text)(*value))
            }
        })
        .collect();
    let Quantity { name, text, .. } = quantity;
    (!clauses.is_empty())
        .then(|| format!("{}: {} is lowest with {}; {}.", capital(name), least.label, text(*low), clauses.join("; ")))
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
