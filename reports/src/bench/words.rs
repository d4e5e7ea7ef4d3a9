//! Targets, machines and figures in words.

use results::Unit;
use results::bench::figures::Spread;
use results::bench::findings::{Asked, Finding, Outcome};
use results::bench::{Bench, Quantity, Target};
use results::numbers::{NOT_MEASURED, counted, kib, number, size, spread, time_us};

/// A value in its unit: us of CPU, bytes, ns.
pub(super) fn value(quantity: Quantity, value: f64) -> String {
    match quantity {
        Quantity::Cpu => time_us(value),
        Quantity::Rss => kib(value),
        Quantity::P99 => time_us(value / 1e3),
    }
}

/// A figure with its smallest and largest: `6.1 us [5.9, 6.4]`.
pub(super) fn figure(quantity: Quantity, of: Spread) -> String {
    let ends = |worth: f64, unit| spread(unit, of.median * worth, (of.low * worth, of.high * worth)).0;
    let ends = match quantity {
        Quantity::Cpu => ends(1e3, Unit::Nanoseconds),
        Quantity::P99 => ends(1.0, Unit::Nanoseconds),
        Quantity::Rss => format!("[{}, {}]", number(of.low / 1024.0), number(of.high / 1024.0)),
    };
    format!("{} {ends}", value(quantity, of.median))
}

/// A multiple: `1.08 x`.
pub(super) fn multiple(ratio: f64) -> String {
    format!("{ratio:.2} x")
}

/// A multiple with its smallest and largest: `1.08 x [1.05, 1.12]`.
pub(super) fn multiple_with_spread(ratio: Spread) -> String {
    format!("{} [{:.2}, {:.2}]", multiple(ratio.median), ratio.low, ratio.high)
}

/// Who was asked what, and how much of it is allowed.
pub(super) fn target(asked: Asked<'_>) -> String {
    match asked {
        Asked::Of(section, target) => {
            let what = match target.quantity {
                Quantity::Cpu => format!("CPU per {}", section.unit),
                Quantity::Rss => "RSS per client".to_owned(),
                Quantity::P99 => "p99 latency".to_owned(),
            };
            format!("{what} of {} {}", target.contender, bound(target))
        }
        Asked::Between(growth) => {
            let without = growth.divide_by.as_ref().map(|name| format!(", that of {name} divided out"));
            let without = without.unwrap_or_default();
            format!("{} of {}{without} at most {}", growth.name, growth.contender, multiple(growth.at_most))
        }
    }
}

/// The bound alone: `at most 1.12 x floor`.
pub(super) fn bound(target: &Target) -> String {
    match &target.against {
        Some(other) => format!("at most {} {other}", multiple(target.at_most)),
        None => format!("at most {}", value(target.quantity, target.at_most)),
    }
}

/// What was seen of a target, with its spread.
pub(super) fn seen(finding: &Finding<'_>) -> String {
    let Some(seen) = finding.seen else { return NOT_MEASURED.to_owned() };
    match finding.asked {
        Asked::Of(_, Target { quantity, against: None, .. }) => figure(*quantity, seen),
        Asked::Of(..) | Asked::Between(_) => multiple_with_spread(seen),
    }
}

/// What became of a target, in one word or two.
pub(super) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Met => "met",
        Outcome::Missed => "MISSED",
        Outcome::NotMeasured => NOT_MEASURED,
        Outcome::Invalid => "INVALID",
    }
}

/// How the page sets it.
pub(super) fn class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Met => "met",
        Outcome::Missed | Outcome::Invalid => "missed",
        Outcome::NotMeasured => "unknown",
    }
}

/// How many targets came to what, in one sentence.
pub(super) fn answer(findings: &[Finding<'_>]) -> String {
    let of = |wanted: Outcome| findings.iter().filter(|finding| finding.outcome == wanted).count();
    let (missed, unknown, invalid) = (of(Outcome::Missed), of(Outcome::NotMeasured), of(Outcome::Invalid));
    if findings.is_empty() {
        return "No targets were set.".to_owned();
    }
    let mut parts = vec![format!("{} of {} met", of(Outcome::Met), counted(findings.len(), "target"))];
    parts.extend((missed > 0).then(|| format!("{missed} missed")));
    parts.extend((invalid > 0).then(|| format!("{invalid} not to be believed")));
    parts.extend((unknown > 0).then(|| format!("{unknown} not measured")));
    format!("{}.", parts.join(", "))
}

/// When, of which commit, on what machine.
pub(super) fn provenance(bench: &Bench) -> String {
    let tree = if bench.dirty { ", with changes that no commit has" } else { "" };
    let mut words = vec![
        format!("commit {}{tree}", bench.commit),
        format!("{}, in {} minutes", bench.started_at, number(bench.took_s / 60.0)),
    ];
    words.extend(bench.machine.iter().map(|(name, value)| {
        let text = match (name.as_str(), value.as_f64()) {
            ("memory_bytes", Some(bytes)) => size(bytes),
            _ => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        };
        format!("{}: {text}", name.trim_end_matches("_bytes").replace('_', " "))
    }));
    words.join(" · ")
}
