//! Ledgers of many clients, put together where they say the same: what a shard keeps until the books of all can be closed.

use std::collections::HashMap;

use results::Deliveries;
use serde::{Deserialize, Serialize};

use super::{Ledger, PublishOrder};

/// The ledgers of one publisher that have the same holes.
///
/// Where nothing was lost there is one stack a publisher, however many clients; at worst there is one a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// Number of the publisher.
    pub publisher: u16,
    /// How many clients.
    pub clients: u64,
    /// What each of them received; duplicated, reordered and late are sums over all.
    pub ledger: Ledger,
}

impl Stack {
    /// Closes the books of all of them, see [`Ledger::close`].
    pub fn close(&self, end: u32, refused: &[u32], order: &PublishOrder) -> Deliveries {
        let one = self.ledger.close(end, refused, order);
        Deliveries {
            expected: one.expected * self.clients,
            delivered: one.delivered * self.clients,
            lost: one.lost * self.clients,
            ..one
        }
    }
}

/// Puts ledgers together.
pub fn stack(ledgers: impl IntoIterator<Item = Stack>) -> Vec<Stack> {
    let mut places = HashMap::new();
    let mut stacks: Vec<Stack> = Vec::new();
    for next in ledgers {
        match places.entry((next.publisher, next.ledger.shape())) {
            std::collections::hash_map::Entry::Occupied(place) => {
                let stack: &mut Stack = &mut stacks[*place.get()];
                stack.clients += next.clients;
                stack.ledger.take_counts(&next.ledger);
            }
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(stacks.len());
                stacks.push(next);
            }
        }
    }
    stacks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_one(publisher: u16, received: &[u32]) -> Stack {
        let mut ledger = Ledger::new(10);
        for &sequence in received {
            ledger.enter(sequence, false, |_| None);
        }
        Stack { publisher, clients: 1, ledger }
    }

    #[test]
    fn ledgers_that_say_the_same_are_one_stack_and_close_as_they_would_alone() {
        let ledgers =
            [of_one(0, &[10, 11, 12]), of_one(0, &[10, 12, 11, 12]), of_one(0, &[10, 12]), of_one(1, &[10, 11, 12])];
        let close = |stacks: &[Stack]| {
            let closed = stacks.iter().map(|stack| stack.close(14, &[13], &PublishOrder::of_writing(&[])));
            closed.fold([0; 5], |sum: [u64; 5], d| {
                let more = [d.expected, d.delivered, d.lost, d.duplicated, d.reordered];
                std::array::from_fn(|at| sum[at] + more[at])
            })
        };
        let stacks = stack(ledgers.clone());
        assert_eq!(stacks.iter().map(|stack| stack.clients).collect::<Vec<_>>(), [2, 1, 1]);
        assert_eq!(close(&stacks), close(&ledgers));
        assert_eq!(close(&stacks), [12, 11, 1, 1, 1]);
    }
}
