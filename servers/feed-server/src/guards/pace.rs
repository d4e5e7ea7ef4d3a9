//! How often something may happen: so many times a second, and some of them at once.
//!
//! The generic cell rate algorithm (ITU-T I.371): of each client one instant is kept, at which it would have used up what it has had at
//! an even pace. What is refused costs nothing.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// A rate, and a burst.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Nanoseconds that one takes at an even pace.
    interval: u64,
    /// Nanoseconds by which it may be ahead of that.
    ahead_max: u64,
    /// From when nanoseconds count.
    origin: Instant,
}

impl Pace {
    /// So many times `per_second`, `burst` of them at once: without one, as many as a second has, and at least one.
    pub(crate) fn new(per_second: f64, burst: Option<u32>, origin: Instant) -> Self {
        let interval = ((1e9 / per_second) as u64).max(1);
        let burst = burst.unwrap_or(per_second.ceil() as u32).max(1);
        Self { interval, ahead_max: interval.saturating_mul(u64::from(burst) - 1), origin }
    }

    /// Takes one for a client at `now`; else says after how long there is one for it.
    pub(crate) fn take(&self, client: &Bucket, now: Instant) -> Result<(), Duration> {
        let now = self.nanoseconds(now);
        let take = |even: u64| {
            let even = even.max(now);
            (even - now <= self.ahead_max).then(|| even.saturating_add(self.interval))
        };
        match client.0.fetch_update(Relaxed, Relaxed, take) {
            Ok(_) => Ok(()),
            Err(even) => Err(Duration::from_nanos(even.saturating_sub(now).saturating_sub(self.ahead_max))),
        }
    }

    /// True when a client has its whole burst at `now`, so that nothing need be known of it.
    pub(crate) fn is_rested(&self, client: &Bucket, now: Instant) -> bool {
        client.0.load(Relaxed) <= self.nanoseconds(now)
    }

    fn nanoseconds(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.origin).as_nanos() as u64
    }
}

/// One client's instant.
#[derive(Debug, Default)]
pub(crate) struct Bucket(AtomicU64);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_burst_is_let_through_at_once_and_then_one_at_a_time() {
        let start = clock::now();
        let (pace, client) = (Pace::new(10.0, Some(3), start), Bucket::default());
        let at = |ms: u64| start + Duration::from_millis(ms);
        let take = |ms| pace.take(&client, at(ms)).map_err(|wait| wait.as_millis());
        assert_eq!([take(0), take(0), take(0)], [Ok(()); 3]);
        assert_eq!([take(0), take(60), take(99)], [Err(100), Err(40), Err(1)], "what is refused costs nothing");
        assert_eq!([take(100), take(100)], [Ok(()), Err(100)]);
        assert!(!pace.is_rested(&client, at(399)) && pace.is_rested(&client, at(400)));
        assert_eq!(
            [take(1000), take(1000), take(1000), take(1000)],
            [Ok(()), Ok(()), Ok(()), Err(100)],
            "and no more than a burst is saved"
        );
    }

    #[test]
    fn a_burst_that_is_not_named_is_a_seconds_worth_and_at_least_one() {
        let start = clock::now();
        for (per_second, expected) in [(2.5, 3), (0.1, 1), (7.0, 7)] {
            let (pace, client) = (Pace::new(per_second, None, start), Bucket::default());
            assert_eq!((0..20).filter(|_| pace.take(&client, start).is_ok()).count(), expected, "{per_second}");
        }
    }
}
