//! What one client enters for each thing it hears: the place where bytes become deliveries.

use std::ops::Range;
use std::rc::Rc;

use feed::{Postmark, postmarks};

use super::{Entry, Ledger, Recorder};

/// One client's account: its ledger, and its worker's records.
#[derive(Debug)]
pub struct Account {
    run: u32,
    publisher: u16,
    /// One past the last number that is ever published: a server that makes numbers up does not get them onto the books.
    end: u32,
    ledger: Ledger,
    recorder: Rc<Recorder>,
}

impl Account {
    /// An account of a client of `publisher` in `run`, whose window has these `sequences`.
    pub fn new(run: u32, publisher: u16, sequences: Range<u32>, recorder: Rc<Recorder>) -> Self {
        Self { run, publisher, end: sequences.end, ledger: Ledger::new(sequences.start), recorder }
    }

    /// Enters every notification in `message`, received at `at_ns`; returns how many there were.
    ///
    /// Whatever wraps the postmarks does not matter here, which is why any server can be measured.
    pub fn message(&mut self, message: &[u8], at_ns: u64) -> usize {
        let run = self.run;
        let (publisher, end) = (self.publisher, self.end);
        let mut found = 0;
        for postmark in postmarks(message).filter(|p| p.run == run && p.publisher == publisher && p.sequence < end) {
            self.delivery(postmark, at_ns);
            found += 1;
        }
        found
    }

    fn delivery(&mut self, postmark: Postmark, at_ns: u64) {
        let entry = self.ledger.enter(postmark.sequence, self.recorder.is_too_late());
        let is_new = entry == Entry::New && self.recorder.is_in_window(postmark.intended_ns);
        if is_new {
            self.recorder.record_latency(&postmark, at_ns);
        }
        self.recorder.count(|counters| {
            counters.received += 1;
            counters.delivered += u64::from(is_new);
        });
    }

    /// Enters a message that is neither a notification of this run nor the feed's own.
    pub fn foreign(&self) {
        self.recorder.count(|counters| counters.foreign += 1);
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

    /// The worker's records.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The same, for what outlives a borrow of this account.
    pub fn shared_recorder(&self) -> Rc<Recorder> {
        Rc::clone(&self.recorder)
    }

    /// Hands the ledger in.
    pub fn deposit(self) {
        self.recorder.deposit(self.publisher, self.ledger);
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
    use feed::POSTMARK_LEN;

    fn message(run: u32, publisher: u16, sequence: u32, intended_ns: u64) -> Vec<u8> {
        let mut token = vec![0; POSTMARK_LEN];
        Postmark { run, publisher, sequence, intended_ns }.write(&mut token);
        [b"{\"payload\":\"", &token[..], b"\"}"].concat()
    }

    #[test]
    fn only_this_runs_notifications_of_the_window_are_recorded() {
        let recorder = Rc::new(Recorder::new(Rc::default()));
        recorder.set_window(1_000_000..2_000_000);
        let mut account = Account::new(1, 0, 5..6, Rc::clone(&recorder));
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
        let books = recorder.close_ledgers(&[6], &[vec![]]);
        assert_eq!((books.expected, books.delivered, books.duplicated), (1, 1, 1));
    }
}
