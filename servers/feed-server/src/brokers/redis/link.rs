//! The two connections to Redis: dialled, listened to, and dialled again when they are lost.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use feed::{Cursor, Epoch, Payload, TopicName};
use futures_util::StreamExt;
use rand::RngExt;
use redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use redis::{AsyncConnectionConfig, ErrorKind, RedisError, RedisResult, ScriptInvocation};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::ANSWER;
use super::entry;
use super::scripts::Scripts;
use super::topic::Topic;
use crate::brokers::Failure;
use crate::hub::{Hub, TooManyTopics, new_epoch};
use crate::keys::Key;
use crate::window::Limit;

/// Commands that wait to be written at a time; publishers beyond them wait for a place. What waits is written at once.
const PIPELINE: usize = 1024;
/// Longest that dialling one connection may take.
const DIAL: Duration = Duration::from_secs(2);
/// First pause before dialling again; it doubles up to the longest. Each is drawn between half of it and all of it, so that servers
/// do not come back as one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How often both connections are asked whether they still stand: a machine that is gone says nothing.
const PULSE: Duration = Duration::from_secs(1);
/// Notifications read at a time when catching up, and bytes of them after which no more are: what a topic that catches up holds is at
/// most that and two notifications.
const READ: Limit = Limit { count: 64, bytes: 1 << 20 };
/// Channels subscribed to with one command.
const CHANNELS: usize = 1000;
/// Topics that catch up at a time after a reconnection.
const CATCHING_UP: usize = 64;

/// The way to Redis, whether it stands or not.
pub(super) struct Link {
    client: redis::Client,
    scripts: Scripts,
    history: Limit,
    hub: Arc<Hub>,
    topics: RwLock<HashMap<TopicName, Arc<Topic>>>,
    lines: RwLock<Option<Lines>>,
    /// Times that the connections were lost and made again.
    pub(super) reconnects: AtomicU64,
    /// Commands and dials that failed.
    pub(super) errors: AtomicU64,
}

#[derive(Clone)]
struct Lines {
    commands: MultiplexedConnection,
    listening: PubSubSink,
}

/// What Redis says of a publication.
pub(super) enum Appended {
    /// The cursor after it, and its timestamp in microseconds.
    Now(Cursor, u64),
    /// It had been published before, under the same key; its cursor.
    Before(Cursor),
}

impl Link {
    /// Not connected yet.
    pub(super) fn new(client: redis::Client, history: Limit, hub: Arc<Hub>) -> Self {
        Self {
            client,
            scripts: Scripts::new(),
            history,
            hub,
            topics: RwLock::default(),
            lines: RwLock::default(),
            reconnects: AtomicU64::new(0),
            errors: AtomicU64::new(0),
        }
    }

    /// True while both connections stand, as far as is known.
    pub(super) fn is_up(&self) -> bool {
        self.lines.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn lines(&self) -> Result<Lines, Failure> {
        self.lines.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(Failure::OutOfReach)
    }

    fn set_lines(&self, lines: Option<Lines>) {
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

    fn topics(&self) -> Vec<Arc<Topic>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Makes both connections, and listens to every topic that is followed.
    pub(super) async fn dial(&self) -> RedisResult<PubSubStream> {
        let dialled = self.connect().await;
        if dialled.is_err() {
            self.errors.fetch_add(1, Relaxed);
        }
        dialled
    }

    async fn connect(&self) -> RedisResult<PubSubStream> {
        let commands = async {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(DIAL))
                .set_response_timeout(Some(ANSWER))
                .set_pipeline_buffer_size(PIPELINE);
            let mut commands = self.client.get_multiplexed_async_connection_with_config(&config).await?;
            self.enter(&mut commands).await?;
            for script in [&self.scripts.publish, &self.scripts.read] {
                script.load_async(&mut commands).await?;
            }
            Ok(commands)
        };
        let commands = within(DIAL, commands).await?;
        let (mut listening, news) = within(DIAL, self.client.get_async_pubsub()).await?.split();
        let topics = self.topics();
        let channels: Vec<_> =
            topics.iter().filter(|topic| topic.is_wanted()).map(|topic| topic.channel.as_str()).collect();
        for channels in channels.chunks(CHANNELS) {
            within(ANSWER, listening.subscribe(channels)).await?;
        }
        self.set_lines(Some(Lines { commands, listening }));
        Ok(news)
    }

    /// Tells Redis which run of it this server sees, so that a snapshot which came back is not taken for what was there.
    async fn enter(&self, commands: &mut MultiplexedConnection) -> RedisResult<()> {
        let info: String = redis::cmd("INFO").query_async(commands).await?;
        let field =
            |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        let run = field("run_id")
            .ok_or_else(|| RedisError::from((ErrorKind::UnexpectedReturnType, "INFO names no run_id")))?;
        let mut enter = self.scripts.enter.key("wirelab:run");
        enter.key("wirelab:life").arg(run).arg(field("aof_enabled").unwrap_or("0"));
        enter.invoke_async(commands).await
    }

    /// Listens to the news until the connections are lost; then dials again, for as long as this runs.
    pub(super) async fn keep(self: Arc<Self>, mut news: PubSubStream) {
        loop {
            let why = self.listen(&mut news).await;
            self.set_lines(None);
            tracing::warn!("lost the broker ({why}): publishers are answered with 503, readers wait");
            let mut pause = FIRST_PAUSE;
            news = loop {
                let jitter = rand::rng().random_range(0.5..1.0);
                sleep(pause.mul_f64(jitter)).await;
                match self.dial().await {
                    Ok(news) => break news,
                    Err(error) => tracing::debug!(%error, "the broker is still out of reach"),
                }
                pause = (2 * pause).min(LONGEST_PAUSE);
            };
            self.reconnects.fetch_add(1, Relaxed);
            tracing::warn!("the broker is back");
            tokio::spawn(self.clone().catch_up());
        }
    }

    /// Enters what comes, until a connection ends or no longer answers; says why.
    async fn listen(self: &Arc<Self>, news: &mut PubSubStream) -> String {
        let mut pulse = std::pin::pin!(self.feel_pulse());
        loop {
            tokio::select! {
                message = news.next() => match message {
                    Some(message) => self.hear(message.get_channel_name(), message.get_payload_bytes()),
                    None => return "the connection ended".to_owned(),
                },
                error = &mut pulse => return error,
            }
        }
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

    /// Asks both connections from time to time; returns when one does not answer.
    async fn feel_pulse(&self) -> String {
        loop {
            sleep(PULSE).await;
            let Ok(Lines { mut commands, mut listening }) = self.lines() else { return "it is down".to_owned() };
            let ask = async {
                redis::cmd("PING").exec_async(&mut commands).await?;
                listening.ping::<redis::Value>().await
            };
            if let Err(error) = within(ANSWER, ask).await {
                return error.to_string();
            }
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
        let mut listening = self.lines()?.listening;
        match within(ANSWER, listening.subscribe(&topic.channel)).await {
            Ok(()) => topic.catch_up(self, None).await,
            Err(error) => {
                self.failed(&error);
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
        let (epoch, offset, timestamp): (String, u64, String) = match self.run(&publish).await? {
            Ok(answer) => answer,
            Err(error) => {
                self.failed(&error);
                let refused = !error.is_io_error() && !error.is_timeout() && !error.is_connection_dropped();
                return Err(if refused { Failure::Refused } else { Failure::Unconfirmed });
            }
        };
        match (epoch.parse(), &*timestamp, timestamp.parse()) {
            (_, "differs", _) => return Err(Failure::KeyReused),
            (Ok(epoch), "repeated", _) => return Ok(Appended::Before(Cursor { epoch, offset })),
            (Ok(epoch), _, Ok(timestamp_us)) => return Ok(Appended::Now(Cursor { epoch, offset }, timestamp_us)),
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
        let (epoch, head, entries): (String, u64, Vec<Vec<u8>>) = self.run(&read).await?.map_err(|error| {
            self.failed(&error);
            Failure::Unread
        })?;
        match epoch.parse() {
            Ok(epoch) => Ok((epoch, head, entries)),
            Err(_) => Err(self.strange(&format!("the epoch `{epoch}`"))),
        }
    }

    /// What Redis answers, or why it does not; fails when there is no connection.
    async fn run<T: redis::FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<RedisResult<T>, Failure> {
        let mut commands = self.lines()?.commands;
        Ok(script.invoke_async(&mut commands).await)
    }

    /// Counts and logs: what Redis says is for who runs it, not for clients.
    fn failed(&self, error: &RedisError) {
        self.errors.fetch_add(1, Relaxed);
        tracing::warn!(%error, "a command to the broker failed");
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

async fn within<T>(bound: Duration, answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let late = |_| Err(RedisError::from((ErrorKind::Io, "no answer in time", format!("within {} s", bound.as_secs()))));
    timeout(bound, answer).await.unwrap_or_else(late)
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("up", &self.is_up()).finish_non_exhaustive()
    }
}
