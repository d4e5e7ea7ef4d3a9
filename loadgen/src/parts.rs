//! What a run knows besides its results, kept so that it can be added to those of the other shards.

use std::time::Duration;

use hdrhistogram::Histogram;
use results::{Deliveries, ServerCost};

use crate::reconciliation::Books;
use crate::recording::{ClientGroup, PublishOrder, Stack};
use crate::verdict::Span;

/// What a run knows besides its results, as it must be known to add up the shards of one.
pub struct Parts {
    /// Event-loop lag over the window, ns.
    pub loop_lag: Histogram<u64>,
    /// Waits of clients for their turn over the window, ns.
    pub turn_wait: Histogram<u64>,
    /// Connect times, ns.
    pub connect: Histogram<u64>,
    /// Send lag over the window, ns.
    pub send_lag: Histogram<u64>,
    /// Publish times over the window, ns.
    pub publish_time: Histogram<u64>,
    /// One past the last number that was due, per topic.
    pub ends: Vec<u32>,
    /// Numbers that the server is not known to have accepted, ascending, per topic.
    pub refused: Vec<Vec<u32>>,
    /// In which order they were published, per topic.
    pub orders: Vec<PublishOrder>,
    /// Ledgers of all publishers; empty when there is no other shard.
    pub stacks: Vec<Stack>,
    /// What clients received, by client.
    pub clients: Vec<ClientGroup>,
    /// The numbers of its publishers that were due in the window, per topic.
    pub spans: Vec<Span>,
    /// Receipt minus intended instant, the least of each other shard, ns.
    pub heard: Vec<Option<i64>>,
    /// When publishing began, on the clock of the postmarks, ns.
    pub begin_ns: u64,
    /// When publishing began, after the run did.
    pub begin: Duration,
    /// The whole run as this side counted it.
    pub books: Books,
    /// What the server says it spent, whoever its other clients are.
    pub server: Option<ServerCost>,
    /// Process of the server, by its own word.
    pub server_pid: Option<u32>,
}

/// Several books as one.
pub fn sum<'a>(deliveries: impl Iterator<Item = &'a Deliveries>) -> Deliveries {
    deliveries.fold(Deliveries::default(), |sum, more| Deliveries {
        expected: sum.expected + more.expected,
        delivered: sum.delivered + more.delivered,
        lost: sum.lost + more.lost,
        duplicated: sum.duplicated + more.duplicated,
        reordered: sum.reordered + more.reordered,
        late: sum.late + more.late,
        gaps: sum.gaps + more.gaps,
    })
}

/// The smaller of each pair, where there are two.
pub fn least(one: &[Option<i64>], other: &[Option<i64>]) -> Vec<Option<i64>> {
    let longest = one.len().max(other.len());
    let at = |values: &[Option<i64>], place: usize| values.get(place).copied().flatten();
    (0..longest).map(|place| [at(one, place), at(other, place)].into_iter().flatten().min()).collect()
}
