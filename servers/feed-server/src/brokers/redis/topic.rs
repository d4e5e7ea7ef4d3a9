//! One topic behind Redis: its names there, this server's log of it, and how the log catches up.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use feed::{Cursor, Epoch, TopicName};
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::entry;
use super::link::{LONGEST_PAUSE, Link};
use crate::brokers::Failure;
use crate::hub::{Entered, Log, Numbered};

/// First pause before catching up is tried again while the connection stands; it doubles up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(100);
/// Larger than any offset that Redis counts to exactly: who has seen it has seen more than Redis has.
const BEYOND: u64 = 1 << 53;

/// A topic that this server publishes on or follows.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) log: Arc<Log>,
    /// Key of its hash.
    pub(super) hash: String,
    /// Key of its stream.
    pub(super) stream: String,
    /// Key of the hash with the idempotency keys of what is retained.
    pub(super) keys: String,
    /// Its channel.
    pub(super) channel: String,
    /// True once every connection is to listen to the channel.
    wanted: AtomicBool,
    /// True once the log holds the history, too.
    followed: AtomicBool,
    /// Held while the topic is begun to be followed: of a crowd that comes at once, one asks Redis.
    pub(super) beginning: Mutex<()>,
    /// Held while catching up, so that an answer which is late does not undo a newer one; the number of the last that ended well.
    catching_up: Mutex<u64>,
    /// How often catching up has begun, which numbers it.
    begun: AtomicU64,
    /// True when something came that the log could not take, and nobody has begun to read since.
    due: AtomicBool,
    /// True while a task sees to what is due.
    tended: AtomicBool,
    /// The newest that was published through here while nobody followed, or before what others published had come.
    published: std::sync::Mutex<Option<Cursor>>,
    /// An epoch in which two notifications have one offset.
    given_up: std::sync::Mutex<Option<Epoch>>,
}

impl Topic {
    pub(super) fn new(name: &TopicName, log: Arc<Log>) -> Self {
        Self {
            log,
            hash: format!("wirelab:topic:{}", name.as_str()),
            stream: format!("wirelab:log:{}", name.as_str()),
            keys: format!("wirelab:keys:{}", name.as_str()),
            channel: format!("wirelab:news:{}", name.as_str()),
            wanted: AtomicBool::new(false),
            followed: AtomicBool::new(false),
            beginning: Mutex::default(),
            catching_up: Mutex::default(),
            begun: AtomicU64::new(0),
            due: AtomicBool::new(false),
            tended: AtomicBool::new(false),
            published: std::sync::Mutex::default(),
            given_up: std::sync::Mutex::default(),
        }
    }

    /// From now on, every connection listens to the channel.
    pub(super) fn want(&self) {
        self.wanted.store(true, Ordering::Release);
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire)
    }

    pub(super) fn is_followed(&self) -> bool {
        self.followed.load(Ordering::Acquire)
    }

    /// True when a reader with this cursor may have seen what this log has not.
    pub(super) fn is_ahead(&self, cursor: Cursor) -> bool {
        let head = self.log.head();
        cursor.epoch != head.epoch || cursor.offset > head.offset
    }

    /// The newest that this server has seen, which Redis is told of; none before it has seen any.
    pub(super) fn seen(&self) -> Option<Cursor> {
        let published = *lock(&self.published);
        if !self.is_followed() {
            return published;
        }
        let newest = self.newest();
        // What was published, and is on its way to the log.
        let is_beyond = |cursor: &Cursor| cursor.epoch == newest.epoch && cursor.offset > newest.offset;
        Some(published.filter(is_beyond).unwrap_or(newest))
    }

    /// The log's head; beyond it, when its epoch is given up.
    fn newest(&self) -> Cursor {
        let head = self.log.head();
        let given_up = *lock(&self.given_up) == Some(head.epoch);
        if given_up { Cursor { offset: BEYOND, ..head } } else { head }
    }

    /// Keeps the cursor of what was published and not entered.
    pub(super) fn remember(&self, cursor: Cursor) {
        let mut published = lock(&self.published);
        // Of two who publish at once, the later one may be told first.
        if !published.is_some_and(|newest| newest.epoch == cursor.epoch && newest.offset > cursor.offset) {
            *published = Some(cursor);
        }
    }

    /// Enters news; when they do not fit, has the log catch up.
    pub(super) fn hear(self: &Arc<Self>, link: &Arc<Link>, numbered: &Numbered<'_>) {
        if self.enter(link, numbered) == Entered::Apart {
            self.catch_up_soon(link);
        }
    }

    /// Enters what is the next one. An epoch in which something else has its offset is given up.
    pub(super) fn enter(self: &Arc<Self>, link: &Arc<Link>, numbered: &Numbered<'_>) -> Entered {
        let entered = self.log.enter(numbered);
        if entered == Entered::Contradicts {
            self.give_up(numbered.cursor);
            self.catch_up_soon(link);
        }
        entered
    }

    fn give_up(&self, cursor: Cursor) {
        let topic = self.log.topic();
        tracing::warn!(topic, %cursor, "two notifications with one cursor: the broker lost its end, a new epoch begins");
        *lock(&self.given_up) = Some(cursor.epoch);
    }

    fn catch_up_soon(self: &Arc<Self>, link: &Arc<Link>) {
        if self.claim() {
            tokio::spawn(self.clone().tend(link.clone()));
        }
    }

    /// Catches up, unless a task does already; that reads once more, then.
    pub(super) async fn catch_up_now(self: Arc<Self>, link: Arc<Link>) {
        if self.claim() {
            self.tend(link).await;
        }
    }

    /// Says that something is due; true for the one who has to see to it.
    fn claim(&self) -> bool {
        self.due.store(true, Ordering::SeqCst);
        !self.tended.swap(true, Ordering::SeqCst)
    }

    /// Catches up until nothing is due, and tries again until it works or the connection is lost; then, the next connection does.
    async fn tend(self: Arc<Self>, link: Arc<Link>) {
        loop {
            let mut pause = PAUSE;
            while self.due.swap(false, Ordering::SeqCst) {
                let Err(failure) = self.catch_up(&link, None).await else { continue };
                if !link.is_up() {
                    break;
                }
                if pause == PAUSE {
                    tracing::warn!(topic = self.log.topic(), %failure, "cannot catch up: its readers wait until that works");
                }
                self.due.store(true, Ordering::SeqCst);
                sleep(pause).await;
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
            self.tended.store(false, Ordering::SeqCst);
            // What became due in between found this task at work.
            if !self.due.load(Ordering::SeqCst) || self.tended.swap(true, Ordering::SeqCst) {
                return;
            }
        }
    }

    /// Reads what the log lacks, to the end. Where it is `wanted` for a reader's cursor, what somebody else read since will do.
    pub(super) async fn catch_up(&self, link: &Link, wanted: Option<Cursor>) -> Result<(), Failure> {
        let before = self.begun.load(Ordering::Acquire);
        let mut done = self.catching_up.lock().await;
        if wanted.is_some_and(|cursor| *done > before || !self.is_ahead(cursor)) {
            return Ok(());
        }
        let number = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
        let mut seen = self.seen();
        // The newest that is known is read again, to be compared; all, when the log holds nothing yet.
        let mut from = if self.is_followed() { self.log.head().offset } else { 0 };
        loop {
            let (epoch, head, entries) = link.read(self, seen, from).await?;
            if self.take(link, epoch, head, &entries)? {
                break;
            }
            (seen, from) = (Some(self.newest()), self.log.head().offset);
        }
        *done = number;
        self.followed.store(true, Ordering::Release);
        Ok(())
    }

    /// Enters what was read; true when that was all.
    fn take(&self, link: &Link, epoch: Epoch, head: u64, entries: &[Vec<u8>]) -> Result<bool, Failure> {
        let strange = || link.strange(&format!("an entry of topic `{}`", self.log.topic()));
        let entries = entries.iter().map(|entry| entry::read(entry)).collect::<Option<Vec<_>>>().ok_or_else(strange)?;
        // Nothing before the first one is left in Redis.
        let before = entries.first().map_or(head, |first| first.cursor.offset - 1);
        self.log.adopt(Cursor { epoch, offset: before });
        for numbered in &entries {
            match self.log.enter(numbered) {
                Entered::Appended | Entered::Known => {}
                Entered::Contradicts => {
                    self.give_up(numbered.cursor);
                    return Ok(false);
                }
                Entered::Apart => return Err(strange()),
            }
        }
        Ok(self.log.head().offset >= head)
    }
}

// What is under these locks is one value, whole at any time.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
