//! One client's account of which notifications arrived: exactly once, in order, or not.

use std::ops::Range;

use results::Deliveries;
use serde::{Deserialize, Serialize};

use super::PublishOrder;
use super::inversions::Inversions;

/// What a received notification is to its ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// New, whether in order or not.
    New,
    /// Seen before.
    Repeated,
    /// Of the warm-up, or the last of all numbers, which no plan has: not on the books.
    Before,
    /// After the drain bound: counted, and still lost.
    Late,
}

/// The sequence numbers of one publisher that one client received, of the window alone.
///
/// While all goes well it is a single number; each hole costs one range until it is filled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    first: u32,
    /// One past the highest number received.
    next: u32,
    /// Holes below `next`, ascending.
    missing: Vec<Range<u32>>,
    duplicated: u64,
    /// Arrivals out of order that were judged when they came.
    reordered: u64,
    /// Those that cannot be judged yet.
    inversions: Inversions,
    late: u64,
}

impl Ledger {
    /// An empty ledger of a window that starts with sequence number `first`.
    pub fn new(first: u32) -> Self {
        Self {
            first,
            next: first,
            missing: Vec::new(),
            duplicated: 0,
            reordered: 0,
            inversions: Inversions::default(),
            late: 0,
        }
    }

    /// Enters one notification. One that comes `too_late`, after the drain bound, is counted as late and stays lost. Of one that comes below the
    /// highest number so far, `precedes` is asked whether it was certainly published before that; where it does not know, the pair is kept
    /// until the books are closed.
    pub fn enter(&mut self, sequence: u32, too_late: bool, precedes: impl FnOnce(u32) -> Option<bool>) -> Entry {
        // One past the last of all numbers is no number: a server made it up.
        if sequence < self.first || sequence == u32::MAX {
            return Entry::Before;
        }
        if too_late {
            if self.has(sequence) {
                self.duplicated += 1;
                return Entry::Repeated;
            }
            self.late += 1;
            return Entry::Late;
        }
        if sequence >= self.next {
            if sequence > self.next {
                self.missing.push(self.next..sequence);
            }
            self.next = sequence + 1;
            return Entry::New;
        }
        if self.fill(sequence) {
            match precedes(self.next - 1) {
                Some(is_reordered) => self.reordered += u64::from(is_reordered),
                None => self.inversions.enter(sequence, self.next - 1),
            }
            Entry::New
        } else {
            self.duplicated += 1;
            Entry::Repeated
        }
    }

    /// Closes the books: `end` is one past the last number that was due, `refused` the numbers, ascending, that the server
    /// is not known to have accepted, nor any client to have received. One that arrived all the same was published, so it counts as
    /// expected. An arrival below the highest number that the client had is reordered if `order` proves that this one was published later.
    pub fn close(&self, end: u32, refused: &[u32], order: &PublishOrder) -> Deliveries {
        let never_published =
            refused.iter().filter(|&&number| (self.first..end).contains(&number) && !self.has(number)).count() as u64;
        // Numbers from `end` on that a server made up leave holes that nobody published into.
        let in_hole = |hole: &Range<u32>| u64::from(hole.end.min(end).saturating_sub(hole.start));
        let in_holes: u64 = self.missing.iter().map(in_hole).sum();
        let behind = u64::from(end.saturating_sub(self.next));
        let due = u64::from(end.saturating_sub(self.first));
        let lost = in_holes + behind - never_published;
        let expected = due - never_published;
        Deliveries {
            expected,
            delivered: expected - lost,
            lost,
            duplicated: self.duplicated,
            reordered: self.reordered(order),
            late: self.late,
            gaps: 0,
        }
    }

    fn reordered(&self, order: &PublishOrder) -> u64 {
        let proven = self.inversions.iter().filter(|pair| order.proves(pair.sequence, pair.highest));
        self.reordered + proven.map(|pair| pair.clients).sum::<u64>()
    }

    /// The numbers below `end` that have not been received.
    pub fn unheard(&self, end: u32) -> impl Iterator<Item = Range<u32>> {
        let behind = self.next..end.max(self.next);
        let holes = self.missing.iter().map(move |hole| hole.start.min(end)..hole.end.min(end));
        holes.chain(std::iter::once(behind)).filter(|range| !range.is_empty())
    }

    /// What ledgers that close alike have in common: their holes and where they end.
    pub(super) fn shape(&self) -> (u32, u32, Vec<(u32, u32)>) {
        (self.first, self.next, self.missing.iter().map(|hole| (hole.start, hole.end)).collect())
    }

    /// Takes over what another ledger of the same shape counted.
    pub(super) fn take_counts(&mut self, other: &Self) {
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.inversions.add(&other.inversions);
        self.late += other.late;
    }

    /// True when a number of the window was received in time.
    pub(super) fn has(&self, sequence: u32) -> bool {
        (self.first..self.next).contains(&sequence) && self.hole_around(sequence).is_none()
    }

    fn hole_around(&self, sequence: u32) -> Option<usize> {
        let at = self.missing.partition_point(|hole| hole.end <= sequence);
        self.missing.get(at).is_some_and(|hole| hole.contains(&sequence)).then_some(at)
    }

    /// Takes a number out of its hole; false when there was none.
    fn fill(&mut self, sequence: u32) -> bool {
        let Some(at) = self.hole_around(sequence) else { return false };
        let hole = self.missing[at].clone();
        let parts = [hole.start..sequence, sequence + 1..hole.end];
        self.missing.splice(at..=at, parts.into_iter().filter(|part| !part.is_empty()));
        true
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    fn account(first: u32, end: u32, refused: &[u32], received: &[u32]) -> [u64; 5] {
        let mut ledger = Ledger::new(first);
        for &sequence in received {
            ledger.enter(sequence, false, |_| None);
        }
        let books = ledger.close(end, refused, &PublishOrder::of_writing(&[]));
        [books.expected, books.delivered, books.lost, books.duplicated, books.reordered]
    }

    #[test]
    fn hand_made_sequences_are_accounted_for_exactly() {
        //        expected delivered lost duplicated reordered
        assert_eq!(account(0, 4, &[], &[0, 1, 2, 3]), [4, 4, 0, 0, 0], "all is well");
        assert_eq!(account(0, 4, &[], &[]), [4, 0, 4, 0, 0], "silence");
        assert_eq!(account(0, 4, &[], &[1, 2]), [4, 2, 2, 0, 0], "both ends lost");
        assert_eq!(account(0, 4, &[], &[0, 1, 1, 2, 3, 0]), [4, 4, 0, 2, 0], "two repeated");
        assert_eq!(account(0, 4, &[], &[0, 2, 1, 3]), [4, 4, 0, 0, 1], "two swapped");
        assert_eq!(account(0, 9, &[], &[8, 4, 0, 4, 6]), [9, 4, 5, 1, 3], "holes within holes");
        assert_eq!(account(5, 8, &[], &[3, 4, 5, 6, 7]), [3, 3, 0, 0, 0], "the warm-up is not on the books");
        assert_eq!(account(0, 4, &[1, 3], &[0, 2]), [2, 2, 0, 0, 0], "refused, so not expected");
        assert_eq!(account(0, 4, &[1, 3], &[0, 1, 2]), [3, 3, 0, 0, 0], "called refused, yet it came");
        assert_eq!(account(0, 4, &[0], &[1, 3]), [3, 2, 1, 0, 0], "refused and lost are told apart");
        assert_eq!(account(0, 4, &[], &[0, 1, 9]), [4, 2, 2, 0, 0], "one that was planned, and never published");
        assert_eq!(account(5, 4, &[], &[9]), [0, 0, 0, 0, 0], "stopped before the window");
    }

    #[test]
    fn an_arrival_is_reordered_only_against_what_was_published_after_its_answer() {
        let mut ledger = Ledger::new(0);
        for sequence in [1, 0, 3, 2] {
            ledger.enter(sequence, false, |_| None);
        }
        // 0 and 1 overlapped; 3 was sent after the answer to 2.
        let at = |sent, answered| (Some(sent), Some(answered));
        let order = PublishOrder::of_answers(0, [at(0, 20), at(10, 30), at(40, 50), at(60, 70)].into_iter());
        assert_eq!(ledger.close(4, &[], &order).reordered, 1);
        assert_eq!(ledger.close(4, &[], &PublishOrder::of_writing(&[])).reordered, 2);
        assert_eq!(ledger.close(4, &[], &PublishOrder::of_writing(&[3])).reordered, 1);
        assert_eq!(size_of::<Ledger>(), 64);
    }

    #[test]
    fn what_comes_after_the_drain_bound_is_late_and_lost() {
        let mut ledger = Ledger::new(0);
        ledger.enter(0, false, |_| None);
        assert_eq!(ledger.enter(1, true, |_| None), Entry::Late);
        assert_eq!(ledger.enter(0, true, |_| None), Entry::Repeated);
        let books = ledger.close(2, &[], &PublishOrder::of_writing(&[]));
        assert_eq!((books.lost, books.late, books.duplicated), (1, 1, 1));
    }

    #[test]
    fn what_was_not_heard_is_told_by_number() {
        let mut ledger = Ledger::new(5);
        for sequence in [6, 9] {
            ledger.enter(sequence, false, |_| None);
        }
        assert_eq!(ledger.unheard(12).collect::<Vec<_>>(), [5..6, 7..9, 10..12]);
        assert_eq!(ledger.unheard(8).collect::<Vec<_>>(), [5..6, 7..8], "what was never published is no loss");
    }

    #[test]
    fn any_order_without_loss_loses_nothing() {
        let mut order: Vec<u32> = (0..100).collect();
        // A fixed shuffle: 37 is coprime to 100.
        order.sort_by_key(|n| n * 37 % 100);
        let [expected, delivered, lost, duplicated, _] = account(0, 100, &[], &order);
        assert_eq!([expected, delivered, lost, duplicated], [100, 100, 0, 0]);
    }
}
