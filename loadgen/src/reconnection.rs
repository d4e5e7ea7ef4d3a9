//! When a client whose transport was lost connects again: never, at once, or after pauses that grow.
//!
//! A server may say itself how long to stay away: by the `retry` field of an event stream, as a browser's `EventSource` hears it
//! (HTML, section 9.2.3), or by `Retry-After` on an answer that refuses (RFC 9110, section 10.2.3). A policy that pauses at all
//! obeys: the first pause after a loss is exactly what was told, the ones after failed attempts grow from it, and none is shorter.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use rand::{Rng, RngExt};

use crate::config::positive_time_value;

/// Pause after an attempt that failed, where there is none after a loss: without one, thousands of clients of a server that is
/// away would measure nothing but how fast the generator is refused.
pub const RETRY_AT_ONCE: Duration = Duration::from_millis(100);
/// Doublings after which no pause grows further, whatever it began with: a thousandfold.
const MOST_DOUBLINGS: u32 = 10;

/// Whether, and after what pause, a client connects again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// It stays away.
    Off,
    /// At once, whatever the server says; after a failed attempt, after a tenth of a second.
    Immediate,
    /// After a pause that doubles with every failed attempt.
    Backoff,
    /// After such a pause times a random factor, so that clients that were lost together do not come back together.
    BackoffJitter,
}

impl Policy {
    /// Its name on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Immediate => "immediate",
            Self::Backoff => "backoff",
            Self::BackoffJitter => "backoff-jitter",
        }
    }
}

/// How clients connect again.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(next_help_heading = "Connecting again")]
pub struct Reconnection {
    /// What a client does whose transport was lost. Until a client was live for the first time, `off` pauses like backoff-jitter
    #[arg(long = "reconnect", value_enum, value_name = "POLICY", default_value_t = Policy::BackoffJitter)]
    pub policy: Policy,
    /// First pause before connecting again; it doubles with every attempt that fails, and is this again once one succeeded. A
    /// server's `retry` (event streams) or `Retry-After` takes its place
    #[arg(long = "reconnect-first", value_name = "TIME", default_value = "1s", value_parser = positive_time_value)]
    pub first: Duration,
    /// Longest pause before connecting again: what real clients put up with while a server is away
    #[arg(long = "reconnect-longest", value_name = "TIME", default_value = "30s", value_parser = positive_time_value)]
    pub longest: Duration,
    /// Range of the factor that a pause of backoff-jitter is multiplied by
    #[arg(long = "reconnect-jitter", value_name = "LOW-HIGH", default_value = "0.5-1.0")]
    pub jitter: Jitter,
}

impl Default for Reconnection {
    fn default() -> Self {
        let jitter = Jitter { low: 0.5, high: 1.0 };
        Self { policy: Policy::BackoffJitter, first: Duration::from_secs(1), longest: Duration::from_secs(30), jitter }
    }
}

/// A range of factors, written `0.5-1.0`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jitter {
    /// The smallest.
    pub low: f64,
    /// The largest.
    pub high: f64,
}

impl fmt::Display for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.low, self.high)
    }
}

impl FromStr for Jitter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ends = text.split_once('-').and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
        match ends {
            Some((low, high)) if 0.0 <= low && low <= high && high <= 10.0 => Ok(Self { low, high }),
            _ => Err("expected two factors from 0 to 10, the smaller first, for example 0.5-1.0".to_owned()),
        }
    }
}

/// One client's pauses since it was last live.
#[derive(Debug, Default)]
pub struct Pauses {
    failures: u32,
}

impl Pauses {
    /// The next pause, `told` being what the server asked for; `None` for who stays away.
    pub fn next(
        &mut self,
        rules: &Reconnection,
        was_live: bool,
        told: Option<Duration>,
        rng: &mut impl Rng,
    ) -> Option<Duration> {
        let failures = self.failures;
        self.failures += 1;
        let policy = if rules.policy == Policy::Off && !was_live { Policy::BackoffJitter } else { rules.policy };
        let first = told.unwrap_or(rules.first);
        let grown = first.saturating_mul(1 << failures.min(MOST_DOUBLINGS)).min(rules.longest);
        // A reconnection time of zero is one for a server that is there.
        let least = told.unwrap_or_default().max(if failures > 0 { RETRY_AT_ONCE } else { Duration::ZERO });
        match policy {
            Policy::Off => None,
            Policy::Immediate if failures == 0 && was_live => Some(Duration::ZERO),
            Policy::Immediate => Some(RETRY_AT_ONCE),
            Policy::Backoff => Some(grown.max(least)),
            Policy::BackoffJitter if told.is_some() && failures == 0 => Some(least),
            Policy::BackoffJitter => {
                Some(grown.mul_f64(rng.random_range(rules.jitter.low..=rules.jitter.high)).max(least))
            }
        }
    }

    /// The pause after an answer that ended in an orderly way, `told` being the stream's reconnection time (WHATWG HTML, section 9.2.3); `None`
    /// for who stays away. It never grows, because nothing has failed. Behind an answer that ended `at_once` and brought nothing it
    /// is [`RETRY_AT_ONCE`] at least: such a server would be asked as fast as it answers.
    pub fn after_end(
        rules: &Reconnection,
        told: Option<Duration>,
        at_once: bool,
        rng: &mut impl Rng,
    ) -> Option<Duration> {
        let pause = Self::default().next(rules, true, told, rng)?;
        Some(if at_once { pause.max(RETRY_AT_ONCE) } else { pause })
    }

    /// A transport is live: the next pause is the first again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn rules(policy: Policy) -> Reconnection {
        Reconnection { policy, ..Reconnection::default() }
    }

    fn pauses(policy: Policy, told: Option<Duration>) -> Vec<Option<Duration>> {
        let (mut pauses, mut rng) = (Pauses::default(), SmallRng::seed_from_u64(1));
        (0..7).map(|_| pauses.next(&rules(policy), true, told, &mut rng)).collect()
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_start_anew_after_a_success() {
        assert_eq!(pauses(Policy::Backoff, None), [1, 2, 4, 8, 16, 30, 30].map(|s| Some(s * S)));
        let (mut pauses, mut rng) = (Pauses::default(), SmallRng::seed_from_u64(1));
        let mut next = |pauses: &mut Pauses| pauses.next(&rules(Policy::Backoff), true, None, &mut rng);
        assert_eq!([next(&mut pauses), next(&mut pauses)], [Some(S), Some(2 * S)]);
        pauses.reset();
        assert_eq!(next(&mut pauses), Some(S));
    }

    #[test]
    fn jitter_spreads_each_pause_over_its_range() {
        let mut rng = SmallRng::seed_from_u64(7);
        let first =
            |rng: &mut SmallRng| Pauses::default().next(&rules(Policy::BackoffJitter), true, None, rng).unwrap();
        let drawn: Vec<Duration> = (0..1_000).map(|_| first(&mut rng)).collect();
        assert!(drawn.iter().all(|pause| (S / 2..=S).contains(pause)));
        assert!(drawn.iter().any(|pause| *pause < S * 55 / 100) && drawn.iter().any(|pause| *pause > S * 95 / 100));
    }

    #[test]
    fn who_stays_away_does_so_only_once_it_was_live() {
        assert_eq!(pauses(Policy::Off, None), [None; 7]);
        let mut rng = SmallRng::seed_from_u64(1);
        assert!(Pauses::default().next(&rules(Policy::Off), false, None, &mut rng).is_some());
    }

    #[test]
    fn at_once_is_at_once_after_a_loss_and_a_little_later_after_a_failure() {
        let told = Some(60 * S);
        assert_eq!(pauses(Policy::Immediate, told)[..2], [Some(Duration::ZERO), Some(RETRY_AT_ONCE)]);
    }

    #[test]
    fn what_the_server_told_is_the_first_pause_and_the_least() {
        let told = Some(Duration::from_millis(2_500));
        assert_eq!(pauses(Policy::Backoff, told)[..3], [told, Some(5 * S), Some(10 * S)]);
        let jittered = pauses(Policy::BackoffJitter, told);
        assert_eq!(jittered[0], told, "as a browser waits");
        assert!(jittered[1..].iter().all(|pause| *pause >= told), "{jittered:?}");
        assert_eq!(pauses(Policy::Backoff, Some(60 * S))[3], Some(60 * S), "longer than the longest of its own");
    }

    #[test]
    fn after_an_orderly_end_the_pause_is_what_the_stream_told_and_never_grows() {
        let mut rng = SmallRng::seed_from_u64(3);
        let mut after = |policy, told, at_once| Pauses::after_end(&rules(policy), told, at_once, &mut rng);
        let told = Some(Duration::from_millis(50));
        for policy in [Policy::Backoff, Policy::BackoffJitter] {
            assert_eq!((0..5).map(|_| after(policy, told, false)).collect::<Vec<_>>(), [told; 5]);
            assert_eq!(after(policy, told, true), Some(RETRY_AT_ONCE));
            assert_eq!(after(policy, Some(Duration::ZERO), false), Some(Duration::ZERO));
        }
        assert_eq!(after(Policy::Backoff, None, false), Some(S));
        assert!((S / 2..=S).contains(&after(Policy::BackoffJitter, None, false).unwrap()));
        assert_eq!(
            [after(Policy::Immediate, told, false), after(Policy::Off, told, false)],
            [Some(Duration::ZERO), None]
        );
    }

    #[test]
    fn a_reconnection_time_of_zero_is_no_reason_to_be_refused_without_a_pause() {
        let pauses = pauses(Policy::BackoffJitter, Some(Duration::ZERO));
        assert_eq!(pauses[..2], [Some(Duration::ZERO), Some(RETRY_AT_ONCE)]);
    }

    #[test]
    fn a_range_of_factors_is_written_as_it_is_read_and_nonsense_is_refused() {
        let jitter: Jitter = "0.25-2".parse().unwrap();
        assert_eq!((jitter.low, jitter.high, jitter.to_string().as_str()), (0.25, 2.0, "0.25-2"));
        for text in ["1-0.5", "0.5", "-1-2", "nan-1", "0-11", "a-b"] {
            assert!(text.parse::<Jitter>().is_err(), "{text}");
        }
    }
}
