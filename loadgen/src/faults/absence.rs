//! How much of the window the server was away for: what was due in that time need not have been accepted.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::ServerFault;

/// How long, after a server is back, its publisher may still be on its way: a pause of 200 ms before it connects again, and the attempt.
const PUBLISHER_RETURNS: Duration = Duration::from_millis(500);

/// The part of the `window` in which one of the `faults` kept the server from accepting, each with what its publisher takes to return.
pub fn absence(faults: &[ServerFault], window: &Range<Instant>) -> Duration {
    let mut spans: Vec<_> = faults.iter().map(|fault| fault.at..fault.until + PUBLISHER_RETURNS).collect();
    spans.sort_by_key(|span| span.start);
    let (mut away, mut from) = (Duration::ZERO, window.start);
    for span in spans {
        let end = span.end.min(window.end);
        // What an earlier one has covered counts once.
        away += end.saturating_duration_since(span.start.max(from));
        from = from.max(end);
    }
    away
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const WINDOW: Duration = Duration::from_secs(10);

    /// The absence, in ms, of a server to which something was done from and until so many ms of a window of ten seconds.
    fn absence_ms(faults: &[(u64, u64)]) -> u128 {
        let start = clock::now();
        let at = |ms| start + Duration::from_millis(ms);
        let fault = |(fault, &(from, until))| ServerFault { fault, at: at(from), until: at(until) };
        absence(&faults.iter().enumerate().map(fault).collect::<Vec<_>>(), &(start..start + WINDOW)).as_millis()
    }

    #[test]
    fn what_lies_behind_the_window_excuses_nothing_in_it() {
        assert_eq!(absence_ms(&[(9_000, 39_000)]), 1_000);
        assert_eq!(absence_ms(&[(9_800, 9_900)]), 200);
        assert_eq!(absence_ms(&[(11_000, 12_000)]), 0);
    }

    #[test]
    fn what_two_faults_share_counts_once() {
        assert_eq!(absence_ms(&[(1_000, 2_000), (5_000, 5_000)]), 1_500 + 500);
        assert_eq!(
            absence_ms(&[(2_200, 3_000), (1_000, 2_000)]),
            2_500,
            "the second began before the publisher was back"
        );
        assert_eq!(absence_ms(&[(1_000, 9_000), (2_000, 3_000)]), 8_500);
        assert_eq!(absence_ms(&[]), 0);
    }
}
