//! Closing the books of all clients of all shards, now that it is known what every publisher published.

use results::Deliveries;

use super::Part;
use crate::parts::sum;

/// The books of one shard's clients, over the publishers of all shards that are there.
pub(super) fn close(part: &Part, all: &[Part]) -> Deliveries {
    let topics = part.record.ends.len();
    let closed = part.record.stacks.iter().filter_map(|stack| {
        let (shard, topic) = (usize::from(stack.publisher) / topics, usize::from(stack.publisher) % topics);
        // What a shard that is missing published is not known; the verdict says that it is missing.
        let publisher = &all.iter().find(|other| other.record.shard.index as usize == shard)?.record;
        Some(stack.close(*publisher.ends.get(topic)?, publisher.refused.get(topic)?))
    });
    let closed: Vec<Deliveries> = closed.collect();
    Deliveries { gaps: part.run.measured.deliveries.gaps, ..sum(closed.iter()) }
}
