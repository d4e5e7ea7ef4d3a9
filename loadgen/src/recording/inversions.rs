//! Arrivals below the highest number that a client has: kept as pairs until it is known in which order they were published.

use serde::{Deserialize, Serialize};

/// One arrival out of order, and how often it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Inversion {
    /// The number that arrived.
    pub sequence: u32,
    /// The highest number that its client had by then.
    pub highest: u32,
    /// Clients that saw this pair; one, unless ledgers of several were put together.
    pub clients: u64,
}

/// The inversions of one ledger, or of several that were put together. Most ledgers have none, which takes 8 bytes; each costs 16. Only those of
/// other shards' notifications are kept, and those after a socket for publishing was lost: all others are judged when they arrive.
// A ledger is touched by every delivery: what is hardly ever there is one pointer in it, not three.
#[allow(clippy::box_collection)]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Inversions(Option<Box<Vec<Inversion>>>);

impl Inversions {
    /// Keeps one pair.
    pub(super) fn enter(&mut self, sequence: u32, highest: u32) {
        self.0.get_or_insert_default().push(Inversion { sequence, highest, clients: 1 });
    }

    /// Adds those of another ledger; equal pairs become one.
    pub(super) fn add(&mut self, other: &Self) {
        let Some(others) = &other.0 else { return };
        let own = self.0.get_or_insert_default();
        own.extend_from_slice(others);
        own.sort_unstable_by_key(|pair| (pair.sequence, pair.highest));
        own.dedup_by(|pair, kept| {
            let is_equal = (pair.sequence, pair.highest) == (kept.sequence, kept.highest);
            kept.clients += if is_equal { pair.clients } else { 0 };
            is_equal
        });
    }

    /// All pairs.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Inversion> {
        self.0.iter().flat_map(|pairs| pairs.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_pairs_of_several_ledgers_are_counted_together() {
        let of = |pairs: &[(u32, u32)]| {
            let mut inversions = Inversions::default();
            pairs.iter().for_each(|&(sequence, highest)| inversions.enter(sequence, highest));
            inversions
        };
        let mut sum = of(&[(3, 5), (1, 2)]);
        sum.add(&of(&[(1, 2)]));
        sum.add(&of(&[]));
        sum.add(&of(&[(3, 4), (1, 2)]));
        let counted: Vec<_> = sum.iter().map(|pair| (pair.sequence, pair.highest, pair.clients)).collect();
        assert_eq!(counted, [(1, 2, 3), (3, 4, 1), (3, 5, 1)]);
        assert_eq!(size_of::<Inversions>(), 8);
    }
}
