//! One topic behind Redis: its names there, this server's log of it, and how the log catches up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use feed::{Cursor, Epoch, TopicName};
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::entry;
use super::link::Link;
use crate::brokers::Failure;
use crate::hub::{Entered, Log, Numbered};

/// Pause before catching up is tried again while the connection stands.
const PAUSE: Duration = Duration::from_millis(100);

/// A topic that this server publishes on or follows.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) log: Arc<Log>,
    /// Key of its hash.
    pub(super) hash: String,
    /// Key of its stream.
    pub(super) stream: String,
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
    /// True when somebody is about to catch up.
    due: AtomicBool,
}

impl Topic {
    pub(super) fn new(name: &TopicName, log: Arc<Log>) -> Self {
        Self {
            log,
            hash: format!("wirelab:topic:{}", name.as_str()),
            stream: format!("wirelab:log:{}", name.as_str()),
            channel: format!("wirelab:news:{}", name.as_str()),
            wanted: AtomicBool::new(false),
            followed: AtomicBool::new(false),
            beginning: Mutex::default(),
            catching_up: Mutex::default(),
            begun: AtomicU64::new(0),
            due: AtomicBool::new(false),
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

    /// The head that Redis is told of; none before the log holds anything of Redis's.
    pub(super) fn known(&self) -> Option<Cursor> {
        self.is_followed().then(|| self.log.head())
    }

    /// Enters news; when they do not fit, has the log catch up.
    pub(super) fn hear(self: &Arc<Self>, link: &Arc<Link>, numbered: &Numbered<'_>) {
        if self.log.enter(numbered) == Entered::Apart && !self.due.swap(true, Ordering::AcqRel) {
            tokio::spawn(self.clone().catch_up_now(link.clone()));
        }
    }

    /// Catches up, and tries again until it works or the connection is lost; then, the next connection does.
    pub(super) async fn catch_up_now(self: Arc<Self>, link: Arc<Link>) {
        while self.catch_up(&link, None).await.is_err() && link.is_up() {
            sleep(PAUSE).await;
        }
    }

    /// Reads what the log lacks, to the end. Where it is `wanted` for a reader's cursor, what somebody else read since will do.
    pub(super) async fn catch_up(&self, link: &Link, wanted: Option<Cursor>) -> Result<(), Failure> {
        let before = self.begun.load(Ordering::Acquire);
        let mut done = self.catching_up.lock().await;
        if wanted.is_some_and(|cursor| *done > before || !self.is_ahead(cursor)) {
            return Ok(());
        }
        self.due.store(false, Ordering::Release);
        let number = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
        let mut known = self.known();
        loop {
            let (epoch, head, entries) = link.read(self, known).await?;
            if self.take(epoch, head, &entries)? {
                break;
            }
            known = Some(self.log.head());
        }
        *done = number;
        self.followed.store(true, Ordering::Release);
        Ok(())
    }

    /// Enters what was read; true when that was all.
    fn take(&self, epoch: Epoch, head: u64, entries: &[Vec<u8>]) -> Result<bool, Failure> {
        let strange = || Failure::Refused("what it holds was not written by this server".to_owned());
        let entries = entries.iter().map(|entry| entry::read(entry)).collect::<Option<Vec<_>>>().ok_or_else(strange)?;
        // Nothing before the first one is left in Redis.
        let before = entries.first().map_or(head, |first| first.cursor.offset - 1);
        self.log.adopt(Cursor { epoch, offset: before });
        for numbered in &entries {
            if self.log.enter(numbered) == Entered::Apart {
                return Err(strange());
            }
        }
        Ok(self.log.head().offset >= head)
    }
}
