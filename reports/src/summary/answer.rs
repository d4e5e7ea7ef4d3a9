//! The answer in one sentence, and the comparisons worth telling, in words made from the figures.

use results::numbers::{NOT_MEASURED, counted, kib, percent, size, time_us, times};
use results::words::{headline, multiple};
use results::{Deliveries, Difference, Finding, Quantity, Rounds, Search, SearchEnding, Unit, opponents};

use super::Summary;
use crate::groups::{Contender, sides};

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

/// What a search found.
pub fn answer_of(search: &Search) -> String {
    match search.ending {
        SearchEnding::Unfinished if search.outcome.is_empty() => "The search was not finished.".to_owned(),
        _ => search.outcome.trim().to_owned(),
    }
}

fn cost(summary: &Summary) -> String {
    let what = if summary.bytes_are_wire { "on the wire" } else { "of the stream" };
    let parts: Vec<String> = [
        summary.bytes_per_delivery.map(|value| format!("{} {what}", size(value))),
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

/// How a quantity is told.
struct Telling {
    quantity: Quantity,
    /// `needs`, or `takes`.
    verb: &'static str,
    /// `much`, or `long`.
    adverb: &'static str,
    /// The figure that is told.
    shown: fn(&Summary) -> Option<f64>,
    text: fn(f64) -> String,
}

const TELLINGS: [Telling; 6] = [
    Telling { quantity: Quantity::P50, verb: "takes", adverb: "long", shown: |s| s.p50_us, text: time_us },
    Telling { quantity: Quantity::P99, verb: "takes", adverb: "long", shown: |s| s.p99_us, text: time_us },
    Telling {
        quantity: Quantity::WireBytes,
        verb: "needs",
        adverb: "much",
        shown: |summary| summary.bytes_per_delivery.filter(|_| summary.bytes_are_wire),
        text: size,
    },
    // Bytes with and without TCP/IP are different quantities and never compared with each other.
    Telling {
        quantity: Quantity::StreamBytes,
        verb: "needs",
        adverb: "much",
        shown: |summary| summary.bytes_per_delivery.filter(|_| !summary.bytes_are_wire),
        text: size,
    },
    Telling { quantity: Quantity::ServerCpu, verb: "needs", adverb: "much", shown: |s| s.server_cpu_us, text: time_us },
    Telling { quantity: Quantity::ServerRss, verb: "needs", adverb: "much", shown: |s| s.server_rss_bytes, text: kib },
];

/// What can be told apart in one sentence, then every quantity against the contender that needs least of it, and what
/// else matters, a sentence each.
///
/// A difference whose interval holds zero is called not distinguishable; see [`results::statistics`] for the method.
pub fn comparisons(contenders: &[Contender<'_>], summaries: &[Summary]) -> Vec<String> {
    let sides = sides(contenders);
    let mut sentences: Vec<String> =
        TELLINGS.iter().filter_map(|telling| against_the_least(telling, &sides, summaries)).collect();
    if !sentences.is_empty() {
        sentences.insert(0, headline(&sides));
        if contenders.iter().any(|contender| contender.used.len() < 2) {
            sentences
                .push("One round carries no interval: repeat the measurement to tell a difference from chance.".into());
        }
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

fn against_the_least(telling: &Telling, sides: &[Rounds<'_>], summaries: &[Summary]) -> Option<String> {
    let Telling { quantity, verb, adverb, shown, text } = telling;
    let mut measured: Vec<(&Rounds<'_>, &Summary, f64)> = sides
        .iter()
        .zip(summaries)
        .filter_map(|(side, summary)| Some((side, summary, shown(summary)?)))
        .filter(|(_, _, value)| *value > 0.0)
        .collect();
    measured.sort_by(|a, b| a.2.total_cmp(&b.2));
    let ((least, least_summary, low), others) = measured.split_first()?;
    let clauses: Vec<String> = others
        .iter()
        .map(|(other, summary, value)| {
            let (label, value_text) = (summary.name(), text(*value));
            let difference = Difference::between(other, least, *quantity);
            match difference.map(|difference| (difference, difference.finding(), difference.multiple())) {
                Some((difference, Finding::NotDistinguishable, _)) => {
                    let rounds = counted(difference.rounds, "round");
                    format!("{label} ({value_text}) is not distinguishable from it in {rounds}")
                }
                Some((_, Finding::Higher, Some(ratio))) => {
                    format!("{label} {verb} {} as {adverb} ({value_text})", multiple(ratio))
                }
                _ => format!("{label} {verb} {} as {adverb} ({value_text})", times(value / low)),
            }
        })
        .collect();
    let first = format!("{}: {} is lowest with {}", capital(quantity.definition()), least_summary.name(), text(*low));
    (!clauses.is_empty()).then(|| format!("{first}; {}.", clauses.join("; ")))
}

/// Every difference of all who are held against each other: quantity, pair, difference, its interval, the multiple with its interval, the finding.
pub fn differences(contenders: &[Contender<'_>]) -> Vec<[String; 6]> {
    let sides = sides(contenders);
    let opponents = opponents(&sides);
    let pairs = || opponents.iter().map(|&(a, b)| (&sides[a], &sides[b]));
    let row = |(a, b): (&Rounds<'_>, &Rounds<'_>), quantity: Quantity| {
        let difference = Difference::between(a, b, quantity)?;
        let text = |value: f64| match quantity.unit() {
            Unit::Nanoseconds => time_us(value / 1e3),
            Unit::Bytes => size(value),
        };
        let interval = difference.interval.map(|i| format!("{} to {}", text(i.low), text(i.high)));
        Some([
            quantity.definition().to_owned(),
            format!("{} against {}", a.label, b.label),
            text(difference.estimate()),
            interval.unwrap_or_else(|| NOT_MEASURED.to_owned()),
            difference.multiple().map(multiple).unwrap_or_default(),
            difference.finding().word().to_owned(),
        ])
    };
    Quantity::ALL.into_iter().flat_map(|quantity| pairs().filter_map(move |pair| row(pair, quantity))).collect()
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
