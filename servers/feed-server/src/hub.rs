//! Topics and their logs: where notifications are appended, and where every reader waits for the next one.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use feed::{After, Cursor, Epoch, Notification, Payload, TopicName};
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::clock;
use crate::drain::Departures;
use crate::fanout::Fanout;
use crate::keys::{Before, Key};
use crate::window::{Encoded, Limit, Window};

/// All topics.
#[derive(Debug)]
pub(crate) struct Hub {
    topics: RwLock<Topics>,
    topics_max: usize,
    habits: Habits,
    departures: Arc<OnceLock<Departures>>,
}

/// What is the same for every topic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Habits {
    /// What a topic may retain.
    pub(crate) bound: Limit,
    /// How many workers bring to readers what comes.
    pub(crate) workers: usize,
    /// How long what was appended waits for what comes after it before readers are told.
    pub(crate) coalesce: Duration,
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
    /// No topics yet.
    pub(crate) fn new(topics_max: usize, habits: Habits) -> Self {
        Self { topics: RwLock::default(), topics_max, habits, departures: Arc::default() }
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
        let log = Arc::new(Log::new(topic.clone(), self.habits, self.departures.clone(), topics.closing));
        topics.logs.insert(topic.clone(), log.clone());
        Ok(log)
    }

    /// How many topics have a log.
    pub(crate) fn topics(&self) -> usize {
        read(&self.topics).logs.len()
    }

    /// Tells every reader, present and to come, that the server stops, and when to leave. What waits for `--coalesce` is announced: some
    /// leave before that would be over.
    pub(crate) fn close(&self, departures: Departures) {
        self.departures.get_or_init(|| departures);
        let mut topics = write(&self.topics);
        topics.closing = true;
        for log in topics.logs.values() {
            log.head.send_modify(|head| *head = Head { cursor: log.head(), closing: true });
        }
    }
}

/// What a waiting reader watches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    /// The cursor after the newest notification.
    pub(crate) cursor: Cursor,
    /// The server stops: say goodbye when it is time.
    pub(crate) closing: bool,
}

impl Head {
    /// True when something is announced that `cursor` has not seen.
    pub(crate) fn is_beyond(&self, cursor: Cursor) -> bool {
        self.cursor.epoch != cursor.epoch || self.cursor.offset > cursor.offset
    }
}

/// One topic: its window, and the head that readers wait on.
#[derive(Debug)]
pub(crate) struct Log {
    topic: TopicName,
    window: RwLock<Window>,
    head: watch::Sender<Head>,
    fanout: Fanout,
    coalesce: Duration,
    /// True while an announcement is to come.
    will_announce: AtomicBool,
    departures: Arc<OnceLock<Departures>>,
}

/// A notification that a broker numbered.
#[derive(Debug)]
pub(crate) struct Numbered<'a> {
    /// The cursor after it.
    pub(crate) cursor: Cursor,
    /// When it was numbered, microseconds since the Unix epoch, by the broker's clock.
    pub(crate) timestamp_us: u64,
    /// Media type of a payload that was not published as JSON.
    pub(crate) content_type: Option<&'a str>,
    /// The payload, JSON.
    pub(crate) payload: Cow<'a, RawValue>,
}

/// What was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Published {
    /// The cursor of the notification.
    pub(crate) cursor: Cursor,
    /// True when it had been published before, under the same key: nothing was appended.
    pub(crate) is_repeated: bool,
}

/// Something else was published under the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyReused;

/// What became of a notification that was numbered elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entered {
    /// It was the next one: it is the newest now.
    Appended,
    /// It is in the log already, or was.
    Known,
    /// Another notification is in the log under its offset: one of the two was numbered by who had forgotten the other.
    Contradicts,
    /// It is of another epoch, or something between the head and it is missing: nothing was done.
    Apart,
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
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    /// The notifications, contiguous.
    pub(crate) entries: Vec<Arc<Encoded>>,
    /// The cursor after them.
    pub(crate) cursor: Cursor,
    /// True when the limit cut it and more is there.
    pub(crate) more: bool,
}

impl Log {
    fn new(
        topic: TopicName,
        Habits { bound, workers, coalesce }: Habits,
        departures: Arc<OnceLock<Departures>>,
        closing: bool,
    ) -> Self {
        let epoch = new_epoch();
        let head = watch::Sender::new(Head { cursor: Cursor { epoch, offset: 0 }, closing });
        Self {
            topic,
            window: RwLock::new(Window::new(epoch, bound)),
            head,
            fanout: Fanout::new(workers),
            coalesce,
            will_announce: AtomicBool::new(false),
            departures,
        }
    }

    pub(crate) fn topic(&self) -> &str {
        self.topic.as_str()
    }

    /// Appends what has no key.
    #[cfg(test)]
    pub(crate) fn append(self: &Arc<Self>, payload: &Payload) -> Cursor {
        self.append_once(payload, None).expect("without a key nothing is a repeat").cursor
    }

    /// Numbers and appends in one step, under one lock, then wakes the readers; unless it was published before, under this `key`, and is
    /// still retained.
    pub(crate) fn append_once(self: &Arc<Self>, payload: &Payload, key: Option<&Key>) -> Result<Published, KeyReused> {
        let cursor = {
            let mut window = write(&self.window);
            let before = key.and_then(|key| window.keys.find(key, payload));
            match before {
                None => {}
                Some(Before::Same(offset)) => {
                    let cursor = Cursor { offset, ..window.head() };
                    return Ok(Published { cursor, is_repeated: true });
                }
                Some(Before::Other) => return Err(KeyReused),
            }
            let Cursor { epoch, offset } = window.head();
            let numbered = Numbered {
                cursor: Cursor { epoch, offset: offset + 1 },
                timestamp_us: clock::unix_us(),
                content_type: payload.content_type.as_deref(),
                payload: Cow::Borrowed(&payload.json),
            };
            window.push(self.encode(&numbered));
            if let Some(key) = key {
                window.keys.remember(key, payload, numbered.cursor.offset);
            }
            numbered.cursor
        };
        self.announce();
        Ok(Published { cursor, is_repeated: false })
    }

    /// Appends what was numbered elsewhere, if it is the next one, then wakes the readers.
    pub(crate) fn enter(self: &Arc<Self>, numbered: &Numbered<'_>) -> Entered {
        match read(&self.window).place(numbered.cursor, numbered.timestamp_us) {
            Entered::Appended => {}
            other => return other,
        }
        // Encoded outside the lock; what got there in between is looked at again.
        let entry = self.encode(numbered);
        {
            let mut window = write(&self.window);
            match window.place(numbered.cursor, numbered.timestamp_us) {
                Entered::Appended => window.push(entry),
                other => return other,
            }
        }
        self.announce();
        Entered::Appended
    }

    /// Has the log go on after `cursor`, of another epoch or beyond the head: what it held is lost to its readers, and they
    /// are told so. Does nothing when the log has come that far already.
    pub(crate) fn adopt(&self, cursor: Cursor) {
        {
            let mut window = write(&self.window);
            if window.epoch() == cursor.epoch && window.head().offset >= cursor.offset {
                return;
            }
            window.adopt(cursor);
        }
        self.announce_now();
    }

    fn encode(&self, numbered: &Numbered<'_>) -> Encoded {
        let notification = Notification {
            topic: self.topic().into(),
            id: numbered.cursor.offset,
            timestamp_us: numbered.timestamp_us,
            content_type: numbered.content_type.map(Into::into),
            payload: Cow::Borrowed(&numbered.payload),
        };
        Encoded::new(numbered.cursor.epoch, &notification)
    }

    /// Wakes the readers, or sees to it that they are woken when `--coalesce` is over.
    fn announce(self: &Arc<Self>) {
        if self.coalesce.is_zero() || self.announced().closing {
            return self.announce_now();
        }
        if !self.will_announce.swap(true, Ordering::AcqRel) {
            let log = self.clone();
            tokio::spawn(async move {
                sleep(log.coalesce).await;
                log.will_announce.store(false, Ordering::Release);
                log.announce_now();
            });
        }
    }

    /// Wakes the readers, outside the lock of the window, so that they find it free. Two who append may pass each other here:
    /// each tells what the head is by now, so the last to tell is right.
    fn announce_now(&self) {
        self.head.send_if_modified(|head| {
            let before = std::mem::replace(&mut head.cursor, read(&self.window).head());
            head.cursor != before
        });
    }

    /// The cursor after the newest notification.
    pub(crate) fn head(&self) -> Cursor {
        read(&self.window).head()
    }

    /// Waits until the log has come as far as `cursor`.
    pub(crate) async fn reached(&self, cursor: Cursor) {
        let has = |head: &Head| head.cursor.epoch == cursor.epoch && head.cursor.offset >= cursor.offset;
        // The sender is ours: it cannot be gone.
        let _ = self.watch().wait_for(has).await;
    }

    /// Readers who have seen everything.
    pub(crate) fn fanout(&self) -> &Fanout {
        &self.fanout
    }

    /// What was last announced.
    pub(crate) fn announced(&self) -> Head {
        *self.head.borrow()
    }

    /// When the connection of this number leaves; now, unless the server has said when it stops.
    pub(crate) fn departure(&self, number: u32) -> Instant {
        self.departures.get().map_or_else(clock::now, |departures| departures.of(number))
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

    /// True when `cursor` fell out of the window; not when the topic began another epoch.
    pub(crate) fn left_behind(&self, cursor: Cursor) -> bool {
        let window = read(&self.window);
        cursor.epoch == window.epoch() && !window.continues(cursor)
    }

    /// The oldest cursor that can be continued from without a loss.
    pub(crate) fn oldest(&self) -> Cursor {
        read(&self.window).oldest()
    }
}

/// An epoch that was not used before: of six base-36 digits, a new history meets the name of an old one once in two thousand
/// million times.
pub(crate) fn new_epoch() -> Epoch {
    Epoch::from_number(rand::random::<u64>() % 36u64.pow(6))
}

// A window is whole between any two statements that could panic, so a poisoned lock guards nothing broken.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod properties;
