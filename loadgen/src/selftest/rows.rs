//! Truth and measurement side by side: what must be equal, and what may differ by how much.

use std::fmt::Write;

use feed::Transport;
use results::Percentiles;
use results::numbers::{count, percent, time_ns};

use super::{Findings, Trial, Truth};

/// A time may differ from the truth by this much, ns ...
const TIME_TOLERANCE_NS: f64 = 200_000.0;
/// ... or by this share of it, whichever is more.
const TIME_TOLERANCE_SHARE: f64 = 0.02;

/// What to do about rows that are wrong.
pub const ADVICE: &str = "Counts and bytes must agree on any machine, and no time may be shorter than the truth: such an error is a \
                          fault of loadgen. Times that are too long mean that this machine is too busy now to stamp receipts \
                          on time: free it and test again.";

/// One quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What is compared.
    pub quantity: String,
    /// By the stub's account.
    pub truth: String,
    /// By the generator's.
    pub measured: String,
    /// Their difference.
    pub error: String,
    /// True when a busy machine can be the reason of an error: for a time that is too long. Nothing is received before it was
    /// sent, so a time that is too short is a fault, like a count that is wrong.
    pub can_be_noise: bool,
    /// True when it is small enough.
    pub is_ok: bool,
}

/// Holds what was measured against the truth.
pub fn examine(trial: &Trial, findings: &Findings) -> Vec<Row> {
    let Findings { outcome, truth } = findings;
    let measured = &outcome.measured;
    let deliveries = &measured.deliveries;
    let bytes = measured.bytes.whole_run.unwrap_or_default();
    let mut rows = vec![
        exact("expected", truth.published * u64::from(trial.clients), deliveries.expected),
        exact("delivered", truth.delivered, deliveries.delivered),
        exact("lost", truth.dropped, deliveries.lost),
        exact("duplicated", truth.repeated, deliveries.duplicated),
        exact("reordered", truth.swapped, deliveries.reordered),
        exact("reconnected", truth.cut, measured.connections.reconnected),
        exact("connections opened", truth.opened, measured.connections.opened),
        exact("bytes received", truth.bytes_written, bytes.received.stream),
        exact("bytes sent", truth.bytes_read, bytes.sent.stream),
    ];
    rows.extend(times("latency", &truth.latency, &measured.latency));
    rows.extend(times("connect", &truth.connect, &measured.connect));
    // Too few for their outer percentiles to be the same on a busy machine.
    rows.extend(
        times(
            "publish time",
            &truth.publish_time,
            measured.published.publish_time.as_ref().unwrap_or(&Percentiles::default()),
        )
        .into_iter()
        .take(2),
    );
    if trial.hold_up.is_some() {
        rows.push(held_up(&outcome.verdict));
    }
    rows
}

fn exact(quantity: &str, truth: u64, measured: u64) -> Row {
    Row {
        quantity: quantity.into(),
        truth: count(truth),
        measured: count(measured),
        error: (i128::from(measured) - i128::from(truth)).to_string(),
        can_be_noise: false,
        is_ok: truth == measured,
    }
}

/// The percentiles of one quantity, and how many values they are made of.
fn times(quantity: &str, truth: &Percentiles, measured: &Percentiles) -> Vec<Row> {
    let each = [
        ("p50", truth.p50_ns, measured.p50_ns),
        ("p90", truth.p90_ns, measured.p90_ns),
        ("p99", truth.p99_ns, measured.p99_ns),
        ("p99.9", truth.p999_ns, measured.p999_ns),
    ];
    let mut rows = vec![exact(&format!("{quantity} count"), truth.count, measured.count)];
    rows.extend(each.map(|(name, truth, measured)| time(&format!("{quantity} {name}"), truth, measured)));
    rows
}

fn time(quantity: &str, truth_ns: u64, measured_ns: u64) -> Row {
    let error_ns = measured_ns as f64 - truth_ns as f64;
    let bound_ns = TIME_TOLERANCE_NS.max(truth_ns as f64 * TIME_TOLERANCE_SHARE);
    let sign = if error_ns < 0.0 { "-" } else { "+" };
    Row {
        quantity: quantity.into(),
        truth: time_ns(truth_ns),
        measured: time_ns(measured_ns),
        error: format!(
            "{sign}{}, {sign}{}",
            time_ns(error_ns.abs() as u64),
            percent(error_ns.abs() / (truth_ns as f64).max(1.0))
        ),
        can_be_noise: error_ns > 0.0,
        is_ok: error_ns.abs() <= bound_ns,
    }
}

/// The publisher was held up on purpose: the verdict must say so. It may say more, about a busy machine.
fn held_up(verdict: &results::Verdict) -> Row {
    let reasons: Vec<&str> = verdict.reasons.iter().map(|reason| reason.check.as_str()).collect();
    Row {
        quantity: "verdict".into(),
        truth: "send-lag".into(),
        measured: if reasons.is_empty() { verdict.word().into() } else { reasons.join(", ") },
        error: String::new(),
        can_be_noise: false,
        is_ok: reasons.contains(&"send-lag"),
    }
}

/// The rows of one transport as a table, after what the stub did.
pub fn table(transport: Transport, truth: &Truth, rows: &[Row]) -> String {
    let mut out = format!(
        "\n{transport}: {} deliveries, {} of them crowded into one write with others, {} comments or pings; {} writes split, \
         lengths cut after every byte: {}\n",
        count(truth.delivered),
        count(truth.crowded),
        count(truth.chatter),
        count(truth.split),
        count(truth.split_everywhere)
    );
    let _ = writeln!(out, "  {:<20} {:>12} {:>12} {:>19}  ok", "quantity", "truth", "measured", "error");
    for row in rows {
        let ok = if row.is_ok { "ok" } else { "WRONG" };
        let _ = writeln!(out, "  {:<20} {:>12} {:>12} {:>19}  {ok}", row.quantity, row.truth, row.measured, row.error);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_must_be_equal_and_times_nearly_so() {
        assert!(exact("lost", 320, 320).is_ok && !exact("lost", 320, 319).is_ok);
        assert!(time("p50", 1_000_000, 1_199_000).is_ok, "within 0.2 ms");
        assert!(!time("p50", 1_000_000, 1_201_000).is_ok);
        assert!(time("p99", 100_000_000, 98_100_000).is_ok, "within 2 %");
        assert!(!time("p99", 100_000_000, 97_900_000).is_ok);
        assert!(time("p99", 100_000_000, 110_000_000).can_be_noise);
        assert!(!time("p99", 100_000_000, 90_000_000).can_be_noise, "received before it was sent");
    }
}
