//! One quantity, as the stub tells it and as it was measured: what must be equal, and what may differ by how much.

use std::fmt::Write;

use results::numbers::{count, percent, time_ns};
use results::{Percentiles, Verdict};

/// A time may differ from the truth by this much, ns ...
const TIME_TOLERANCE_NS: f64 = 200_000.0;
/// ... or by this share of it, whichever is more.
const TIME_TOLERANCE_SHARE: f64 = 0.02;

/// Reasons against a run that a busy machine gives, whatever the server does.
const OF_MACHINE: [&str; 4] = ["send-lag", "loop-lag", "generator-cpu", "publish-connections"];

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

pub(super) fn exact(quantity: &str, truth: u64, measured: u64) -> Row {
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
pub(super) fn times(quantity: &str, truth: &Percentiles, measured: &Percentiles) -> Vec<Row> {
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

/// A count that must be equal on a machine at rest, and that a busy one can raise.
pub(super) fn exact_at_rest(quantity: &str, truth: u64, measured: u64) -> Row {
    Row { can_be_noise: measured > truth, ..exact(quantity, truth, measured) }
}

/// A count that must not be less than the truth, which must not be nothing.
pub(super) fn at_least(quantity: &str, truth: u64, measured: u64) -> Row {
    Row {
        truth: format!("{} or more", count(truth)),
        is_ok: truth > 0 && measured >= truth,
        ..exact(quantity, truth, measured)
    }
}

/// The verdict must be invalid for this reason alone, or valid where there is none, but for what a busy machine adds to any run.
pub(super) fn verdict(wanted: Option<&str>, verdict: &Verdict) -> Row {
    let reasons: Vec<&str> = verdict.reasons.iter().map(|reason| reason.check.as_str()).collect();
    let of_server = reasons.iter().filter(|reason| !OF_MACHINE.contains(*reason));
    Row {
        quantity: "verdict".into(),
        truth: wanted.unwrap_or(Verdict::default().word()).into(),
        measured: if reasons.is_empty() { verdict.word().into() } else { reasons.join(", ") },
        error: String::new(),
        can_be_noise: false,
        is_ok: of_server.copied().eq(wanted),
    }
}

/// Rows as lines under their headings.
pub(super) fn write_rows(out: &mut String, rows: &[Row]) {
    let width = |least: usize, text: fn(&Row) -> &str| rows.iter().map(|row| text(row).len()).fold(least, usize::max);
    let (truth_width, measured_width) = (width(12, |row| &row.truth), width(12, |row| &row.measured));
    let mut line = |quantity: &str, truth: &str, measured: &str, error: &str, ok: &str| {
        let _ = writeln!(out, "  {quantity:<20} {truth:>truth_width$} {measured:>measured_width$} {error:>19}  {ok}");
    };
    line("quantity", "truth", "measured", "error", "ok");
    for Row { quantity, truth, measured, error, is_ok, .. } in rows {
        line(quantity, truth, measured, error, if *is_ok { "ok" } else { "WRONG" });
    }
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
