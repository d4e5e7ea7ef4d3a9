//! The servers that workers load, read by the leader: no worker knows what the clients of the others cost.

use feed::Transport;
use futures_util::future::join_all;
use results::{Reconciled, ServerCost};

use crate::merge::server_costs;
use crate::reconciliation::{Books, reconcile};
use crate::server_cost::{Reading, Readings, StatsReader, can_be_known};
use crate::target::Target;

/// Every server that was named, once.
pub(super) struct Servers {
    transport: Transport,
    /// True when there is one, it is our child, and it is a feed: what it counts must agree with ours.
    is_own: bool,
    /// True when what they spend can be known.
    is_known: bool,
    servers: Vec<(StatsReader, Readings)>,
}

impl Servers {
    /// None of them read yet; `child` is the process of the one that we started, `named` that of one that somebody named.
    pub(super) fn new(
        transport: Transport,
        targets: &[Target],
        child: Option<u32>,
        named: Option<u32>,
    ) -> anyhow::Result<Self> {
        let mut servers = Vec::new();
        for (place, target) in targets.iter().enumerate() {
            // One that is named twice has more of the workers, and is read once.
            if !targets[..place].iter().any(|earlier| earlier.url == target.url) {
                servers.push((StatsReader::new(target, child, named)?, Readings::default()));
            }
        }
        if servers.len() > 1 {
            servers = servers.into_iter().map(|(reader, readings)| (reader.beside_others(), readings)).collect();
        }
        let is_feed = targets.iter().all(|target| target.file.is_feed());
        Ok(Self {
            transport,
            is_own: child.is_some() && is_feed,
            is_known: can_be_known(child.or(named), is_feed),
            servers,
        })
    }

    /// Reads all of them at once, for `place` among the readings.
    pub(super) async fn read(&mut self, place: impl Fn(&mut Readings) -> &mut Option<Reading>) {
        let reads = self.servers.iter_mut().map(async |(reader, readings)| *place(readings) = reader.read().await);
        join_all(reads).await;
    }

    /// Reads before the first client connects.
    pub(super) async fn read_before(&mut self) {
        let transport = self.transport;
        let reads = self.servers.iter_mut().map(async |(reader, readings)| {
            readings.before = reader.read_when(transport, |readers| readers.open == 0).await;
        });
        join_all(reads).await;
    }

    /// Waits until our own server has seen as many connections as the workers opened: a reader that leaves before the server
    /// has looked at its request is never counted as one.
    pub(super) async fn await_opened(&mut self, opened: u64) {
        for (reader, readings) in self.servers.iter().filter(|_| self.is_own) {
            let before = readings.before.as_ref().map_or(0, |reading| reading.of(self.transport).opened);
            reader.read_when(self.transport, |readers| readers.opened >= before + opened).await;
        }
    }

    /// Reads after the last client has left.
    pub(super) async fn read_last(&mut self, opened: u64) {
        let transport = self.transport;
        let reads = self.servers.iter_mut().map(async |(reader, readings)| {
            let before = readings.before.as_ref().map_or(0, |reading| reading.of(transport).opened);
            let has_finished = |readers: &feed::ConnectionStats| readers.open == 0 && readers.opened >= before + opened;
            readings.last = reader.read_when(transport, has_finished).await;
        });
        join_all(reads).await;
    }

    /// What they spent, all together; `None` when one of them did not tell.
    pub(super) fn cost(&self, clients: u32, deliveries: u64, cpus: &[usize]) -> Option<ServerCost> {
        let costs: Option<Vec<ServerCost>> = self
            .servers
            .iter()
            .map(|(_, readings)| readings.cost(self.transport, clients, deliveries, cpus.to_vec()))
            .collect();
        server_costs(&costs?, u64::from(clients), deliveries)
    }

    /// The whole run as both sides counted it; of our own server alone, and `None` when a reading of it is missing.
    pub(super) fn reconcile(&self, books: &Books) -> Option<Vec<Reconciled>> {
        match self.servers.first() {
            Some((_, readings)) if self.is_own => reconcile(books, readings, self.transport),
            _ => Some(Vec::new()),
        }
    }

    /// True when a server's process changed.
    pub(super) fn have_restarted(&self) -> bool {
        self.servers.iter().any(|(_, readings)| readings.are_of_several_processes())
    }

    /// True when a server told something, or had to: it is ours, or its process was named.
    pub(super) fn must_tell(&self) -> bool {
        self.is_known || self.servers.iter().any(|(_, readings)| readings.have_any())
    }
}
