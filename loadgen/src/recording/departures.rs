//! When each notification of the window actually left: written by the publisher's thread, read by the players'.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Windows;
use crate::plan::Plan;

/// Actual publishing instants, one place for each notification of the window; allocated before anything is measured.
#[derive(Debug, Default)]
pub struct Departures {
    /// Number of this process's first publisher.
    base: u16,
    /// First number of the window and an instant (ns) for each, per publisher; 0 for what has not left.
    publishers: Vec<(u32, Vec<AtomicU64>)>,
}

impl Departures {
    /// Room for the plan's window.
    pub fn new(plan: &Plan, windows: &Windows) -> Self {
        let own = windows.of_shard(plan.shard).iter().map(|window| window.sequences.clone());
        let publishers =
            own.map(|sequences| (sequences.start, sequences.map(|_| AtomicU64::new(0)).collect())).collect();
        Self { base: plan.publisher(0), publishers }
    }

    /// Enters when a notification of a topic leaves, ns. To be called before it does.
    pub fn enter(&self, topic: u16, sequence: u32, at_ns: u64) {
        if let Some(place) = self.place(topic, sequence) {
            place.store(at_ns, Ordering::Release);
        }
    }

    /// When a notification of one of this process's publishers left, ns.
    pub fn of(&self, publisher: u16, sequence: u32) -> Option<u64> {
        let at_ns = self.place(publisher.checked_sub(self.base)?, sequence)?.load(Ordering::Acquire);
        (at_ns > 0).then_some(at_ns)
    }

    fn place(&self, topic: u16, sequence: u32) -> Option<&AtomicU64> {
        let (first, instants) = self.publishers.get(usize::from(topic))?;
        instants.get(sequence.checked_sub(*first)? as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_left_or_is_not_of_the_window_has_no_instant() {
        // Numbers 10 to 29 are of the window.
        let plan = crate::plan::tests::plan();
        let departures = Departures::new(&plan, &Windows::of(&plan));
        departures.enter(0, 9, 5);
        departures.enter(0, 10, 6);
        departures.enter(0, 30, 7);
        let instants = [9, 10, 11, 30].map(|sequence| departures.of(0, sequence));
        assert_eq!(instants, [None, Some(6), None, None]);
        assert_eq!(departures.of(1, 10), None);
    }
}
