//! The broker of several servers: one Redis numbers, keeps the history, and tells every server that follows.
//!
//! Guarantee: a publisher is answered when Redis has appended, under a number, an epoch and a timestamp that are the same on
//! every server. What was answered is delivered once and in order to every reader who stays within `--history`, through
//! whichever server and across lost connections, for as long as Redis keeps it. How long that is, is Redis's affair: with an
//! append-only file (`appendonly yes`) it outlasts a crash of Redis, less at most the last second of writes if the whole
//! machine goes (`appendfsync everysec`); without one, a restart of Redis counts as the loss of everything.
//! Lost history is never silent: the topic begins another epoch, and its readers are told `gap`. An append-only
//! file that lost its end is noticed when a server that had seen the end publishes, reads or hears another notification under an
//! offset that its log still holds; all of the epoch is given up then. What escapes: a loss of which no server is left that had seen
//! the end, and one that is noticed only after more than `--history` was published over it.
//!
//! A topic is a hash (epoch, head, bytes), a stream, and a hash of the keys of what is retained, changed by scripts that run as one step.
//! A key holds across all servers, for as long as Redis retains what was published under it. News travel over pub/sub,
//! whole, on a channel a topic; a server that notices a hole reads it from the stream. A server holds two connections: one
//! for commands of all publishers at once, one that listens. Between the latter and the log, the client library keeps what has come
//! in a queue without a bound: to stop reading would have Redis drop the connection (`client-output-buffer-limit pubsub`: 32 MiB by
//! default) and every topic read what it missed, while what is done per entry is short: it is read, looked up and appended.
//!
//! No topic expires in Redis, because its epoch and head must outlast its readers: a topic that is gone costs one hash and
//! at most `--history` until somebody deletes it. How many there are is bounded by what each server may follow or publish on
//! (`--topics-max`), counted from its start.

mod address;
mod entry;
mod lines;
mod link;
mod rules;
mod run;
mod scripts;
mod topic;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use feed::{After, BrokerStats, Payload, TopicName};
use tokio::task::AbortHandle;
use tokio::time::timeout;

pub(super) use self::address::Address;
use self::link::{Appended, Link};
use super::Failure;
use crate::hub::{Entered, Hub, Log, Numbered, Published};
use crate::keys::Key;
use crate::window::Limit;

/// Longest wait for an answer of Redis, and for a notification to come back over pub/sub: ordinarily it is a millisecond, and a
/// publisher should hear of a broker that hangs while it still remembers what it published.
const ANSWER: Duration = Duration::from_secs(2);

/// Two connections, and the topics that are followed over them.
#[derive(Debug)]
pub(crate) struct Redis {
    link: Arc<Link>,
    keeper: AbortHandle,
}

impl Redis {
    /// Connects, and stays connected from then on.
    pub(crate) async fn connect(address: Address, history: Limit, hub: Arc<Hub>) -> redis::RedisResult<Self> {
        let link = Arc::new(Link::new(address, history, hub));
        let news = link.dial().await?;
        let keeper = tokio::spawn(link.clone().keep(news)).abort_handle();
        Ok(Self { link, keeper })
    }

    /// Has Redis append and number, and sees that this server's own log has it too before the publisher is answered.
    pub(crate) async fn publish(
        &self,
        topic: &TopicName,
        payload: &Payload,
        key: Option<&Key>,
    ) -> Result<Published, Failure> {
        let topic = self.link.topic(topic)?;
        let (cursor, timestamp_us) = match self.link.publish(&topic, payload, key).await? {
            Appended::Now(cursor, timestamp_us) => (cursor, timestamp_us),
            Appended::Before(cursor) => return Ok(Published { cursor, is_repeated: true }),
        };
        if !topic.is_followed() {
            topic.remember(cursor);
        } else {
            let content_type = payload.content_type.as_deref();
            let numbered = Numbered { cursor, timestamp_us, content_type, payload: Cow::Borrowed(&payload.json) };
            if topic.enter(&self.link, &numbered) == Entered::Apart {
                // Others published just before: theirs are on the way. It is published whether they come or not.
                let _ = timeout(ANSWER, topic.log.reached(cursor)).await;
            }
        }
        Ok(Published { cursor, is_repeated: false })
    }

    /// The first time, listens to the topic and reads its history. Later, only asks when the reader has seen what this server
    /// has not: it may come from a server that is ahead.
    pub(crate) async fn follow(&self, topic: &TopicName, after: After) -> Result<Arc<Log>, Failure> {
        let topic = self.link.topic(topic)?;
        if !topic.is_followed() {
            self.link.begin(&topic).await?;
        } else if let After::Cursor(cursor) = after
            && topic.is_ahead(cursor)
        {
            topic.catch_up(&self.link, Some(cursor)).await?;
        }
        Ok(topic.log.clone())
    }

    /// Whether Redis takes writes now: it was asked within the last second, or is asked.
    pub(crate) async fn ready(&self) -> Result<(), Failure> {
        self.link.ready().await
    }

    /// How the connections do.
    pub(crate) fn stats(&self) -> BrokerStats {
        BrokerStats {
            kind: "redis".to_owned(),
            connected: self.link.is_up(),
            reconnects: self.link.reconnects.load(Relaxed),
            errors: self.link.errors.load(Relaxed),
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}
