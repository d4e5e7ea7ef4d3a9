//! The way to Redis: what is asked over it and heard over it, and how it is made again when it is lost or leads to a replica.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use feed::{Cursor, Epoch, Payload, TopicName};
use futures_util::StreamExt;
use rand::RngExt;
use redis::aio::PubSubStream;
use redis::{RedisError, ScriptInvocation};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::ANSWER;
use super::address::Address;
use super::dial::within;
use super::entry;
use super::lines::Lines;
use super::rules::Rule;
use super::run::Seen;
use super::scripts::Scripts;
use super::topic::Topic;
use crate::brokers::Failure;
use crate::hub::{Hub, TooManyTopics, new_epoch};
use crate::keys::Key;
use crate::window::Limit;

/// First pause before dialling again; it doubles up to the longest. Each is drawn between half of it and all of it, so that servers
/// do not come back as one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Notifications read at a time when catching up, and bytes of them after which no more are: what a topic that catches up holds is at
/// most that and two notifications.
const READ: Limit = Limit { count: 64, bytes: 1 << 20 };
/// Topics that catch up at a time after a reconnection.
const CATCHING_UP: usize = 64;

/// The way to Redis, whether it stands or not.
pub(super) struct Link {
    pub(super) address: Address,
    pub(super) scripts: Scripts,
    history: Limit,
    hub: Arc<Hub>,
    topics: RwLock<HashMap<TopicName, Arc<Topic>>>,
    lines: RwLock<Option<Arc<Lines>>>,
    /// Why there are none, as far as is known.
    pub(super) down: RwLock<Failure>,
    /// The Redis that was connected to last.
    pub(super) seen: RwLock<Option<Seen>>,
    /// Times that the connections were lost and made again.
    pub(super) reconnects: AtomicU64,
    /// Commands and dials that failed.
    pub(super) errors: AtomicU64,
}

/// What Redis says of a publication.
pub(super) enum Appended {
    /// The cursor after it, and its timestamp in microseconds; over which connection.
    Now(Cursor, u64, Arc<Lines>),
    /// It had been published before, under the same key; its cursor.
    Before(Cursor),
}

impl Link {
    /// Not connected yet.
    pub(super) fn new(address: Address, history: Limit, hub: Arc<Hub>) -> Self {
        Self {
            address,
            scripts: Scripts::new(),
            history,
            hub,
            topics: RwLock::default(),
            lines: RwLock::default(),
            down: RwLock::new(Failure::OutOfReach),
            seen: RwLock::default(),
            reconnects: AtomicU64::new(0),
            errors: AtomicU64::new(0),
        }
    }

    /// True while both connections stand, as far as is known.
    pub(super) fn is_up(&self) -> bool {
        self.lines.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Whether publishing works now.
    pub(super) async fn ready(&self) -> Result<(), Failure> {
        self.lines()?.ready().await
    }

    fn lines(&self) -> Result<Arc<Lines>, Failure> {
        let lines = self.lines.read().unwrap_or_else(PoisonError::into_inner).clone();
        lines.ok_or_else(|| *self.down.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_lines(&self, lines: Option<Arc<Lines>>) {
        *self.lines.write().unwrap_or_else(PoisonError::into_inner) = lines;
    }

    /// The topic of this name; asking for it makes it known here.
    pub(super) fn topic(&self, name: &TopicName) -> Result<Arc<Topic>, TooManyTopics> {
        if let Some(topic) = self.topics.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Ok(topic.clone());
        }
        let log = self.hub.log(name)?;
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        Ok(topics.entry(name.clone()).or_insert_with(|| Arc::new(Topic::new(name, log))).clone())
    }

    pub(super) fn topics(&self) -> Vec<Arc<Topic>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Listens to the news until the connections are lost; then dials again, for as long as this runs.
    pub(super) async fn keep(self: Arc<Self>, mut news: PubSubStream) {
        loop {
            let why = self.listen(&mut news).await;
            *self.down.write().unwrap_or_else(PoisonError::into_inner) = Failure::OutOfReach;
            self.set_lines(None);
            // The old connections end here, and with them what a demoted Redis would still tell.
            drop(news);
            tracing::warn!("lost the broker ({why}): publishers are answered with 503, readers wait");
            let (mut pause, mut told) = (FIRST_PAUSE, String::new());
            news = loop {
                let jitter = rand::rng().random_range(0.5..1.0);
                sleep(pause.mul_f64(jitter)).await;
                match self.dial().await {
                    Ok(news) => break news,
                    // Each reason once.
                    Err(error) if error.to_string() != told => {
                        told = error.to_string();
                        tracing::warn!(%error, "the broker cannot be used yet");
                    }
                    Err(error) => tracing::debug!(%error, "the broker cannot be used yet"),
                }
                pause = (2 * pause).min(LONGEST_PAUSE);
            };
            self.reconnects.fetch_add(1, Relaxed);
            tracing::warn!("the broker is back");
            tokio::spawn(self.clone().catch_up());
        }
    }

    /// Enters what comes, until the connections end, no longer answer, or lead to a Redis that is no primary; says why.
    async fn listen(self: &Arc<Self>, news: &mut PubSubStream) -> String {
        let Ok(lines) = self.lines() else { return "it is down".to_owned() };
        let mut pulse = std::pin::pin!(self.feel_pulse(&lines));
        let mut moved = std::pin::pin!(self.moved(&lines));
        let mut left = std::pin::pin!(lines.left());
        let why = loop {
            tokio::select! {
                message = news.next() => match message {
                    Some(message) => self.hear(message.get_channel_name(), message.get_payload_bytes()),
                    None => return "the connection ended".to_owned(),
                },
                why = &mut pulse => break why,
                to = &mut moved => break format!("the primary is at {to} now"),
                why = &mut left => break why,
            }
        };
        // Whatever it still answers to what was asked before is not believed.
        lines.leave(why.clone());
        why
    }

    fn hear(self: &Arc<Self>, channel: &str, entry: &[u8]) {
        let name = channel.strip_prefix("wirelab:news:").unwrap_or_default();
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        let topic = name.parse::<TopicName>().ok().and_then(|name| topics.get(&name).cloned());
        drop(topics);
        match (topic, entry::read(entry)) {
            (Some(topic), Some(numbered)) => topic.hear(self, &numbered),
            _ => tracing::warn!(channel, "news that this server did not ask for, or cannot read"),
        }
    }

    /// Brings every followed topic up to date.
    async fn catch_up(self: Arc<Self>) {
        let places = Arc::new(Semaphore::new(CATCHING_UP));
        for topic in self.topics().into_iter().filter(|topic| topic.is_followed()) {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            let link = self.clone();
            tokio::spawn(async move {
                topic.catch_up_now(link).await;
                drop(place);
            });
        }
    }

    /// Begins to listen to a topic, then reads its history: in this order, nothing falls between.
    pub(super) async fn begin(&self, topic: &Topic) -> Result<(), Failure> {
        let _turn = topic.beginning.lock().await;
        if topic.is_followed() {
            return Ok(());
        }
        topic.want();
        let lines = self.lines()?;
        match within(ANSWER, lines.listening.clone().subscribe(&topic.channel)).await {
            Ok(()) => topic.catch_up(self, None).await,
            Err(error) => {
                self.failed(&lines, &error);
                Err(Failure::Unread)
            }
        }
    }

    /// Appends and numbers, unless it was published under this `key` before.
    pub(super) async fn publish(
        &self,
        topic: &Topic,
        payload: &Payload,
        key: Option<&Key>,
    ) -> Result<Appended, Failure> {
        let mut publish = self.scripts.publish.prepare_invoke();
        address(&mut publish, topic, topic.seen());
        publish.arg(entry::write(payload)).arg(self.history.count).arg(self.history.bytes).arg(&topic.channel);
        publish.arg(key.map_or("", Key::as_str));
        let lines = self.lines()?;
        let answer: Result<(String, u64, String), Rule> = self.run(&lines, &publish).await;
        let (epoch, offset, timestamp) = answer.map_err(Rule::failure)?;
        lines.took_a_write();
        match (epoch.parse(), &*timestamp, timestamp.parse()) {
            (_, "differs", _) => return Err(Failure::KeyReused),
            (Ok(epoch), "repeated", _) => return Ok(Appended::Before(Cursor { epoch, offset })),
            (Ok(epoch), _, Ok(timestamp_us)) => {
                return Ok(Appended::Now(Cursor { epoch, offset }, timestamp_us, lines));
            }
            _ => {}
        }
        self.strange(&format!("the epoch `{epoch}` or the timestamp `{timestamp}`"));
        Err(Failure::Unconfirmed)
    }

    /// What the topic holds from the offset `from` on, or all of it if Redis knows another epoch than the one that was `seen`: the
    /// epoch, the newest offset, and the oldest of these entries.
    pub(super) async fn read(
        &self,
        topic: &Topic,
        seen: Option<Cursor>,
        from: u64,
    ) -> Result<(Epoch, u64, Vec<Vec<u8>>), Failure> {
        let mut read = self.scripts.read.prepare_invoke();
        address(&mut read, topic, seen);
        read.arg(from).arg(READ.count).arg(READ.bytes);
        let lines = self.lines()?;
        let answer: Result<(String, u64, Vec<Vec<u8>>), Rule> = self.run(&lines, &read).await;
        let (epoch, head, entries) = answer.map_err(|_| Failure::Unread)?;
        match epoch.parse() {
            Ok(epoch) => Ok((epoch, head, entries)),
            Err(_) => Err(self.strange(&format!("the epoch `{epoch}`"))),
        }
    }

    /// What Redis answers, or why it does not. What comes from one that was left meanwhile is no answer: it may have been replaced.
    async fn run<T: redis::FromRedisValue>(&self, lines: &Lines, script: &ScriptInvocation<'_>) -> Result<T, Rule> {
        let answer = script.invoke_async(&mut lines.commands.clone()).await;
        let answer = answer.map_err(|error| self.failed(lines, &error))?;
        if lines.is_left() { Err(Rule::Lost) } else { Ok(answer) }
    }

    /// Counts, logs, and sees to what follows: what Redis says is for who runs it, not for clients.
    fn failed(&self, lines: &Lines, error: &RedisError) -> Rule {
        self.errors.fetch_add(1, Relaxed);
        tracing::warn!(%error, "a command to the broker failed");
        lines.failed(error)
    }

    /// Counts and logs that Redis holds something that no server wrote.
    pub(super) fn strange(&self, what: &str) -> Failure {
        self.errors.fetch_add(1, Relaxed);
        tracing::warn!(what, "the broker holds what no feed server wrote");
        Failure::Unread
    }
}

/// The keys and arguments that `topic.lua` expects.
fn address(script: &mut ScriptInvocation<'_>, topic: &Topic, known: Option<Cursor>) {
    let epoch = known.map(|known| known.epoch.to_string()).unwrap_or_default();
    script.key(&topic.hash).key(&topic.stream).key("wirelab:life").key(&topic.keys);
    script.arg(new_epoch().as_str()).arg(epoch).arg(known.map_or(0, |known| known.offset));
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("up", &self.is_up()).finish_non_exhaustive()
    }
}
