//! Which part of a plan this process plays, where several play it together.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Most shards of one run: each client keeps a ledger, 64 bytes, for the publisher of each.
pub const MOST_SHARDS: u32 = 64;

/// One of the equal parts of a plan, written `2/4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which, from 0.
    pub index: u32,
    /// Of how many.
    pub of: u32,
}

impl Shard {
    /// The whole plan; no `--shard` says so, since a shard's results are for a merge with others.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// All shards of a plan that is divided into `of`.
    pub fn all(of: u32) -> impl Iterator<Item = Self> {
        (0..of).map(move |index| Self { index, of })
    }

    /// True when there is nobody else.
    pub fn is_whole(self) -> bool {
        self.of == 1
    }

    /// Its clients among `clients`, by their numbers in the whole plan: neighbours, and no share is larger by more than one.
    pub fn clients(self, clients: u32) -> Range<u32> {
        let edge = |index: u32| (u64::from(clients) * u64::from(index) / u64::from(self.of)) as u32;
        edge(self.index)..edge(self.index + 1)
    }

    /// The number of its publisher of a topic, as postmarks carry it.
    pub fn publisher(self, topic: u16, topics: usize) -> u16 {
        (self.index as usize * topics + usize::from(topic)) as u16
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected one of 2 to {MOST_SHARDS}, for example 2/4 for the second of four");
        let (number, of) = text.split_once('/').ok_or_else(expected)?;
        let (number, of): (u32, u32) = number.parse().ok().zip(of.parse().ok()).ok_or_else(expected)?;
        if (1..=of).contains(&number) && (2..=MOST_SHARDS).contains(&of) {
            Ok(Self { index: number - 1, of })
        } else {
            Err(expected())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_is_in_one_shard_and_shares_are_equal() {
        for (clients, of) in [(10, 3), (40_000, 3), (2, 4), (1_000_000, 64)] {
            let shares: Vec<_> = Shard::all(of).map(|shard| shard.clients(clients)).collect();
            assert!(shares.windows(2).all(|pair| pair[0].end == pair[1].start), "{shares:?}");
            assert_eq!((shares[0].start, shares[shares.len() - 1].end), (0, clients));
            let sizes = shares.iter().map(ExactSizeIterator::len);
            assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 1, "{shares:?}");
        }
    }

    #[test]
    fn a_shard_is_written_as_it_is_read_and_nonsense_is_refused() {
        let shard: Shard = "2/4".parse().unwrap();
        assert_eq!((shard, shard.to_string().as_str()), (Shard { index: 1, of: 4 }, "2/4"));
        for text in ["0/4", "5/4", "2", "1/1", "1/65", "a/b", "1/0", "-1/2"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
