//! Closing the books of all clients of all shards, now that it is known what every publisher published.

use results::Deliveries;

use super::Part;
use crate::parts::sum;
use crate::recording::{self, group};
use crate::verdict::{Unheard, unheard as clients_unheard};

/// By part, what its publishers had refused and no client of any shard received, per topic.
pub(super) fn unheard(all: &[Part]) -> Vec<Vec<Vec<u32>>> {
    let of = |part: &Part| {
        let (topics, shard) = (part.record.ends.len(), part.record.shard);
        let stacks = all.iter().flat_map(|other| &other.record.stacks);
        let own = stacks.filter(|stack| usize::from(stack.publisher) / topics == shard.index as usize);
        recording::unheard(
            &part.record.refused,
            own.map(|stack| (usize::from(stack.publisher) % topics, &stack.ledger)),
        )
    };
    all.iter().map(of).collect()
}

/// The books of one shard's clients, over the publishers of all shards that are there; `unheard` is what these had refused and nobody
/// received.
pub(super) fn close(part: &Part, all: &[Part], unheard: &[Vec<Vec<u32>>]) -> Deliveries {
    let topics = part.record.ends.len();
    let closed = part.record.stacks.iter().filter_map(|stack| {
        let (shard, topic) = (usize::from(stack.publisher) / topics, usize::from(stack.publisher) % topics);
        // What a shard that is missing published is not known; the verdict says that it is missing.
        let place = all.iter().position(|other| other.record.shard.index as usize == shard)?;
        let record = &all[place].record;
        Some(stack.close(*record.ends.get(topic)?, unheard[place].get(topic)?, record.orders.get(topic)?))
    });
    let closed: Vec<Deliveries> = closed.collect();
    Deliveries { gaps: part.run.measured.deliveries.gaps, ..sum(closed.iter()) }
}

/// The clients of all shards that received nothing where others did, over the publishers of all shards that are there.
pub(super) fn unheard_clients(all: &[Part], unheard: &[Vec<Vec<u32>>]) -> Unheard {
    let Some(judged) = all.first().map(|part| part.record.judged) else { return Unheard::default() };
    let groups = group(all.iter().flat_map(|part| part.record.clients.iter().cloned()));
    clients_unheard(&groups, judged, |shard, topic| {
        let place = all.iter().position(|other| other.record.shard.index as usize == shard)?;
        Some((*all[place].record.spans.get(topic)?, unheard[place].get(topic)?.as_slice()))
    })
}
