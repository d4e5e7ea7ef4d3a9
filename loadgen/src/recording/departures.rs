//! When each notification of the window left and was answered: written by the publisher's thread, read by the players'.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::{PublishOrder, Windows};
use crate::plan::Plan;

/// Actual publishing instants, one place for each notification of the window; allocated before anything is measured.
#[derive(Debug, Default)]
pub struct Departures {
    /// Number of this process's first publisher.
    base: u16,
    /// First number of the window and the instants for each, per publisher.
    publishers: Vec<(u32, Vec<Instants>)>,
    /// What proves the order of publishing: a [`Proof`].
    proof: AtomicU8,
}

/// What proves the order of publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Proof {
    /// It is not known yet.
    InTheEnd,
    /// One notification was answered before the other was sent.
    Answers,
    /// Everything was written to one connection, in order.
    Writing,
}

/// What is known of one notification, ns; 0 for what has not happened.
#[derive(Debug, Default)]
struct Instants {
    sent: AtomicU64,
    answered: AtomicU64,
}

impl Departures {
    /// Room for the plan's window.
    pub fn new(plan: &Plan, windows: &Windows) -> Self {
        let own = windows.of_shard(plan.shard).iter().map(|window| window.sequences.clone());
        let room = |sequences: std::ops::Range<u32>| {
            (sequences.start, sequences.map(|_| Instants::default()).collect::<Vec<_>>())
        };
        Self { base: plan.publisher(0), publishers: own.map(room).collect(), ..Self::default() }
    }

    /// Enters when a notification of a topic leaves, ns. To be called before it does; one that is sent again left the first time.
    pub fn enter(&self, topic: u16, sequence: u32, at_ns: u64) {
        if let Some(place) = self.place(topic, sequence)
            && place.sent.load(Ordering::Relaxed) == 0
        {
            place.sent.store(at_ns, Ordering::Release);
        }
    }

    /// Enters when the server answered that it has accepted a notification, ns.
    pub fn enter_answer(&self, topic: u16, sequence: u32, at_ns: u64) {
        if let Some(place) = self.place(topic, sequence) {
            place.answered.store(at_ns, Ordering::Release);
        }
    }

    /// When a notification of one of this process's publishers left, ns.
    pub fn of(&self, publisher: u16, sequence: u32) -> Option<u64> {
        happened(&self.place(publisher.checked_sub(self.base)?, sequence)?.sent)
    }

    /// Whether one notification of a publisher was certainly published before another one that has been received by now; `None` where that is known
    /// only in the end. Exact at once: an answer that came before the other was sent was entered before that.
    pub fn precedes(&self, publisher: u16, sequence: u32, later: u32) -> Option<bool> {
        let proof = self.proof.load(Ordering::Relaxed);
        if proof == Proof::Writing as u8 {
            return Some(true);
        }
        if proof != Proof::Answers as u8 {
            return None;
        }
        let sent_ns = self.of(publisher, later)?;
        let answered_ns = happened(&self.place(publisher.checked_sub(self.base)?, sequence)?.answered);
        Some(answered_ns.is_some_and(|answered_ns| answered_ns <= sent_ns))
    }

    /// Enters what proves the order from now on.
    pub fn prove_order_by(&self, proof: Proof) {
        self.proof.store(proof as u8, Ordering::Relaxed);
    }

    /// In which order a topic's notifications of the window were published, as the answers prove it.
    pub fn order_of_answers(&self, topic: u16) -> PublishOrder {
        let Some((first, instants)) = self.publishers.get(usize::from(topic)) else {
            return PublishOrder::of_answers(0, std::iter::empty());
        };
        PublishOrder::of_answers(
            *first,
            instants.iter().map(|instants| (happened(&instants.sent), happened(&instants.answered))),
        )
    }

    fn place(&self, topic: u16, sequence: u32) -> Option<&Instants> {
        let (first, instants) = self.publishers.get(usize::from(topic))?;
        instants.get(sequence.checked_sub(*first)? as usize)
    }
}

fn happened(instant: &AtomicU64) -> Option<u64> {
    let at_ns = instant.load(Ordering::Acquire);
    (at_ns > 0).then_some(at_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers 10 to 29 are of the window.
    fn departures() -> Departures {
        let plan = crate::plan::tests::plan();
        Departures::new(&plan, &Windows::of(&plan))
    }

    #[test]
    fn what_has_not_left_or_is_not_of_the_window_has_no_instant() {
        let departures = departures();
        departures.enter(0, 9, 5);
        departures.enter(0, 10, 6);
        departures.enter(0, 30, 7);
        let instants = [9, 10, 11, 30].map(|sequence| departures.of(0, sequence));
        assert_eq!(instants, [None, Some(6), None, None]);
        assert_eq!(departures.of(1, 10), None);
    }

    #[test]
    fn what_is_sent_again_left_the_first_time() {
        let departures = departures();
        departures.enter(0, 10, 6);
        departures.enter_answer(0, 11, 9);
        departures.enter(0, 11, 8);
        departures.enter(0, 10, 20);
        departures.enter_answer(0, 10, 7);
        assert_eq!(departures.of(0, 10), Some(6));
        let order = departures.order_of_answers(0);
        assert!(order.proves(10, 11) && !order.proves(12, 13));
        assert_eq!(departures.precedes(0, 10, 11), None, "nobody has said that answers prove anything");
        departures.prove_order_by(Proof::Answers);
        // 11 was sent after the answer to 10 and answered; 12 was sent before that.
        departures.enter(0, 12, 8);
        assert_eq!(
            [(10, 11), (11, 12), (12, 11)].map(|(a, b)| departures.precedes(0, a, b)),
            [Some(true), Some(false), Some(false)]
        );
    }
}
