//! What each client received, kept by client until the books are closed: ledgers alone do not say which of them are one client's.

use std::collections::HashMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Ledger;

/// Clients of one topic that received the same notifications. Where nothing was lost there is one group a topic; at worst one a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientGroup {
    /// Index of their topic.
    pub topic: u16,
    /// How many clients.
    pub clients: u64,
    /// True of those that still received notifications of the window, in time or late, after the window had ended: what they lack at its end may
    /// have been on its way.
    #[serde(default)]
    pub is_behind: bool,
    /// What each of them received of the topic's publisher of each shard, by shard.
    pub received: Vec<Received>,
}

/// The sequence numbers of one publisher that a client received in time, from the first of the window on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Received {
    /// One past the highest number received.
    next: u32,
    /// Holes below it, ascending.
    missing: Vec<(u32, u32)>,
}

impl Received {
    /// What a ledger says.
    pub fn of(ledger: &Ledger) -> Self {
        let (_, next, missing) = ledger.shape();
        Self { next, missing }
    }

    /// How many numbers of a range in the window were due to the client, and how many of them it received; `refused` are the numbers,
    /// ascending, that the server is not known to have accepted, nor any client to have received.
    pub fn count(&self, range: &Range<u32>, refused: &[u32]) -> Share {
        let overlap = |from: u32, to: u32| u64::from(to.min(range.end).saturating_sub(from.max(range.start)));
        let holes: u64 = self.missing.iter().map(|&(from, to)| overlap(from, to)).sum();
        let missed = holes + overlap(self.next, u32::MAX);
        let never_accepted = refused.iter().filter(|number| range.contains(number)).count() as u64;
        let all = u64::from(range.end.saturating_sub(range.start));
        Share { due: all.saturating_sub(never_accepted), received: all - missed }
    }
}

/// How much of what was due to somebody came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Notifications that were due.
    pub due: u64,
    /// Those of them that were received.
    pub received: u64,
}

impl Share {
    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self { due: self.due + other.due, received: self.received + other.received }
    }

    /// The same for each of so many.
    pub fn times(self, clients: u64) -> Self {
        Self { due: self.due * clients, received: self.received * clients }
    }
}

/// Puts clients that received the same into one group.
pub fn group(clients: impl IntoIterator<Item = ClientGroup>) -> Vec<ClientGroup> {
    let mut places: HashMap<(u16, bool, Vec<Received>), u64> = HashMap::new();
    for ClientGroup { topic, clients, is_behind, received } in clients {
        *places.entry((topic, is_behind, received)).or_default() += clients;
    }
    let group = |((topic, is_behind, received), clients)| ClientGroup { topic, clients, is_behind, received };
    places.into_iter().map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(numbers: &[u32]) -> Received {
        let mut ledger = Ledger::new(10);
        for &number in numbers {
            ledger.enter(number, false, |_| None);
        }
        Received::of(&ledger)
    }

    #[test]
    fn what_was_due_and_what_came_of_it_is_counted_in_any_range() {
        let share = |due, received| Share { due, received };
        let some = received(&[10, 12, 15]);
        assert_eq!(some.count(&(10..20), &[]), share(10, 3));
        assert_eq!(some.count(&(10..20), &[11, 19]), share(8, 3), "nobody received what was refused");
        assert_eq!(some.count(&(13..20), &[]), share(7, 1));
        assert_eq!(some.count(&(16..20), &[]), share(4, 0));
        assert_eq!(some.count(&(11..13), &[]), share(2, 1));
        assert_eq!(received(&[]).count(&(10..20), &[]), share(10, 0));
        assert_eq!(some.count(&(20..20), &[]), share(0, 0));
    }

    #[test]
    fn clients_that_received_the_same_are_one_group() {
        let client = |topic, numbers: &[u32]| ClientGroup {
            topic,
            clients: 1,
            is_behind: false,
            received: vec![received(numbers)],
        };
        let mut groups = group([client(0, &[10, 11]), client(0, &[11, 10]), client(0, &[10]), client(1, &[10, 11])]);
        groups.sort_by_key(|group| (group.topic, group.clients));
        assert_eq!(
            groups.iter().map(|group| (group.topic, group.clients)).collect::<Vec<_>>(),
            [(0, 1), (0, 2), (1, 1)]
        );
    }
}
