//! The workload of one run, checked and complete: who subscribes to what, and when each notification is due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::time::Duration;

use feed::{TopicName, Transport};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::faults::Fault;
use crate::reconnection::Reconnection;
use crate::shard::Shard;

/// How publishing instants are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Arrival {
    /// Evenly.
    Constant,
    /// Like independent events: exponentially distributed gaps.
    Poisson,
}

impl Arrival {
    /// Its name on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Poisson => "poisson",
        }
    }
}

/// Whether a polling client keeps its connection between polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Reuse {
    /// One connection for all polls of a client (HTTP keep-alive).
    Reuse,
    /// A new connection for each poll.
    Fresh,
}

impl Reuse {
    /// Its name on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reuse => "reuse",
            Self::Fresh => "fresh",
        }
    }
}

/// What carries a Socket.IO session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SocketIoMode {
    /// HTTP: a held GET to hear, POSTs to speak.
    Polling,
    /// WebSocket from the start.
    Websocket,
    /// Polling to begin with, then WebSocket: what the official client does unless it is told otherwise.
    Upgrade,
}

impl SocketIoMode {
    /// Its name on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::Websocket => "websocket",
            Self::Upgrade => "upgrade",
        }
    }
}

/// All that the generator needs to know about the load.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Number of the run, in every postmark.
    pub run: u32,
    /// How notifications are carried.
    pub transport: Transport,
    /// Simulated clients, of all shards together.
    pub clients: u32,
    /// The part of it that this process plays; all that is not said to be its own is of the whole.
    pub shard: Shard,
    /// Topics; client `i` subscribes to topic `i` modulo their number. Every shard publishes to each of them.
    pub topics: Vec<TopicName>,
    /// Notifications per second and topic, of all shards together.
    pub rate: f64,
    /// Bytes of each payload.
    pub payload: usize,
    /// How publishing instants are spaced.
    pub arrival: Arrival,
    /// Seed of everything random.
    pub seed: u64,
    /// Connections opened per second, by all shards together.
    pub connect_rate: f64,
    /// All clients live, nothing published: how long that state is kept and its cost measured.
    pub settle: Duration,
    /// Published but not recorded.
    pub warmup: Duration,
    /// Published and recorded.
    pub duration: Duration,
    /// Longest wait for outstanding deliveries.
    pub drain: Duration,
    /// Between two polls of a short-polling client.
    pub poll_interval: Duration,
    /// How long the server may hold a long poll.
    pub wait: Duration,
    /// Whether polling clients keep their connections.
    pub connection: Reuse,
    /// What carries Socket.IO.
    pub socketio: SocketIoMode,
    /// A stretch, counted from the start of publishing, in which the publisher is held up on purpose: what is due in it is
    /// sent at its end. Only who tests the generator itself wants one.
    pub hold_up: Option<Range<Duration>>,
    /// How clients come back whose transport was lost.
    pub reconnection: Reconnection,
    /// What is done to clients and server on purpose.
    pub faults: Vec<Fault>,
    /// Connections for publishing over HTTP at most, of all shards together.
    pub publish_connections: u32,
    /// Whether publishing requests go over one connection without waiting for the answers to those before.
    pub publish_pipelined: bool,
}

/// Connections for publishing over HTTP at most, where nothing else is said: what a server answers within a second at 256/s.
pub const PUBLISH_CONNECTIONS: u32 = 256;

/// Most connections that a client has at a time: one that moves from polling to WebSocket has three for a moment.
pub fn connections_per_client(transport: Transport, socketio: SocketIoMode) -> u32 {
    match (transport, socketio) {
        (Transport::SocketIo, SocketIoMode::Polling) => 2,
        (Transport::SocketIo, SocketIoMode::Upgrade) => 3,
        _ => 1,
    }
}

/// One notification that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrive {
    /// When, after publishing began.
    pub offset: Duration,
    /// Index of its topic.
    pub topic: u16,
    /// Its number among its topic's, from 0.
    pub sequence: u32,
}

impl Plan {
    /// Index of the topic that a client subscribes to.
    pub fn topic_of(&self, client: u32) -> u16 {
        (client as usize % self.topics.len()) as u16
    }

    /// The clients that this process plays, by their numbers in the whole.
    pub fn own_clients(&self) -> Range<u32> {
        self.shard.clients(self.clients)
    }

    /// How many of its own clients subscribe to a topic.
    pub fn subscribers_of(&self, topic: u16) -> u64 {
        let topics = self.topics.len() as u64;
        let before = |clients: u32| {
            let clients = u64::from(clients);
            clients / topics + u64::from(u64::from(topic) < clients % topics)
        };
        let own = self.own_clients();
        before(own.end) - before(own.start)
    }

    /// Notifications per second and topic that this process publishes.
    pub fn own_rate(&self) -> f64 {
        self.rate / f64::from(self.shard.of)
    }

    /// Mean time between two notifications that this process publishes, all topics together.
    pub fn publishing_interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / (self.own_rate() * self.topics.len() as f64))
    }

    /// Connections for publishing that this process may open, one at least.
    pub fn own_publish_connections(&self) -> u32 {
        (self.publish_connections / self.shard.of).max(1)
    }

    /// Connections per second that this process opens.
    pub fn own_connect_rate(&self) -> f64 {
        self.connect_rate / f64::from(self.shard.of)
    }

    /// The number of this process's publisher of a topic.
    pub fn publisher(&self, topic: u16) -> u16 {
        self.shard.publisher(topic, self.topics.len())
    }

    /// True when clients ask again for every batch, each when its turn comes.
    pub fn takes_turns(&self) -> bool {
        self.is_poll() && self.transport != Transport::ShortPoll
    }

    /// True when the server's notifications come in answers to polls.
    pub fn is_poll(&self) -> bool {
        match self.transport {
            Transport::SocketIo => self.socketio == SocketIoMode::Polling,
            transport => transport.is_poll(),
        }
    }

    /// Longest wait for outstanding deliveries after the window, with the interval that short polling is given on top.
    pub fn patience(&self) -> Duration {
        self.drain + if self.transport == Transport::ShortPoll { self.poll_interval } else { Duration::ZERO }
    }

    /// Most connections that a client has at a time.
    pub fn connections_per_client(&self) -> u32 {
        connections_per_client(self.transport, self.socketio)
    }

    /// Most ports that a client holds at a time. Where each poll takes a new connection, some dozens wait for the end of the
    /// minute that the system keeps a closed one; where faults have clients connect anew, some few.
    pub fn ports_per_client(&self) -> u32 {
        const FRESH: u32 = 50;
        const STRUCK: u32 = 5;
        let is_fresh = self.connection == Reuse::Fresh && self.transport.is_poll();
        match is_fresh {
            true => FRESH,
            false if self.faults.is_empty() => self.connections_per_client(),
            false => self.connections_per_client() * STRUCK,
        }
    }

    /// Every notification of warm-up and window that this process publishes, in the order in which it is due. The same plan
    /// always gives the same; those of all shards together are those of the whole.
    pub fn arrivals(&self) -> impl Iterator<Item = Arrive> + use<> {
        Arrivals::new(self)
    }

    /// When the publisher gets round to what is due at `offset`: then, unless it is held up.
    pub fn send_offset(&self, offset: Duration) -> Duration {
        self.hold_up.as_ref().filter(|hold_up| hold_up.contains(&offset)).map_or(offset, |hold_up| hold_up.end)
    }

    /// The sequence numbers of the window that this process publishes, per topic.
    pub fn window_sequences(&self) -> Vec<Range<u32>> {
        let mut ranges = vec![0..0; self.topics.len()];
        for arrive in self.arrivals() {
            let range: &mut Range<u32> = &mut ranges[usize::from(arrive.topic)];
            range.end = arrive.sequence + 1;
            if arrive.offset < self.warmup {
                range.start = range.end;
            }
        }
        ranges
    }

    /// The sequence numbers of the window of every publisher of all shards, by its number.
    pub fn window_of_all(&self) -> Vec<Range<u32>> {
        Shard::all(self.shard.of).flat_map(|shard| Self { shard, ..self.clone() }.window_sequences()).collect()
    }

    /// A stream of random numbers for one client, so that clients do not disturb each other's.
    pub fn client_rng(&self, client: u32) -> SmallRng {
        SmallRng::seed_from_u64(self.seed ^ u64::from(client).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

/// Merges the topics' own streams of instants.
struct Arrivals {
    due: BinaryHeap<Reverse<(Duration, u16, u32)>>,
    sources: Vec<Source>,
    end: Duration,
}

struct Source {
    rng: SmallRng,
    arrival: Arrival,
    rate: f64,
    /// Where this topic's grid starts: topics are spread over the interval so that they do not publish all at once, and
    /// shards take turns.
    phase: f64,
    last: f64,
}

impl Source {
    fn next(&mut self, sequence: u32) -> Duration {
        self.last = match self.arrival {
            Arrival::Constant => self.phase + f64::from(sequence) / self.rate,
            Arrival::Poisson => {
                let uniform: f64 = self.rng.random();
                self.last - (1.0 - uniform).ln() / self.rate
            }
        };
        Duration::from_secs_f64(self.last)
    }
}

impl Arrivals {
    fn new(plan: &Plan) -> Self {
        let topics = plan.topics.len();
        let mut sources: Vec<_> = (0..topics)
            .map(|topic| Source {
                rng: SmallRng::seed_from_u64(plan.seed.wrapping_add(u64::from(plan.publisher(topic as u16)))),
                arrival: plan.arrival,
                rate: plan.own_rate(),
                phase: (topic as f64 / topics as f64 + f64::from(plan.shard.index)) / plan.rate,
                last: 0.0,
            })
            .collect();
        let due =
            sources.iter_mut().enumerate().map(|(topic, source)| Reverse((source.next(0), topic as u16, 0))).collect();
        Self { due, sources, end: plan.warmup + plan.duration }
    }
}

impl Iterator for Arrivals {
    type Item = Arrive;

    fn next(&mut self) -> Option<Arrive> {
        let Reverse((offset, topic, sequence)) = self.due.pop()?;
        if offset >= self.end {
            return None;
        }
        let following = self.sources[usize::from(topic)].next(sequence + 1);
        self.due.push(Reverse((following, topic, sequence + 1)));
        Some(Arrive { offset, topic, sequence })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn plan() -> Plan {
        Plan {
            run: 1,
            transport: Transport::Ws,
            clients: 10,
            shard: Shard::WHOLE,
            topics: vec!["a".parse().unwrap()],
            rate: 10.0,
            payload: 100,
            arrival: Arrival::Constant,
            seed: 7,
            connect_rate: 1000.0,
            settle: Duration::ZERO,
            warmup: Duration::from_secs(1),
            duration: Duration::from_secs(2),
            drain: Duration::from_secs(1),
            poll_interval: Duration::from_secs(1),
            wait: Duration::from_secs(25),
            connection: Reuse::Reuse,
            socketio: SocketIoMode::Upgrade,
            hold_up: None,
            reconnection: Reconnection::default(),
            faults: Vec::new(),
            publish_connections: PUBLISH_CONNECTIONS,
            publish_pipelined: false,
        }
    }

    #[test]
    fn constant_arrivals_fill_warm_up_and_window_exactly() {
        let plan = plan();
        let arrivals: Vec<_> = plan.arrivals().collect();
        assert_eq!(arrivals.len(), 30);
        assert_eq!(arrivals[15], Arrive { offset: Duration::from_millis(1500), topic: 0, sequence: 15 });
        assert_eq!(plan.window_sequences(), vec![10..30]);
    }

    #[test]
    fn poisson_arrivals_are_sorted_repeatable_and_near_their_rate() {
        let mut plan = plan();
        plan.arrival = Arrival::Poisson;
        plan.rate = 500.0;
        plan.topics = vec!["a".parse().unwrap(), "b".parse().unwrap()];
        let arrivals: Vec<_> = plan.arrivals().collect();
        assert!(arrivals.is_sorted_by_key(|arrive| arrive.offset));
        assert_eq!(arrivals, plan.arrivals().collect::<Vec<_>>());
        assert!((2_700..3_300).contains(&arrivals.len()), "{} for 3 s of 2 x 500/s", arrivals.len());
    }

    #[test]
    fn every_client_has_one_topic_and_every_topic_its_share() {
        let mut plan = plan();
        plan.topics = ["a", "b", "c"].map(|name| name.parse().unwrap()).to_vec();
        let shares: Vec<_> = (0..3).map(|topic| plan.subscribers_of(topic)).collect();
        assert_eq!(shares, [4, 3, 3]);
        let counted = (0..plan.clients).filter(|&client| plan.topic_of(client) == 0).count();
        assert_eq!(counted, 4);
    }

    #[test]
    fn the_shards_together_are_the_whole() {
        let whole = Plan { topics: ["a", "b"].map(|name| name.parse().unwrap()).to_vec(), ..plan() };
        let shards: Vec<_> = Shard::all(3).map(|shard| Plan { shard, ..whole.clone() }).collect();
        let in_order = |plans: &[Plan]| {
            let mut due: Vec<_> =
                plans.iter().flat_map(Plan::arrivals).map(|a| ((a.offset.as_nanos() + 500) / 1_000, a.topic)).collect();
            due.sort_unstable();
            due
        };
        assert_eq!(in_order(&shards), in_order(std::slice::from_ref(&whole)));
        for topic in 0..2 {
            let subscribers: u64 = shards.iter().map(|shard| shard.subscribers_of(topic)).sum();
            assert_eq!(subscribers, whole.subscribers_of(topic));
        }
        let publishers: Vec<_> = shards.iter().flat_map(|shard| [shard.publisher(0), shard.publisher(1)]).collect();
        assert_eq!(publishers, [0, 1, 2, 3, 4, 5]);
        assert_eq!(shards[1].window_of_all()[2..4], shards[1].window_sequences());
    }
}
