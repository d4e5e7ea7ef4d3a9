//! What one client enters for each thing it hears: the place where bytes become deliveries.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use feed::{Postmark, postmarks};

use super::copies::Copies;
use super::expected::Expected;
use super::messages::Unit;
use super::{EMPTY_ANSWER, Entry, FOREIGN, Ledger, OTHER_EMPTY_ANSWER, OTHER_FOREIGN, Recorder};
use crate::clock;
use crate::plan::Plan;
use crate::shard::Shard;
use crate::target::Replies;

/// One client's account: a ledger for each publisher of its topic, and its player's records.
#[derive(Debug)]
pub struct Account {
    run: u32,
    /// Index of its topic.
    topic: u16,
    /// True for one that a fault is aimed at, sooner or later.
    is_struck: bool,
    /// True while its client is counted as live.
    is_live: bool,
    /// Whose latency is measured: of the others' publishers, which have other clocks, only the ledgers are kept.
    shard: Shard,
    windows: Arc<Windows>,
    ledgers: Ledgers,
    /// True once a notification of the window has come after the window's end.
    is_behind: bool,
    /// True when the message that was entered last held notifications of other topics, and none of this client's.
    was_misdelivered: bool,
    /// What its client's target file says of other messages, where it says something.
    expected: Option<Box<Expected>>,
    /// When its client began to resume, the last time that it did, ns; 0 while it never has.
    resumes_from_ns: u64,
    recorder: Rc<Recorder>,
}

/// A ledger for the publisher of each shard. The one that most runs have stands in the account itself: of thousands of accounts, each
/// delivery finds another one out of the cache, and what lies apart costs as much again.
#[derive(Debug)]
enum Ledgers {
    One([Ledger; 1]),
    Many(Box<[Ledger]>),
}

impl Ledgers {
    fn new(ledgers: impl Iterator<Item = Ledger>) -> Self {
        let ledgers: Box<[Ledger]> = ledgers.collect();
        match <Box<[Ledger; 1]>>::try_from(ledgers) {
            Ok(one) => Self::One(*one),
            Err(many) => Self::Many(many),
        }
    }

    fn as_mut(&mut self) -> &mut [Ledger] {
        match self {
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }

    fn as_ref(&self) -> &[Ledger] {
        match self {
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }

    fn into_vec(self) -> Vec<Ledger> {
        match self {
            Self::One(one) => one.into(),
            Self::Many(many) => many.into_vec(),
        }
    }
}

/// What every publisher publishes in the window. It takes a walk through the whole plan to find out, so that is done once a run.
#[derive(Debug)]
pub struct Windows {
    /// By the publisher's number: those of the first shard, one a topic, then those of the second.
    publishers: Vec<Window>,
    /// Topics, one at least.
    topics: usize,
}

/// What one publisher publishes in the window: its shard and topic stand here because to divide its number for each delivery
/// costs more than to look them up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Index of its shard.
    pub shard: usize,
    /// Index of its topic.
    pub topic: u16,
    /// Its numbers.
    pub sequences: Range<u32>,
}

impl Windows {
    /// The windows of all publishers of a plan.
    pub fn of(plan: &Plan) -> Self {
        Self::new(plan.window_of_all(), plan.topics.len())
    }

    /// The same from their numbers, of which each shard has one range for each of the `topics`.
    pub fn new(sequences: Vec<Range<u32>>, topics: usize) -> Self {
        let window =
            |(number, sequences)| Window { shard: number / topics, topic: (number % topics) as u16, sequences };
        Self { publishers: sequences.into_iter().enumerate().map(window).collect(), topics }
    }

    /// Those of one shard, by topic.
    pub fn of_shard(&self, shard: Shard) -> &[Window] {
        let first = usize::from(shard.publisher(0, self.topics));
        &self.publishers[first..first + self.topics]
    }

    /// Those of all shards but one.
    pub fn of_others(&self, shard: Shard) -> impl Iterator<Item = &Window> {
        self.publishers.iter().filter(move |window| window.shard != shard.index as usize)
    }
}

impl Account {
    /// An account of a client of `topic` in `run`, played by `shard`.
    pub fn new(run: u32, topic: u16, shard: Shard, windows: Arc<Windows>, recorder: Rc<Recorder>) -> Self {
        let of_topic = windows.publishers.iter().skip(usize::from(topic)).step_by(windows.topics);
        let ledgers = Ledgers::new(of_topic.map(|window| Ledger::new(window.sequences.start)));
        Self {
            run,
            topic,
            is_struck: false,
            is_live: false,
            shard,
            windows,
            ledgers,
            is_behind: false,
            was_misdelivered: false,
            expected: None,
            resumes_from_ns: 0,
            recorder,
        }
    }

    /// An account of a client of the one topic of a run that one process plays; the window has these `sequences`.
    pub fn alone(run: u32, sequences: Range<u32>, recorder: Rc<Recorder>) -> Self {
        let windows = Windows::new(std::iter::once(sequences).collect(), 1);
        Self::new(run, 0, Shard::WHOLE, Arc::new(windows), recorder)
    }

    /// The same, of a client that a fault is aimed at, if `is_struck`: its latencies are kept apart.
    pub fn struck(self, is_struck: bool) -> Self {
        Self { is_struck, ..self }
    }

    /// The same, of a client to whom messages that are no notifications mean what `replies` says.
    pub fn expecting(self, replies: &Arc<Replies>) -> Self {
        Self { expected: Expected::new(replies), ..self }
    }

    /// Enters that the client begins to connect: what let it in before counts no more.
    pub fn begins(&mut self) {
        if let Some(expected) = &mut self.expected {
            expected.begin();
        }
    }

    /// True once the server has said what lets a client in; at once where the target file does not say what that is.
    pub fn is_let_in(&self) -> bool {
        self.expected.as_ref().is_none_or(|expected| expected.is_let_in())
    }

    /// What refused the client, as its target file describes refusals; told once.
    pub fn take_refusal(&mut self) -> Option<String> {
        self.expected.as_mut()?.take_refusal()
    }

    /// Enters every notification in `message`, an event of a stream or a WebSocket message that was received at `at_ns`; returns how many
    /// there were of its client's topic. Those of other topics are counted as misdelivered, and what stands in one message twice, once,
    /// and as repeated within it.
    ///
    /// Whatever wraps the postmarks does not matter here, which is why any server can be measured.
    pub fn message(&mut self, message: &[u8], at_ns: u64) -> usize {
        self.unit(message, Unit::Message, at_ns)
    }

    /// The same of an event of Socket.IO: a JSON array of its name and its arguments.
    pub fn event(&mut self, data: &[u8], at_ns: u64) -> usize {
        self.unit(data, Unit::Event, at_ns)
    }

    /// The same of the body of a poll's answer, which may hold several messages.
    pub fn answer(&mut self, body: &[u8], at_ns: u64) -> usize {
        let found = self.unit(body, Unit::Answer, at_ns);
        if found == 0 {
            self.recorder.quote_shapes(EMPTY_ANSWER, OTHER_EMPTY_ANSWER, body);
        }
        found
    }

    fn unit(&mut self, bytes: &[u8], unit: Unit, at_ns: u64) -> usize {
        let run = self.run;
        let mut found = 0;
        let mut copies = Copies::new(bytes, unit, run);
        self.was_misdelivered = false;
        for postmark in postmarks(bytes).filter(|postmark| postmark.run == run) {
            if copies.is_delivery(&postmark) {
                found += usize::from(self.delivery(&postmark, at_ns));
            } else {
                self.recorder.count(|counters| counters.repeated_within += 1);
            }
        }
        self.was_misdelivered &= found == 0;
        if let Some(expected) = &mut self.expected {
            expected.hear(bytes, found > 0);
        }
        found
    }

    /// Enters one notification; false if it is none of this client's.
    fn delivery(&mut self, postmark: &Postmark, at_ns: u64) -> bool {
        let Some(window) = self.windows.publishers.get(usize::from(postmark.publisher)) else { return false };
        // A server that makes numbers up does not get them onto the books.
        if postmark.sequence >= window.sequences.end {
            return false;
        }
        if window.topic != self.topic {
            self.was_misdelivered = true;
            self.recorder.count(|counters| counters.misdelivered += 1);
            return false;
        }
        let shard = window.shard;
        let is_own = shard == self.shard.index as usize;
        let precedes = |later| self.recorder.precedes(postmark, later, is_own);
        let is_too_late = self.recorder.is_too_late(at_ns);
        let entry = self.ledgers.as_mut()[shard].enter(postmark.sequence, is_too_late, precedes);
        self.is_behind |= matches!(entry, Entry::New | Entry::Late) && self.recorder.is_behind_window(at_ns);
        let is_new = entry == Entry::New && (!is_own || self.recorder.is_in_window(postmark.intended_ns));
        if is_new && is_own {
            self.recorder.record_latency(postmark, at_ns, self.is_struck);
        } else if is_new {
            self.recorder.record_heard(shard, postmark, at_ns);
        }
        // Only instants of our own clock can be held against it.
        let is_caught_up = is_new && is_own && postmark.intended_ns < self.resumes_from_ns;
        self.recorder.count(|counters| {
            counters.received += 1;
            counters.delivered += u64::from(is_new);
            counters.caught_up += u64::from(is_caught_up);
            counters.repeated += u64::from(entry == Entry::Repeated);
        });
        true
    }

    /// Enters that the client was interrupted: its transport was lost, it left, or it reads no more for a while.
    pub fn interrupted(&mut self) {
        self.ended();
        self.recorder.count(|counters| counters.interrupted += 1);
        self.recorder.keep(|moment| moment.interrupted += 1);
    }

    /// Enters that the client is live: for the first time, or again.
    pub fn live(&mut self) {
        if !std::mem::replace(&mut self.is_live, true) {
            self.recorder.live().began();
        }
    }

    /// Enters that the client is live no more, whatever the reason.
    pub fn ended(&mut self) {
        if std::mem::take(&mut self.is_live) {
            self.recorder.live().ended();
        }
    }

    /// Enters that an attempt to connect begins.
    pub fn attempts(&self) {
        self.recorder.count(|counters| {
            counters.opening += 1;
            counters.attempts += 1;
        });
        self.recorder.keep(|moment| moment.attempts += 1);
    }

    /// Enters that the client begins to resume now: what it then receives of an earlier time is caught up.
    pub fn resumes(&mut self) {
        self.resumes_from_ns = clock::now_ns();
    }

    /// Enters that it has resumed.
    pub fn resumed(&mut self) {
        self.live();
        self.recorder.count(|counters| counters.resumed += 1);
        self.recorder.keep(|moment| moment.resumed += 1);
    }

    /// Searches what came to a place that its client did not subscribe to, such as another namespace, for notifications of this run: those
    /// of other topics are misdelivered, and its own are not delivered there.
    pub fn astray(&mut self, message: &[u8]) {
        let Self { run, topic, windows, recorder, .. } = self;
        let is_of_others = |postmark: &Postmark| {
            let window = windows.publishers.get(usize::from(postmark.publisher));
            postmark.run == *run
                && window.is_some_and(|window| window.topic != *topic && postmark.sequence < window.sequences.end)
        };
        let misdelivered = postmarks(message).filter(is_of_others).count() as u64;
        recorder.count(|counters| counters.misdelivered += misdelivered);
        self.was_misdelivered = misdelivered > 0;
    }

    /// Enters the message that was just searched for notifications as neither one of this run nor the feed's own; the first is quoted. One
    /// that held a notification of another topic has been counted as misdelivered, and is not counted again.
    pub fn foreign(&mut self, message: &[u8]) {
        let is_foreign = !std::mem::take(&mut self.was_misdelivered);
        if is_foreign {
            self.recorder.quote_shapes(FOREIGN, OTHER_FOREIGN, message);
        }
        self.recorder.count(|counters| counters.foreign += u64::from(is_foreign));
    }

    /// Enters that the server told of a gap.
    pub fn gap(&self) {
        self.recorder.count(|counters| counters.gaps += 1);
    }

    /// Enters that a poll was sent; it is in flight until what this returns is dropped, however that comes.
    pub fn poll_sent(&self) -> InFlight {
        self.recorder.count(|counters| counters.in_flight += 1);
        InFlight { recorder: Rc::clone(&self.recorder) }
    }

    /// Enters that a poll was answered.
    pub fn poll_answered(&self, brought_something: bool) {
        self.recorder.count(|counters| {
            counters.polls += 1;
            counters.wasted_polls += u64::from(!brought_something);
        });
    }

    /// Enters that a request is sent again, because the server had ended the kept connection before it answered.
    pub fn sent_again(&self) {
        self.recorder.count(|counters| counters.sent_again += 1);
    }

    /// The player's records.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The same, for what outlives a borrow of this account.
    pub fn shared_recorder(&self) -> Rc<Recorder> {
        Rc::clone(&self.recorder)
    }

    /// Hands the ledgers in.
    pub fn deposit(self) {
        self.recorder.enter_client(self.topic, self.is_struck, self.is_behind, self.ledgers.as_ref());
        for (index, ledger) in self.ledgers.into_vec().into_iter().enumerate() {
            let shard = Shard { index: index as u32, ..self.shard };
            self.recorder.deposit(shard.publisher(self.topic, self.windows.topics), ledger);
        }
    }
}

/// A poll that waits for its answer.
#[derive(Debug)]
pub struct InFlight {
    recorder: Rc<Recorder>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.recorder.count(|counters| counters.in_flight -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::PublishOrder;
    use feed::POSTMARK_LEN;

    fn in_order(topics: usize) -> Vec<PublishOrder> {
        vec![PublishOrder::of_writing(&[]); topics]
    }

    fn message(run: u32, publisher: u16, sequence: u32, intended_ns: u64) -> Vec<u8> {
        let mut token = vec![0; POSTMARK_LEN];
        Postmark { run, publisher, sequence, intended_ns }.write(&mut token);
        [b"{\"payload\":\"", &token[..], b"\"}"].concat()
    }

    #[test]
    fn only_this_runs_notifications_of_the_window_are_recorded() {
        let recorder = Rc::new(Recorder::new(Rc::default()));
        recorder.set_window(1_000_000..2_000_000);
        let mut account = Account::alone(1, 5..6, Rc::clone(&recorder));
        assert_eq!(account.message(&message(2, 0, 5, 1_500_000), 1_600_000), 0, "another run");
        assert_eq!(account.message(&message(1, 3, 5, 1_500_000), 1_600_000), 0, "another publisher");
        assert_eq!(account.message(&message(1, 0, 6, 1_500_000), 1_600_000), 0, "a number that was never published");
        assert_eq!(account.message(&message(1, 0, 4, 900_000), 1_600_000), 1, "the warm-up");
        assert_eq!(account.message(&message(1, 0, 5, 1_500_000), 1_600_000), 1);
        assert_eq!(account.message(&message(1, 0, 5, 1_500_000), 1_900_000), 1, "a repeat");
        let snapshot = recorder.snapshot(false);
        assert_eq!((snapshot.counters.received, snapshot.counters.delivered), (3, 1));
        assert_eq!((snapshot.latency.len(), snapshot.latency.max() / 1_000), (1, 100), "of the first, not the repeat");
        account.deposit();
        let books = recorder.close_ledgers(0, &[6], &[vec![]], &in_order(1));
        assert_eq!((books.expected, books.delivered, books.duplicated), (1, 1, 1));
    }

    #[test]
    fn a_notification_of_another_topic_is_misdelivered_and_neither_delivered_nor_foreign() {
        let recorder = Rc::new(Recorder::new(Rc::default()));
        recorder.set_window(1_000_000..2_000_000);
        let windows = Arc::new(Windows::new(vec![5..8, 5..8], 2));
        let mut account = Account::new(1, 0, Shard::WHOLE, windows, Rc::clone(&recorder));
        let counted = || {
            let counters = recorder.counters();
            [counters.received, counters.delivered, counters.misdelivered, counters.foreign]
        };
        assert_eq!(account.message(&message(1, 1, 5, 1_500_000), 1_600_000), 0, "the other topic's");
        account.foreign(b"hello");
        assert_eq!(counted(), [0, 0, 1, 0]);
        let both = [message(1, 1, 6, 1_500_000), message(1, 0, 5, 1_500_000)].concat();
        assert_eq!(account.message(&both, 1_600_000), 1, "one of each");
        assert_eq!(counted(), [1, 1, 2, 0]);
        assert_eq!(account.message(&message(1, 1, 4, 900_000), 1_600_000), 0, "of the warm-up");
        assert_eq!(account.message(&message(1, 1, 8, 1_500_000), 1_600_000), 0, "a number that was never published");
        account.foreign(b"hello");
        assert_eq!(counted(), [1, 1, 3, 1]);
        account.foreign(b"hello");
        assert_eq!(counted(), [1, 1, 3, 2]);
        account.astray(&message(1, 1, 7, 1_500_000));
        account.foreign(b"");
        assert_eq!(counted(), [1, 1, 4, 2], "the other topic's, at a place that is not the client's");
        account.astray(&message(1, 0, 7, 1_500_000));
        account.foreign(b"");
        assert_eq!(counted(), [1, 1, 4, 3], "its own, where it does not listen");
    }

    #[test]
    fn what_is_received_after_the_drain_bound_is_late_whenever_that_is_noticed() {
        let recorder = Rc::new(Recorder::new(Rc::default()));
        recorder.set_window(1_000_000..2_000_000);
        recorder.set_too_late_from(3_000_000);
        recorder.set_too_late_from(4_000_000);
        let mut account = Account::alone(1, 5..8, Rc::clone(&recorder));
        account.message(&message(1, 0, 5, 1_500_000), 2_999_999);
        account.message(&message(1, 0, 6, 1_600_000), 3_000_000);
        account.deposit();
        let books = recorder.close_ledgers(0, &[7], &[vec![]], &in_order(1));
        assert_eq!((books.delivered, books.lost, books.late), (1, 1, 1));
    }

    #[test]
    fn another_shards_notifications_are_on_the_books_but_in_no_latency() {
        let recorder = Rc::new(Recorder::new(Rc::default()));
        recorder.set_window(1_000_000..2_000_000);
        let windows = Arc::new(Windows::new(vec![5..6, 0..0, 7..9, 0..0], 2));
        let shard = Shard { index: 1, of: 2 };
        let mut account = Account::new(1, 0, shard, windows, Rc::clone(&recorder));
        assert_eq!(account.message(&message(1, 2, 7, 1_500_000), 1_600_000), 1, "its own");
        // Another machine's clock may say anything.
        assert_eq!(account.message(&message(1, 0, 5, 9_500_000), 1_600_000), 1, "the other shard's");
        assert_eq!(account.message(&message(1, 0, 5, 9_500_000), 1_600_000), 1, "the other shard's again");
        assert_eq!(account.message(&message(1, 3, 7, 1_500_000), 1_600_000), 0, "another topic");
        assert_eq!(account.message(&message(1, 4, 7, 1_500_000), 1_600_000), 0, "a shard that is none");
        let snapshot = recorder.snapshot(false);
        assert_eq!((snapshot.counters.delivered, snapshot.latency.len()), (2, 1));
        assert_eq!(recorder.heard(), [Some(-7_900_000)]);
        account.deposit();
        let stacks = recorder.stacks();
        let closed: Vec<_> =
            stacks.iter().map(|stack| (stack.publisher, stack.close(9, &[], &in_order(1)[0]).delivered)).collect();
        assert_eq!(closed, [(0, 1), (2, 1)]);
        let own = recorder.close_ledgers(2, &[9, 0], &[vec![], vec![]], &in_order(2));
        assert_eq!((own.expected, own.lost, own.duplicated), (2, 1, 0));
    }
}
