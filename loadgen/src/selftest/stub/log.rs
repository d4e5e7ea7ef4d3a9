//! What was published, in order, and what each subscriber is to be written of it next.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::script::Script;
use crate::clock;

/// Text of two, three and four bytes a letter, for cuts to go through.
const NOTE: &str = "häßlich, 日本語, 🦀";

/// What is due so long after an answer was written is sent after that was received, ns.
const CERTAINLY_LATER_NS: u64 = 2_000_000;

/// A notification is written behind so many others at most; where the order of all of them is uncertain, it is written in its place.
const MOST_OVERTAKING: usize = 8;

/// A notification that is due waits so long at most for others to be written before it; then it is written in its place.
const SWAP_PATIENCE: Duration = Duration::from_millis(500);

/// A notification as it was published.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub topic: String,
    pub sequence: u32,
    pub intended_ns: u64,
    /// Encoded as the feed does it, with one more field.
    pub encoded: Vec<u8>,
    /// When its publisher was answered, ns; 0 while it was not.
    pub answered_ns: u64,
}

impl Entry {
    /// True when `successor` was certainly published after this one was answered, so that to swap them is to reorder them. It was due
    /// some time after the answer had been handed to the system; on loopback that is in the publisher's hands at once, and the publisher
    /// looks at answers that are there before it sends what is due.
    fn certainly_precedes(&self, successor: &Self) -> bool {
        let is_after_answer = successor.intended_ns >= self.answered_ns + CERTAINLY_LATER_NS;
        self.answered_ns > 0 && is_after_answer && successor.sequence > self.sequence
    }
}

/// What was published on all topics: subscribers of each are given all of it.
#[derive(Debug)]
pub(super) struct Log {
    entries: RefCell<Vec<Entry>>,
    head: watch::Sender<usize>,
}

/// What is to be written now, to one subscriber.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Places in the log, in the order of writing.
    pub write: Vec<usize>,
    /// The subscriber's place in the log afterwards.
    pub next: usize,
    /// True when the connection is to be cut in the middle of it.
    pub is_cut: bool,
    pub dropped: u64,
    pub repeated: u64,
    pub swapped: u64,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { entries: RefCell::default(), head: watch::Sender::new(0) }
    }

    /// Appends a published JSON payload; returns its id.
    pub(super) fn append(&self, topic: &str, sequence: u32, intended_ns: u64, payload: &[u8]) -> usize {
        let mut entries = self.entries.borrow_mut();
        let id = entries.len() + 1;
        let mut encoded = format!(
            r#"{{"type":"notification","topic":"{topic}","id":{id},"timestamp":{},"note":"{NOTE}","payload":"#,
            intended_ns / 1_000
        )
        .into_bytes();
        encoded.extend_from_slice(payload);
        encoded.push(b'}');
        entries.push(Entry { topic: topic.to_owned(), sequence, intended_ns, encoded, answered_ns: 0 });
        self.head.send_replace(id);
        id
    }

    /// The publisher of the notification with this id was answered at `at_ns`.
    pub(super) fn answered(&self, id: usize, at_ns: u64) {
        self.entries.borrow_mut()[id - 1].answered_ns = at_ns;
    }

    pub(super) fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    pub(super) fn entry(&self, at: usize) -> Entry {
        self.entries.borrow()[at].clone()
    }

    /// Waits until something is due for a subscriber at `at`.
    pub(super) async fn due(&self, script: &Script, connection: u64, at: usize) -> Batch {
        let mut head = self.head.subscribe();
        loop {
            let (batch, next_due) = self.due_now(script, connection, at);
            if batch.next > at {
                return batch;
            }
            let later = async {
                match next_due {
                    Some(due) => clock::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = later => {}
                _ = head.changed() => {}
            }
        }
    }

    /// All that is due by now for a subscriber at `at`, and else when something will be. Nobody overtakes: what is late
    /// holds back what follows.
    pub(super) fn due_now(&self, script: &Script, connection: u64, at: usize) -> (Batch, Option<Instant>) {
        let entries = self.entries.borrow();
        let now = clock::now();
        let mut batch = Batch { next: at, ..Batch::default() };
        while !script.is_full(batch.write.len())
            && let Some(entry) = entries.get(batch.next)
        {
            let number = entry.sequence;
            let counts = u64::from(number >= script.first);
            let is = |series: Option<super::script::Every>| series.is_some_and(|every| every.has(number));
            let due_of =
                |entry: &Entry| clock::instant_at(entry.intended_ns) + script.delay_of(connection, entry.sequence);
            if is(script.drop) || (script.is_deaf(connection) && due_of(entry) <= now) {
                batch.dropped += counts;
                batch.next += 1;
                continue;
            }
            let mut is_swapped = is(script.swap);
            let mut due = due_of(entry);
            // The place behind which it is written: on a busy machine, the next one may have been sent before this one was answered.
            let mut behind = batch.next;
            if is_swapped {
                let successors = entries[behind + 1..].iter().take(MOST_OVERTAKING);
                match successors.clone().position(|successor| entry.certainly_precedes(successor)) {
                    Some(place) => {
                        behind += 1 + place;
                        due = entries[batch.next..=behind].iter().map(due_of).fold(due, Instant::max);
                    }
                    None if successors.len() < MOST_OVERTAKING && now < due + SWAP_PATIENCE => {
                        return (batch, Some(due + SWAP_PATIENCE));
                    }
                    None => is_swapped = false,
                }
            }
            if due > now {
                return (batch, Some(due));
            }
            if script.cuts(connection, number) {
                if batch.next == at {
                    batch.write.push(at);
                    batch.next += 1;
                    batch.is_cut = true;
                }
                break;
            }
            batch.write.extend(batch.next + 1..=behind);
            batch.write.push(batch.next);
            batch.swapped += u64::from(is_swapped) * counts;
            let own = std::mem::replace(&mut batch.next, behind);
            if is(script.repeat) {
                batch.write.push(own);
                batch.repeated += counts;
            }
            batch.next += 1;
        }
        (batch, None)
    }
}
