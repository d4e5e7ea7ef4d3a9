//! When connections leave once the server stops: each at an instant of its own, so that not all of them come back at once.
//!
//! Nothing is kept for that until then: the instant follows from the connection's number and what is drawn when the server stops.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::clock;
use crate::stats::{Kind, Meter};

/// What a farewell takes at most: 2 seconds until its last byte is written, and one for the client to end its side. That much of
/// `--drain` comes after the last instant at which a connection leaves; half of it, where `--drain` is short.
const FAREWELL: Duration = Duration::from_secs(3);

/// The instants at which connections leave: random, evenly spread over the first part of `--drain`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Departures {
    began: Instant,
    spread: Duration,
    seed: u64,
}

impl Departures {
    /// Of a server that stops now, and for which `drain` is long enough.
    pub(crate) fn within(drain: Duration) -> Self {
        Self { began: clock::now(), spread: drain - FAREWELL.min(drain / 2), seed: rand::random() }
    }

    /// When the connection of this number leaves.
    pub(crate) fn of(&self, number: u32) -> Instant {
        let part = StdRng::seed_from_u64(self.seed ^ u64::from(number)).random::<f64>();
        self.began + self.spread.mul_f64(part)
    }

    /// When the last one has left.
    pub(crate) fn end(&self) -> Instant {
        self.began + self.spread
    }
}

/// Says when the server stops, and when a connection is due to leave.
#[derive(Debug, Clone)]
pub(crate) struct Closing(watch::Receiver<Option<Departures>>);

impl Closing {
    /// Who stops the server, and what tells of it.
    pub(crate) fn channel() -> (watch::Sender<Option<Departures>>, Self) {
        let (stop, told) = watch::channel(None);
        (stop, Self(told))
    }

    /// True once the server stops.
    pub(crate) fn has_begun(&self) -> bool {
        self.0.has_changed().unwrap_or(true)
    }

    /// Waits until the server stops; `None` when nobody is left who could say so, which is a stop, too.
    pub(crate) async fn begun(mut self) -> Option<Departures> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|departures| *departures)
    }

    /// True once the connection's next answer is its last.
    pub(crate) fn is_due(&self, meter: &Meter) -> bool {
        // Told once, and never seen through this receiver.
        match self.0.has_changed() {
            Ok(false) => false,
            Ok(true) => self.0.borrow().is_none_or(|departures| clock::now() >= departure(departures, meter)),
            Err(_) => true,
        }
    }

    /// Waits until a connection is due to leave. A timer is made when the server stops, not before.
    pub(crate) async fn due(self, meter: &Meter) {
        if let Some(departures) = self.begun().await {
            Box::pin(sleep_until(departure(departures, meter))).await;
        }
    }

    /// The same, of a connection whose streams may carry anything.
    pub(crate) async fn due_whatever_it_carries(self, number: u32) {
        if let Some(departures) = self.begun().await {
            sleep_until(departures.of(number)).await;
        }
    }
}

/// A connection that carries no reader has nothing to hand over to another server: it leaves when it is answered. A stream of HTTP/2 leaves with
/// its connection, whatever it carries, so that what it is asked is answered.
fn departure(departures: Departures, meter: &Meter) -> Instant {
    match meter.kind() {
        Kind::Other if !meter.is_stream() => departures.began,
        _ => departures.of(meter.number()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn departures_are_spread_evenly_and_leave_the_last_farewell_its_time() {
        for (drain, spread) in [(8_000, 5_000), (6_000, 3_000), (1_000, 500)].map(|(a, b)| (ms(a), ms(b))) {
            let departures = Departures { seed: 42, ..Departures::within(drain) };
            let mut tenths = [0; 10];
            for number in 0..10_000 {
                let after = departures.of(number) - departures.began;
                assert!(after < spread, "{after:?} of {spread:?}");
                tenths[(after.as_secs_f64() / spread.as_secs_f64() * 10.0) as usize] += 1;
            }
            assert!(tenths.iter().all(|count| (900..1100).contains(count)), "{tenths:?}");
            assert_eq!(departures.of(7), departures.of(7), "a connection is told the same whoever asks");
        }
        let differ =
            (0..100).filter(|number| Departures::within(ms(8_000)).of(*number) > clock::now() + ms(2_500)).count();
        assert!((20..80).contains(&differ), "each stop draws anew: {differ} of 100");
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }
}
