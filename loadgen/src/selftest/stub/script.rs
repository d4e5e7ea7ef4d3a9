//! What the stub does to each notification, connection and answer: all of it stated beforehand, or drawn from a seed.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// No delay is longer than this many times their mean, so that a run has an end.
const LONGEST_DELAY: f64 = 10.0;

/// Flags of `loadgen stub`.
#[derive(Debug, Clone, Args)]
pub struct Script {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: std::net::SocketAddr,
    /// End when standard input does, so that the stub never outlives who started it
    #[arg(long)]
    pub exit_on_stdin_close: bool,
    /// Where the timestamps in the postmarks count from, nanoseconds on the system's monotonic clock
    #[arg(long, value_name = "NS")]
    pub origin: Option<u64>,
    /// First sequence number of the window: what came before is on nobody's books
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub first: u32,
    /// Seed of all delays
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// How long each delivery is held back at least, from its intended publishing instant
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    pub delay: Duration,
    /// Mean of an exponentially distributed delay on top, drawn for each delivery; deliveries keep their order
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    pub more_delay: Duration,
    /// How long the first answer of a connection is held back at most; drawn evenly, from a tenth of it
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    pub connect_delay: Duration,
    /// How long the answer to a publishing request is held back at most; drawn evenly, from a tenth of it
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    pub answer_delay: Duration,
    /// Leaves notifications out
    #[arg(long, value_name = "EVERY:FROM")]
    pub drop: Option<Every>,
    /// Writes notifications twice
    #[arg(long, value_name = "EVERY:FROM")]
    pub repeat: Option<Every>,
    /// Writes notifications after the first of their successors that was certainly published after they were answered, which they are at
    /// once; in their place where half a second brings none
    #[arg(long, value_name = "EVERY:FROM")]
    pub swap: Option<Every>,
    /// Writes a comment or a ping before notifications
    #[arg(long, value_name = "EVERY:FROM")]
    pub chatter: Option<Every>,
    /// Splits every write into three packets, each time one byte further
    #[arg(long)]
    pub split: bool,
    /// Cuts connections in the middle of the notification with this sequence number
    #[arg(long, value_name = "NUMBER")]
    pub cut: Option<u32>,
    /// How many connections are cut: the first ones that were opened
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub cut_connections: u64,
    /// How long each publishing request is worked on; the next one on the same connection is begun afterwards (0s: at once)
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    pub serial_posts: Duration,
    /// Ends the answer to an event stream after each event, by its length; the connection stays open for the next request
    #[arg(long)]
    pub end_answers: bool,
    /// Writes no notification to the stream of this connection, counted from 0
    #[arg(long, value_name = "NUMBER")]
    pub deaf: Option<u64>,
    /// Refuses publications inside an answer 200
    #[arg(long, value_name = "EVERY:FROM")]
    pub refuse_inside: Option<Every>,
    /// Closes a publishing connection after so many answers, the last of which says so with `Connection: close`; what comes behind it is not read
    #[arg(long, value_name = "N")]
    pub close_after: Option<u64>,
    /// The last answer does not say so
    #[arg(long, requires = "close_after")]
    pub close_silently: bool,
}

impl Script {
    /// How long a delivery is held back.
    pub fn delay_of(&self, connection: u64, sequence: u32) -> Duration {
        let uniform: f64 = self.rng(connection << 32 | u64::from(sequence)).random();
        let times_mean = (-(1.0 - uniform).ln()).min(LONGEST_DELAY);
        self.delay + self.more_delay.mul_f64(times_mean)
    }

    /// How long the first answer of a connection is held back.
    pub fn connect_delay_of(&self, connection: u64) -> Duration {
        self.connect_delay.mul_f64(self.rng(!connection).random_range(0.1..=1.0))
    }

    /// How long the answer to a publishing request is held back; not at all where the order of publishing is to be certain.
    pub fn answer_delay_of(&self, sequence: u32) -> Duration {
        if self.swap.is_some_and(|swap| swap.has(sequence)) {
            return Duration::ZERO;
        }
        self.answer_delay.mul_f64(self.rng(u64::MAX / 2 - u64::from(sequence)).random_range(0.1..=1.0))
    }

    /// True when this connection is cut in the middle of this notification.
    pub fn cuts(&self, connection: u64, sequence: u32) -> bool {
        self.cut == Some(sequence) && connection < self.cut_connections
    }

    /// True when an answer holds no more than the `notifications` that it has.
    pub fn is_full(&self, notifications: usize) -> bool {
        self.end_answers && notifications > 0
    }

    /// True when this connection's notifications are left out.
    pub fn is_deaf(&self, connection: u64) -> bool {
        self.deaf == Some(connection)
    }

    /// True when this publication is refused inside an answer 200.
    pub fn refuses_inside(&self, sequence: u32) -> bool {
        self.refuse_inside.is_some_and(|every| every.has(sequence))
    }

    fn rng(&self, of: u64) -> SmallRng {
        SmallRng::seed_from_u64(self.seed ^ of.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

/// Every so-manieth sequence number, from one on: `20:3` is 3, 23, 43 ...
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Every {
    every: u32,
    from: u32,
}

impl Every {
    /// True when `sequence` is one of them.
    pub fn has(self, sequence: u32) -> bool {
        sequence >= self.from && (sequence - self.from).is_multiple_of(self.every)
    }
}

impl FromStr for Every {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once(':').and_then(|(every, from)| Some((every.parse().ok()?, from.parse().ok()?)));
        match numbers {
            Some((every, from)) if every > 0 => Ok(Self { every, from }),
            _ => Err(format!("`{text}` is no series of numbers: expected one like 20:3 for 3, 23, 43 ...")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_of_numbers_has_what_it_says() {
        let every: Every = "20:3".parse().unwrap();
        let numbers: Vec<_> = (0..60).filter(|&number| every.has(number)).collect();
        assert_eq!(numbers, [3, 23, 43]);
        assert!("0:3".parse::<Every>().is_err() && "20".parse::<Every>().is_err());
    }
}
