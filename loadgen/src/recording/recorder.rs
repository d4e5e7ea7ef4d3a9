//! One player's records. Clients of the player share it; nobody else sees it but through snapshots.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use feed::Postmark;
use hdrhistogram::Histogram;
use results::{Deliveries, HIGHEST_LATENCY_NS, growing_histogram};

use super::changes::{Changes, Moment};
use super::shape::shape;
use super::told::{Told, beginning};
use super::{
    ClientGroup, Counters, Departures, Ledger, LiveClients, LongestPause, PublishOrder, Received, Snapshot, Stack,
    group, stack,
};
use crate::clients::ClientError;
use crate::clock;
use crate::faults::Losses;
use crate::parts::sum;
use crate::target::{Token, reason};
use crate::wire::{Traffic, UNASKED_DATA, Unasked};

/// Most kinds of errors that are told apart: a server may make up close codes.
const MOST_KINDS: usize = 64;
/// Most arrivals out of order of which it is kept, until the end, in which order they were published, 16 bytes each.
const MOST_KEPT_PAIRS: u64 = 1_000_000;
/// An arrival out of order beyond that: whether it is reordered is not known.
const ORDER_UNJUDGED: &str = "order-unjudged";
/// What further kinds are counted as.
const OTHER_KIND: &str = "other";

/// The records of one player.
#[derive(Debug)]
pub struct Recorder {
    traffic: Rc<Traffic>,
    departures: Arc<Departures>,
    /// The clients of all players.
    live: Arc<LiveClients>,
    /// When clients were interrupted and resumed, in a run with faults.
    changes: Option<Box<RefCell<Changes>>>,
    /// Intended instants that belong to the window, ns.
    window: RefCell<Range<u64>>,
    /// From when on what arrives is too late: the drain bound, ns.
    too_late_from_ns: Cell<u64>,
    /// The end of the drain before it is lengthened.
    drain_bound_ns: Cell<u64>,
    longest_pause: Arc<LongestPause>,
    most_lengthened: Duration,
    counters: RefCell<Counters>,
    latency: RefCell<Histogram<u64>>,
    /// Latencies of clients that faults are aimed at, which are in no other: in a run that has such.
    latency_of_struck: Option<Box<RefCell<Histogram<u64>>>>,
    latency_from_actual: RefCell<Histogram<u64>>,
    connect: RefCell<Histogram<u64>>,
    loop_lag: RefCell<Histogram<u64>>,
    turn_wait: RefCell<Histogram<u64>>,
    errors: RefCell<BTreeMap<String, u64>>,
    told: RefCell<Told>,
    /// The shapes of what was quoted first, by kind.
    shapes: RefCell<BTreeMap<&'static str, u64>>,
    /// Arrivals out of order that are judged in the end.
    kept_pairs: Cell<u64>,
    /// What no quote may show.
    secret: Option<Token>,
    /// Receipt minus intended instant, each on the clock of its own process, ns: the smallest that was heard of each shard's
    /// publishers but our own.
    heard: RefCell<Vec<Option<i64>>>,
    /// Ledgers of clients that have ended, with their publishers' numbers.
    ledgers: RefCell<Vec<(u16, Ledger)>>,
    /// What each of these clients received, but for those that faults are aimed at.
    clients: RefCell<Vec<ClientGroup>>,
}

impl Recorder {
    /// Empty records of a player whose connections count into `traffic`.
    pub fn new(traffic: Rc<Traffic>) -> Self {
        Self::of_run(traffic, Arc::default(), Arc::default())
    }

    /// The same, where it is known when notifications actually left, and who is live of all players.
    pub fn of_run(traffic: Rc<Traffic>, departures: Arc<Departures>, live: Arc<LiveClients>) -> Self {
        Self {
            traffic,
            departures,
            live,
            changes: None,
            window: RefCell::new(0..0),
            too_late_from_ns: Cell::new(u64::MAX),
            drain_bound_ns: Cell::new(u64::MAX),
            longest_pause: Arc::default(),
            most_lengthened: Duration::ZERO,
            counters: RefCell::default(),
            latency: RefCell::new(growing_histogram()),
            latency_of_struck: None,
            latency_from_actual: RefCell::new(growing_histogram()),
            connect: RefCell::new(growing_histogram()),
            loop_lag: RefCell::new(growing_histogram()),
            turn_wait: RefCell::new(growing_histogram()),
            errors: RefCell::default(),
            told: RefCell::default(),
            shapes: RefCell::default(),
            kept_pairs: Cell::new(0),
            secret: None,
            heard: RefCell::default(),
            ledgers: RefCell::default(),
            clients: RefCell::default(),
        }
    }

    /// The same, of a run whose drain is lengthened by the `longest` pause of a client, but not by more than `most`.
    pub fn waiting_for(self, longest: Arc<LongestPause>, most: Duration) -> Self {
        Self { longest_pause: longest, most_lengthened: most, ..self }
    }

    /// The same, of a target whose secret no quote may show.
    pub fn hiding(self, secret: Option<Token>) -> Self {
        Self { secret, ..self }
    }

    /// The same, of a run in which faults are aimed at some of the clients.
    pub fn telling_struck_apart(self) -> Self {
        Self { latency_of_struck: Some(Box::new(RefCell::new(growing_histogram()))), ..self }
    }

    /// The same, of a run with faults: it is kept when clients are interrupted and resume.
    pub fn keeping_changes(self) -> Self {
        Self { changes: Some(Box::default()), ..self }
    }

    /// Sets which intended instants belong to the window, ns.
    pub fn set_window(&self, window: Range<u64>) {
        if let Some(changes) = &self.changes {
            changes.borrow_mut().begin(window.start);
        }
        *self.window.borrow_mut() = window;
    }

    /// True of an instant (ns) behind the window.
    pub fn is_behind_window(&self, at_ns: u64) -> bool {
        at_ns >= self.window.borrow().end
    }

    /// True when a notification with this intended instant (ns) belongs to the window.
    pub fn is_in_window(&self, intended_ns: u64) -> bool {
        self.window.borrow().contains(&intended_ns)
    }

    /// What arrives from then on (ns) is too late; an earlier instant that was set goes on to count.
    pub fn set_too_late_from(&self, ns: u64) {
        self.too_late_from_ns.set(self.too_late_from_ns.get().min(ns));
    }

    /// Sets the end of the drain, ns, which is lengthened by the pauses for which clients stay away.
    pub fn set_drain_bound(&self, ns: u64) {
        self.drain_bound_ns.set(ns);
    }

    /// True of what is received at `at_ns`, when that is not before the drain bound.
    pub fn is_too_late(&self, at_ns: u64) -> bool {
        let is_behind_bound = |bound: u64| at_ns >= bound && at_ns - bound >= self.lengthened().as_nanos() as u64;
        at_ns >= self.too_late_from_ns.get() || is_behind_bound(self.drain_bound_ns.get())
    }

    /// Enters that a client pauses before it asks again, as the server has told it, or as the plan says after an answer that ended in order.
    pub fn pauses(&self, pause: Duration) {
        self.longest_pause.enter(pause);
    }

    /// How much longer the drain is than it was planned.
    fn lengthened(&self) -> Duration {
        self.longest_pause.read().min(self.most_lengthened)
    }

    /// Counts something.
    pub fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.counters.borrow_mut());
    }

    /// The clients of all players.
    pub fn live(&self) -> &LiveClients {
        &self.live
    }

    /// Keeps, in a run with faults, that something happens to a client now.
    pub fn keep(&self, happens: impl FnOnce(&mut Moment)) {
        if let Some(changes) = &self.changes {
            changes.borrow_mut().enter(clock::now_ns(), happens);
        }
    }

    /// What was kept.
    pub fn moments(&self) -> Vec<Moment> {
        self.changes.as_ref().map(|changes| changes.borrow().moments()).unwrap_or_default()
    }

    /// Records the latency of one delivery received at `at_ns`: from the intended publishing instant and, if it is known, from
    /// the actual one. That of a client which a fault is aimed at, and so `is_struck`, is kept apart where that was asked for.
    pub fn record_latency(&self, postmark: &Postmark, at_ns: u64, is_struck: bool) {
        let latency = match &self.latency_of_struck {
            Some(of_struck) if is_struck => of_struck,
            _ => &self.latency,
        };
        self.record(latency, at_ns.checked_sub(postmark.intended_ns));
        if let Some(left_ns) = self.departures.of(postmark.publisher, postmark.sequence) {
            self.record(&self.latency_from_actual, at_ns.checked_sub(left_ns));
        }
    }

    /// Whether a notification, of this process if it `is_own`, was certainly published before number `later` of its publisher, which has arrived;
    /// `None` where that is known only in the end, and the pair is to be kept. Beyond a bound, which counts as an error of its own, none is
    /// kept.
    pub fn precedes(&self, postmark: &Postmark, later: u32, is_own: bool) -> Option<bool> {
        let known = if is_own { self.departures.precedes(postmark.publisher, postmark.sequence, later) } else { None };
        if known.is_none() {
            self.kept_pairs.set(self.kept_pairs.get() + 1);
            if self.kept_pairs.get() > MOST_KEPT_PAIRS {
                self.record_error(ORDER_UNJUDGED);
                return Some(false);
            }
        }
        known
    }

    /// Records that a notification of another shard was received at `at_ns`. Its instant is of another clock, so this says how
    /// the clocks stand to each other, and nothing of latency.
    pub fn record_heard(&self, shard: usize, postmark: &Postmark, at_ns: u64) {
        let mut heard = self.heard.borrow_mut();
        if heard.len() <= shard {
            heard.resize(shard + 1, None);
        }
        let apart = at_ns.cast_signed().wrapping_sub(postmark.intended_ns.cast_signed());
        heard[shard] = Some(heard[shard].map_or(apart, |least| least.min(apart)));
    }

    /// What was heard of each shard.
    pub fn heard(&self) -> Vec<Option<i64>> {
        self.heard.borrow().clone()
    }

    /// Records how long it took until a transport was live, ns.
    pub fn record_connect(&self, ns: u64) {
        self.record(&self.connect, Some(ns));
    }

    /// Records how late the event loop ran a timer, ns.
    pub fn record_loop_lag(&self, ns: u64) {
        self.record(&self.loop_lag, Some(ns));
    }

    /// Records how long a client waited for its turn to ask again, ns.
    pub fn record_turn_wait(&self, ns: u64) {
        self.record(&self.turn_wait, Some(ns));
    }

    /// Records a time, ns. One that no histogram holds, or that ends before it began, is counted apart, never clamped.
    fn record(&self, histogram: &RefCell<Histogram<u64>>, ns: Option<u64>) {
        let ns = ns.filter(|&ns| ns <= HIGHEST_LATENCY_NS);
        let recorded = ns.is_some_and(|ns| histogram.borrow_mut().record(ns).is_ok());
        if !recorded {
            self.count(|counters| counters.out_of_range += 1);
        }
    }

    /// Counts an error by kind; once there are `MOST_KINDS` kinds, further ones as `other`.
    pub fn record_error(&self, kind: &str) {
        let mut errors = self.errors.borrow_mut();
        if let Some(count) = errors.get_mut(kind) {
            *count += 1;
        } else {
            let kind = if errors.len() < MOST_KINDS { kind } else { OTHER_KIND };
            *errors.entry(kind.to_owned()).or_default() += 1;
        }
    }

    /// Counts a connection that is closed because its server sent data without being asked.
    pub fn record_unasked(&self, unasked: Option<Unasked>) {
        match unasked {
            Some(Unasked::Data) => self.record_error(UNASKED_DATA),
            Some(Unasked::RequestTimeout) | None => {}
        }
    }

    /// How many notifications were received so far, repeated ones left out.
    pub fn different(&self) -> u64 {
        let counters = self.counters.borrow();
        counters.received - counters.repeated + counters.misdelivered
    }

    /// Counts an error of a client, and keeps what the server said with the first of its kind.
    pub fn record_client_error(&self, error: &ClientError) {
        let kind = error.kind();
        self.record_error(&kind);
        if let Some(said) = error.quote() {
            self.quote(&kind, said.as_bytes());
        }
    }

    /// Takes down what a client of `topic` that has ended received of each shard's publisher, and whether it `is_behind`; one that faults were
    /// aimed at, and so `is_struck`, is passed over.
    pub fn enter_client(&self, topic: u16, is_struck: bool, is_behind: bool, ledgers: &[Ledger]) {
        if !is_struck {
            let received = ledgers.iter().map(Received::of).collect();
            self.clients.borrow_mut().push(ClientGroup { topic, clients: 1, is_behind, received });
        }
    }

    /// What the clients that have ended received, those together that received the same.
    pub fn take_clients(&self) -> Vec<ClientGroup> {
        group(self.clients.take())
    }

    /// Keeps what the server said, if it is the first of its kind: on one line, bounded, without secrets.
    pub fn quote(&self, kind: &str, said: &[u8]) {
        let mut told = self.told.borrow_mut();
        if told.wants(kind) {
            told.quotes.insert(kind.to_owned(), reason(self.secret.as_ref(), &beginning(said)));
        }
    }

    /// The same, and the first of another shape as one of the kind `other`.
    pub fn quote_shapes(&self, kind: &'static str, other: &'static str, said: &[u8]) {
        if self.told.borrow().wants(kind) {
            self.shapes.borrow_mut().insert(kind, shape(said));
            self.quote(kind, said);
        } else if self.told.borrow().wants(other) && self.shapes.borrow().get(kind) != Some(&shape(said)) {
            self.quote(other, said);
        }
    }

    /// What was kept of this kind.
    pub fn quoted(&self, kind: &str) -> Option<String> {
        self.told.borrow().quotes.get(kind).cloned()
    }

    /// Enters what a client has learnt of what it is to remember.
    pub fn learn(&self, remembered: &[Option<String>]) {
        self.told.borrow_mut().learn(remembered);
    }

    /// Takes over the ledger of a client that has ended.
    pub fn deposit(&self, publisher: u16, ledger: Ledger) {
        self.ledgers.borrow_mut().push((publisher, ledger));
    }

    /// The ledgers of all clients that have ended, of every shard's publishers.
    pub fn stacks(&self) -> Vec<Stack> {
        let ledgers = self.ledgers.borrow();
        stack(ledgers.iter().map(|(publisher, ledger)| Stack {
            publisher: *publisher,
            clients: 1,
            ledger: ledger.clone(),
        }))
    }

    /// What of `refused`, by topic, none of the clients that have ended received; this process's publishers are numbered from `base` on.
    pub fn unheard(&self, base: u16, refused: &[Vec<u32>]) -> Vec<Vec<u32>> {
        let ledgers = self.ledgers.borrow();
        let own = ledgers.iter().filter_map(|(publisher, ledger)| Some((publisher.checked_sub(base)?.into(), ledger)));
        super::unheard(refused, own)
    }

    /// Closes the books of all clients for this process's publishers, which are numbered from `base` on. `ends` is one past
    /// the last number that each sent, `refused` what the server is not known to have accepted, nor any client to have received, `orders` in which order they were
    /// published.
    pub fn close_ledgers(&self, base: u16, ends: &[u32], refused: &[Vec<u32>], orders: &[PublishOrder]) -> Deliveries {
        let ledgers = self.ledgers.take();
        let closed = ledgers.iter().filter_map(|(publisher, ledger)| {
            let topic = usize::from(publisher.checked_sub(base)?);
            Some(ledger.close(*ends.get(topic)?, refused.get(topic)?, orders.get(topic)?))
        });
        let closed: Vec<Deliveries> = closed.collect();
        Deliveries { gaps: self.counters.borrow().gaps, ..sum(closed.iter()) }
    }

    /// How many clients have lost each notification of this process's publishers, the window beginning with number `firsts` of each
    /// topic; arguments as of [`close_ledgers`](Self::close_ledgers), which must come after.
    pub fn losses(&self, base: u16, firsts: &[u32], ends: &[u32], refused: &[Vec<u32>]) -> Losses {
        let len = |topic: usize| ends[topic].saturating_sub(firsts[topic]) as usize;
        // One more where a loss begins, one less behind its end.
        let mut edges: Vec<Vec<i64>> = (0..ends.len()).map(|topic| vec![0; len(topic) + 1]).collect();
        for (publisher, ledger) in &*self.ledgers.borrow() {
            let Some(topic) = publisher.checked_sub(base).map(usize::from).filter(|topic| *topic < ends.len()) else {
                continue;
            };
            for range in ledger.unheard(ends[topic]) {
                let place = |number: u32| number.saturating_sub(firsts[topic]) as usize;
                edges[topic][place(range.start)] += 1;
                edges[topic][place(range.end)] -= 1;
            }
        }
        let lost = |(topic, edges): (usize, Vec<i64>)| {
            let mut open = 0;
            let mut lost: Vec<u64> = edges
                .into_iter()
                .map(|edge| {
                    open += edge;
                    open.unsigned_abs()
                })
                .collect();
            // What was never published, as far as anybody knows, is nobody's loss.
            for number in &refused[topic] {
                if let Some(lost) = number.checked_sub(firsts[topic]).and_then(|place| lost.get_mut(place as usize)) {
                    *lost = 0;
                }
            }
            lost
        };
        Losses(edges.into_iter().enumerate().map(lost).collect())
    }

    /// The counters of this instant.
    pub fn counters(&self) -> Counters {
        Counters {
            connections: self.traffic.open(),
            bytes_received: self.traffic.received(),
            bytes_sent: self.traffic.sent(),
            tls_received: self.traffic.tls_received(),
            tls_sent: self.traffic.tls_sent(),
            abandoned: self.traffic.abandoned(),
            ..*self.counters.borrow()
        }
    }

    /// Hands the records over; histograms start anew. `with_tcp_ip` costs a system call per open connection.
    pub fn snapshot(&self, with_tcp_ip: bool) -> Snapshot {
        let latency_of_struck = self.latency_of_struck.as_deref().map(hand_over);
        let mut latency = hand_over(&self.latency);
        if let Some(of_struck) = &latency_of_struck {
            latency.add(of_struck).expect("a histogram that grows takes in any other");
        }
        Snapshot {
            counters: self.counters(),
            latency,
            latency_of_struck,
            latency_from_actual: hand_over(&self.latency_from_actual),
            connect: hand_over(&self.connect),
            loop_lag: hand_over(&self.loop_lag),
            turn_wait: hand_over(&self.turn_wait),
            errors: self.errors.borrow().clone(),
            told: self.told.borrow().clone(),
            tcp_ip: with_tcp_ip.then(|| self.traffic.tcp_ip()).flatten(),
        }
    }
}

/// What a histogram holds; it starts anew, in the memory that it has grown to.
fn hand_over(histogram: &RefCell<Histogram<u64>>) -> Histogram<u64> {
    let mut histogram = histogram.borrow_mut();
    let held = histogram.clone();
    histogram.reset();
    held
}
