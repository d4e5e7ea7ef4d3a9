//! Truth and measurement of a thorough trial, side by side.

use feed::Transport;
use results::Percentiles;
use results::numbers::count;

use super::row::{exact, times, write_rows};
use super::{Findings, Row, Trial, Truth};

/// What to do about rows that are wrong.
pub const ADVICE: &str = "Counts and bytes must agree on any machine, and no time may be shorter than the truth: such an error is a \
                          fault of loadgen. Times that are too long mean that this machine is too busy now to stamp receipts \
                          on time: free it and test again.";

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
    write_rows(&mut out, rows);
    out
}
