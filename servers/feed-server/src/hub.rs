//! Topics and their logs: where notifications are appended, and where every reader waits for the next one.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use feed::{After, Cursor, Epoch, Notification, Payload, TopicName};
use tokio::sync::watch;

use crate::clock;
use crate::window::{Encoded, Limit, Window};

/// All topics.
#[derive(Debug)]
pub(crate) struct Hub {
    topics: RwLock<Topics>,
    topics_max: usize,
    bound: Limit,
}

#[derive(Debug, Default)]
struct Topics {
    logs: HashMap<TopicName, Arc<Log>>,
    closing: bool,
}

/// One topic more than may exist.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TooManyTopics(pub(crate) usize);

impl Hub {
    /// No topics yet; `bound` is what each may retain.
    pub(crate) fn new(topics_max: usize, bound: Limit) -> Self {
        Self { topics: RwLock::default(), topics_max, bound }
    }

    /// The log of `topic`; asking for it makes it.
    pub(crate) fn log(&self, topic: &TopicName) -> Result<Arc<Log>, TooManyTopics> {
        if let Some(log) = read(&self.topics).logs.get(topic) {
            return Ok(log.clone());
        }
        let mut topics = write(&self.topics);
        if let Some(log) = topics.logs.get(topic) {
            return Ok(log.clone());
        }
        if topics.logs.len() >= self.topics_max {
            return Err(TooManyTopics(self.topics_max));
        }
        let log = Arc::new(Log::new(topic.clone(), self.bound, topics.closing));
        topics.logs.insert(topic.clone(), log.clone());
        Ok(log)
    }

    /// How many topics have a log.
    pub(crate) fn topics(&self) -> usize {
        read(&self.topics).logs.len()
    }

    /// Tells every reader, present and to come, that the server stops.
    pub(crate) fn close(&self) {
        let mut topics = write(&self.topics);
        topics.closing = true;
        for log in topics.logs.values() {
            log.head.send_modify(|head| head.closing = true);
        }
    }
}

/// What a waiting reader watches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    /// Offset of the newest notification.
    pub(crate) offset: u64,
    /// The server stops: say goodbye.
    pub(crate) closing: bool,
}

/// One topic: its window, and the head that readers wait on.
#[derive(Debug)]
pub(crate) struct Log {
    topic: TopicName,
    window: RwLock<Window>,
    head: watch::Sender<Head>,
}

/// Where a subscription begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    /// Read what comes after this.
    pub(crate) cursor: Cursor,
    /// False when something before that is lost to the reader; reading then starts at the oldest.
    pub(crate) recovered: bool,
}

/// What one reading found.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The notifications, contiguous.
    pub(crate) entries: Vec<Arc<Encoded>>,
    /// The cursor after them.
    pub(crate) cursor: Cursor,
    /// True when the limit cut it and more is there.
    pub(crate) more: bool,
}

impl Log {
    fn new(topic: TopicName, bound: Limit, closing: bool) -> Self {
        // Six base-36 digits: a restarted server meets an old epoch once in two thousand million times.
        let epoch = Epoch::from_number(rand::random::<u64>() % 36u64.pow(6));
        let head = watch::Sender::new(Head { offset: 0, closing });
        Self { topic, window: RwLock::new(Window::new(epoch, bound)), head }
    }

    pub(crate) fn topic(&self) -> &str {
        self.topic.as_str()
    }

    /// Numbers and appends in one step, under one lock, then wakes the readers.
    pub(crate) fn append(&self, payload: &Payload) -> Cursor {
        let cursor = {
            let mut window = write(&self.window);
            let id = window.head().offset + 1;
            let entry = Encoded::new(
                window.epoch(),
                &Notification {
                    topic: self.topic().into(),
                    id,
                    timestamp_us: clock::unix_us(),
                    content_type: payload.content_type.as_deref().map(Into::into),
                    payload: std::borrow::Cow::Borrowed(&payload.json),
                },
            );
            window.push(entry);
            window.head()
        };
        // Outside the lock, so that woken readers find it free; two publishers may pass each other here, the head only grows.
        self.head.send_if_modified(|head| {
            let grows = cursor.offset > head.offset;
            head.offset = head.offset.max(cursor.offset);
            grows
        });
        cursor
    }

    /// What readers wait on.
    pub(crate) fn watch(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    /// Finds where a subscription begins.
    pub(crate) fn start(&self, after: After) -> Start {
        let window = read(&self.window);
        match after {
            After::Now => Start { cursor: window.head(), recovered: true },
            After::Earliest => Start { cursor: window.oldest(), recovered: true },
            After::Cursor(cursor) if window.continues(cursor) => Start { cursor, recovered: true },
            After::Cursor(_) => Start { cursor: window.oldest(), recovered: false },
        }
    }

    /// What follows `cursor`; when some of it is lost, the oldest cursor that can be continued from.
    pub(crate) fn after(&self, cursor: Cursor, limit: Limit) -> Result<Batch, Cursor> {
        let window = read(&self.window);
        let entries = window.after(cursor, limit).ok_or_else(|| window.oldest())?;
        let cursor = Cursor { offset: cursor.offset + entries.len() as u64, ..cursor };
        Ok(Batch { entries, cursor, more: cursor != window.head() })
    }

    /// True when everything after `cursor` is retained.
    pub(crate) fn continues(&self, cursor: Cursor) -> bool {
        read(&self.window).continues(cursor)
    }

    /// The oldest cursor that can be continued from without a loss.
    pub(crate) fn oldest(&self) -> Cursor {
        read(&self.window).oldest()
    }
}

// A window is whole between any two statements that could panic, so a poisoned lock guards nothing broken.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
