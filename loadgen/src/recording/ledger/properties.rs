//! What holds of a ledger whatever arrives in whatever order, held against plain sets.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

/// Sequence numbers around a small window, and those at the end of all numbers, which a server may make up.
fn sequence() -> impl Strategy<Value = u32> {
    prop_oneof![30 => 0..40_u32, 1 => Just(u32::MAX), 1 => Just(u32::MAX - 1)]
}

fn arrivals() -> impl Strategy<Value = Vec<(u32, bool)>> {
    prop::collection::vec((sequence(), prop::bool::weighted(0.1)), 0..80)
}

proptest! {
    #[test]
    fn books_are_those_of_plain_sets(
        first in 0..10_u32,
        length in 0..40_u32,
        arrivals in arrivals(),
        refused in prop::collection::btree_set(0..50_u32, 0..10),
    ) {
        let (mut ledger, end) = (Ledger::new(first), first + length);
        let (mut has, mut counts) = (HashSet::new(), [0_u64; 3]);
        let mut highest = None;
        for (sequence, too_late) in arrivals {
            let expected = match (has.contains(&sequence), too_late) {
                _ if sequence < first || sequence == u32::MAX => Entry::Before,
                (true, _) => Entry::Repeated,
                (false, true) => Entry::Late,
                (false, false) => Entry::New,
            };
            prop_assert_eq!(ledger.enter(sequence, too_late, |_| None), expected);
            match expected {
                Entry::New => {
                    counts[1] += u64::from(highest > Some(sequence));
                    highest = highest.max(Some(sequence));
                    has.insert(sequence);
                }
                Entry::Repeated => counts[0] += 1,
                Entry::Late => counts[2] += 1,
                Entry::Before => {}
            }
        }
        let refused: Vec<u32> = refused.into_iter().collect();
        let books = ledger.close(end, &refused, &PublishOrder::of_writing(&[]));
        let due = (first..end).filter(|number| has.contains(number) || !refused.contains(number));
        let (delivered, lost): (Vec<u32>, Vec<u32>) = due.partition(|number| has.contains(number));
        prop_assert_eq!((books.delivered, books.lost), (delivered.len() as u64, lost.len() as u64));
        prop_assert_eq!(books.expected, books.delivered + books.lost);
        prop_assert_eq!([books.duplicated, books.reordered, books.late], counts);
    }

    #[test]
    fn holes_are_apart_and_ascending_and_few(first in 0..10_u32, arrivals in arrivals()) {
        let mut ledger = Ledger::new(first);
        for (sequence, too_late) in arrivals {
            ledger.enter(sequence, too_late, |_| None);
        }
        prop_assert!(ledger.missing.iter().all(|hole| hole.start < hole.end && hole.end <= ledger.next));
        prop_assert!(ledger.missing.windows(2).all(|two| two[0].end < two[1].start), "{:?}", ledger.missing);
    }
}
