//! What speaks against a merged run: what its shards say of themselves, and what only shows when they lie side by side.

use results::{Reason, Verdict};

use super::Part;
use crate::shard::Shard;
use results::numbers::time_ns;

/// How far the shards' windows may lie apart, share of the window: beyond it, the load was not that of all of them together.
const MOST_APART: f64 = 0.1;
/// That bound is not below this, ns: what a busy scheduler adds to the estimate.
const FINEST_APART_NS: i64 = 100_000_000;

/// Everything; `own` is what the sums were judged to be.
pub(super) fn verdict(parts: &[Part], own: Verdict) -> Verdict {
    let mut reasons: Vec<Reason> = [missing(parts), different(parts), apart(parts)].into_iter().flatten().collect();
    for part in parts {
        let of_shard = part.run.verdict.reasons.iter().cloned();
        reasons.extend(
            of_shard.map(|reason| Reason { seen: format!("shard {}: {}", part.record.shard, reason.seen), ..reason }),
        );
    }
    let is_new = |reason: &Reason| !reasons.iter().any(|known| known.check == reason.check);
    let of_sums: Vec<Reason> = own.reasons.into_iter().filter(is_new).collect();
    reasons.extend(of_sums);
    Verdict { reasons }
}

fn missing(parts: &[Part]) -> Option<Reason> {
    let of = parts.first()?.record.shard.of;
    let missing = Shard::all(of).filter(|shard| !parts.iter().any(|part| part.record.shard == *shard));
    let missing: Vec<String> = missing.map(|shard| shard.to_string()).collect();
    (!missing.is_empty()).then(|| Reason {
        check: "shards-missing".into(),
        seen: format!("{} of {of} shards are not there: {}", missing.len(), missing.join(", ")),
        bound: "all of them".into(),
        cause: "What their publishers published, and what their clients received, is in no count.".into(),
        remedy: "Name the folders of all shards, or run again.".into(),
    })
}

fn different(parts: &[Part]) -> Option<Reason> {
    let (first, others) = parts.split_first()?;
    let differences: Vec<String> = others
        .iter()
        .flat_map(|other| {
            // Each is another shard, and may talk to a server of its own.
            let mut asked = other.run.asked.clone();
            asked.url.clone_from(&first.run.asked.url);
            asked.shard.clone_from(&first.run.asked.shard);
            let differences = first.run.asked.differs_from(&asked);
            differences.into_iter().map(|difference| format!("shard {}: {difference}", other.record.shard))
        })
        .collect();
    (!differences.is_empty()).then(|| Reason {
        check: "shards-differ".into(),
        seen: differences.join("; "),
        bound: format!("what shard {} was asked for", first.record.shard),
        cause: "The shards did not play parts of one plan.".into(),
        remedy: "Start all of them with the same flags, but for --shard, --url, --out and --threads.".into(),
    })
}

fn apart(parts: &[Part]) -> Option<Reason> {
    let window_ns = parts.first()?.run.asked.duration_s * 1e9;
    let bound = ((window_ns * MOST_APART) as i64).max(FINEST_APART_NS);
    let pairs = parts.iter().enumerate().flat_map(|(at, one)| parts[at + 1..].iter().map(move |other| (one, other)));
    let (one, other, later) = pairs
        .map(|(one, other)| (one, other, later_by(one, other)))
        .max_by_key(|(_, _, later)| later.unsigned_abs())
        .filter(|(_, _, later)| later.abs() > bound)?;
    Some(Reason {
        check: "shards-apart".into(),
        seen: format!(
            "shard {} began to publish {} {} shard {}",
            other.record.shard,
            time_ns(later.unsigned_abs()),
            if later > 0 { "after" } else { "before" },
            one.record.shard
        ),
        bound: format!("at most {}", time_ns(bound.unsigned_abs())),
        cause:
            "The clocks of their machines, or the instants they were given, differ: the windows overlap in part only."
                .into(),
        remedy: "Set the clocks (NTP), and give all shards the same --start-at as an absolute time.".into(),
    })
}

/// How much later `other` began to publish than `one`, ns.
///
/// Each heard the other's notifications: latency plus the difference on one side, latency minus it on the other. Where one
/// heard nothing, their wall clocks are believed.
fn later_by(one: &Part, other: &Part) -> i64 {
    let heard = |by: &Part, of: &Part| {
        let heard = by.record.heard.get(of.record.shard.index as usize).copied().flatten()?;
        let between = by.record.begin_ns.cast_signed().wrapping_sub(of.record.begin_ns.cast_signed());
        Some(heard.wrapping_sub(between))
    };
    match (heard(one, other), heard(other, one)) {
        (Some(there), Some(back)) => there.wrapping_sub(back) / 2,
        _ => ((other.record.begin_at_s - one.record.begin_at_s) * 1e9) as i64,
    }
}
