//! In which order one publisher's notifications were published, as far as anybody can prove it.
//!
//! Over HTTP, one notification is before another if it was answered before the other was sent; two whose requests overlapped have no
//! order, and a server may number them either way. On one WebSocket or Socket.IO connection, the order is that of writing.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// For each notification, the later ones that are proven to be later: a range of numbers that begins some way behind it. As that way is the same
/// for most neighbours, only its changes are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishOrder {
    /// Ascending by `from`.
    stretches: Vec<Stretch>,
}

/// Neighbouring notifications of which the same can be proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stretch {
    /// The first of them.
    from: u32,
    /// How far behind each of them the first notification is that was certainly published later; 0 where there is none.
    distance: u32,
    /// One past the last that is known to be later: where another connection took over.
    until: u32,
}

impl PublishOrder {
    /// The order of writing on a channel whose connections began with these numbers, ascending: nothing is known across two connections.
    pub fn of_writing(connections: &[u32]) -> Self {
        let begins = std::iter::once(0).chain(connections.iter().copied().filter(|&from| from > 0));
        let ends = connections.iter().copied().filter(|&from| from > 0).chain([u32::MAX]);
        let stretches = begins.zip(ends).map(|(from, until)| Stretch { from, distance: 1, until });
        Self { stretches: stretches.collect() }
    }

    /// The order that answers prove; for each notification from number `first` on, when it was sent and when its answer came (ns; `None` for what did
    /// not happen).
    pub fn of_answers(
        first: u32,
        instants: impl DoubleEndedIterator<Item = (Option<u64>, Option<u64>)> + ExactSizeIterator + Clone,
    ) -> Self {
        // The earliest instant at which any notification from here on was sent: retries are not sent in the order of their numbers.
        let mut earliest_from = Vec::with_capacity(instants.len());
        for (sent, _) in instants.clone().rev() {
            let earliest = earliest_from.last().copied().unwrap_or(u64::MAX);
            earliest_from.push(earliest.min(sent.unwrap_or(u64::MAX)));
        }
        earliest_from.reverse();
        let mut stretches: Vec<Stretch> = Vec::new();
        for (place, (_, answered)) in instants.enumerate() {
            let later = answered.map(|answered| {
                let behind = &earliest_from[place + 1..];
                behind.partition_point(|&sent| sent < answered)
            });
            let distance = later.map_or(0, |later| later as u32 + 1);
            if stretches.last().is_none_or(|last| last.distance != distance) {
                stretches.push(Stretch { from: first + place as u32, distance, until: u32::MAX });
            }
        }
        Self { stretches }
    }

    /// True when `later` was certainly published after `sequence`.
    pub fn proves(&self, sequence: u32, later: u32) -> bool {
        let place = self.stretches.partition_point(|stretch| stretch.from <= sequence);
        let Some(stretch) = place.checked_sub(1).map(|place| self.stretches[place]) else { return false };
        let proven: Range<u32> = sequence.saturating_add(stretch.distance)..stretch.until;
        stretch.distance > 0 && proven.contains(&later)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(first: u32, instants: &[(Option<u64>, Option<u64>)]) -> PublishOrder {
        PublishOrder::of_answers(first, instants.iter().copied())
    }

    #[test]
    fn what_was_answered_before_another_was_sent_is_before_it() {
        let at = |sent, answered| (Some(sent), Some(answered));
        // 5 and 6 overlap, 7 was sent after both, 8 was never answered, 9 after everything.
        let order = of(5, &[at(10, 30), at(20, 40), at(50, 60), (Some(70), None), at(80, 90)]);
        let proven: Vec<_> =
            (5..10).flat_map(|a| (a + 1..10).map(move |b| (a, b))).filter(|&(a, b)| order.proves(a, b)).collect();
        assert_eq!(proven, [(5, 7), (5, 8), (5, 9), (6, 7), (6, 8), (6, 9), (7, 8), (7, 9)]);
    }

    #[test]
    fn what_was_sent_again_out_of_turn_is_after_nothing_that_was_sent_later() {
        let at = |sent, answered| (Some(sent), Some(answered));
        // 0 was answered at 20; 1 was sent then, and 2 before.
        let order = of(0, &[at(0, 20), at(25, 30), at(10, 40), at(50, 60)]);
        assert_eq!([1, 2, 3].map(|later| order.proves(0, later)), [false, false, true]);
    }

    #[test]
    fn one_after_the_other_takes_one_stretch_however_many_there_are() {
        let instants: Vec<_> = (0..1_000).map(|n| (Some(n * 10), Some(n * 10 + 5))).collect();
        let order = of(7, &instants);
        assert_eq!(order.stretches, [Stretch { from: 7, distance: 1, until: u32::MAX }]);
        assert!(order.proves(7, 8) && order.proves(1_000, 1_006) && !order.proves(8, 8) && !order.proves(8, 7));
    }

    #[test]
    fn writing_is_an_order_within_one_connection() {
        let order = PublishOrder::of_writing(&[0, 10]);
        assert!(order.proves(0, 1) && order.proves(0, 9) && order.proves(10, 500));
        assert!(!order.proves(9, 10) && !order.proves(3, 20), "another connection may have been faster");
        assert!(PublishOrder::of_writing(&[]).proves(3, 20));
    }
}
