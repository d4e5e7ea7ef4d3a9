//! The way to Redis: two connections, dialled, listened to, and dialled again when they are lost or lead to a Redis that takes no writes.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use feed::{Cursor, Epoch, Payload, TopicName};
use futures_util::StreamExt;
use rand::RngExt;
use redis::aio::{MultiplexedConnection, PubSubStream};
use redis::{AsyncConnectionConfig, ErrorKind, RedisError, RedisResult, ScriptInvocation};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use super::ANSWER;
use super::address::Address;
use super::entry;
use super::lines::Lines;
use super::rules::Rule;
use super::run::{self, Run};
use super::scripts::Scripts;
use super::topic::Topic;
use crate::brokers::Failure;
use crate::clock;
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
    address: Address,
    scripts: Scripts,
    history: Limit,
    hub: Arc<Hub>,
    topics: RwLock<HashMap<TopicName, Arc<Topic>>>,
    lines: RwLock<Option<Arc<Lines>>>,
    /// Why there are none, as far as is known.
    down: RwLock<Failure>,
    /// When the Redis that was lost surely still ran: it was asked then, and answered.
    answered: RwLock<Option<Instant>>,
    /// Times that the connections were lost and made again.
    pub(super) reconnects: AtomicU64,
    /// Commands and dials that failed.
    pub(super) errors: AtomicU64,
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
    pub(super) fn new(address: Address, history: Limit, hub: Arc<Hub>) -> Self {
        Self {
            address,
            scripts: Scripts::new(),
            history,
            hub,
            topics: RwLock::default(),
            lines: RwLock::default(),
            down: RwLock::new(Failure::OutOfReach),
            answered: RwLock::default(),
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

    fn set_lines(&self, lines: Option<Arc<Lines>>) {
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
        if let Err(error) = &dialled {
            self.errors.fetch_add(1, Relaxed);
            *self.down.write().unwrap_or_else(PoisonError::into_inner) = Rule::of(error).of_no_publication();
        }
        dialled
    }

    /// Connects to the first of the addresses that is a primary.
    async fn connect(&self) -> RedisResult<PubSubStream> {
        let mut why = RedisError::from((ErrorKind::InvalidClientConfig, "the name has no address"));
        for address in within(DIAL, self.address.resolve()).await? {
            match self.connect_to(address).await {
                Ok(news) => return Ok(news),
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    /// Both connections lead to one address, whatever the name is moved to meanwhile.
    async fn connect_to(&self, address: SocketAddr) -> RedisResult<PubSubStream> {
        let client = self.address.client(address)?;
        let commands = async {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(DIAL))
                .set_response_timeout(Some(ANSWER))
                .set_pipeline_buffer_size(PIPELINE);
            let mut commands = client.get_multiplexed_async_connection_with_config(&config).await?;
            self.enter(&mut commands).await?;
            for script in [&self.scripts.publish, &self.scripts.read] {
                script.load_async(&mut commands).await?;
            }
            Ok(commands)
        };
        let commands = within(DIAL, commands).await?;
        let (mut listening, news) = within(DIAL, client.get_async_pubsub()).await?.split();
        let topics = self.topics();
        let channels: Vec<_> =
            topics.iter().filter(|topic| topic.is_wanted()).map(|topic| topic.channel.as_str()).collect();
        for channels in channels.chunks(CHANNELS) {
            within(ANSWER, listening.subscribe(channels)).await?;
        }
        self.set_lines(Some(Arc::new(Lines::new(address, commands, listening))));
        Ok(news)
    }

    /// Tells Redis which run of it this server sees, so that a snapshot which came back is not taken for what was there; fails at a replica.
    async fn enter(&self, commands: &mut MultiplexedConnection) -> RedisResult<()> {
        let asked = clock::now();
        let run = Run::ask(commands).await?;
        let ran = run.ran_at(*self.answered.read().unwrap_or_else(PoisonError::into_inner));
        let mut enter = self.scripts.enter.key("wirelab:run");
        enter.key("wirelab:life").arg(&run.id).arg(&run.is_logged).arg(&run.history).arg(&run.continues);
        enter.arg(u8::from(ran));
        enter.invoke_async::<()>(commands).await?;
        self.set_answered(asked);
        Ok(())
    }

    fn set_answered(&self, at: Instant) {
        *self.answered.write().unwrap_or_else(PoisonError::into_inner) = Some(at);
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

    /// Enters what comes, until the connections end, no longer answer, or lead to a Redis that is no primary; says why.
    async fn listen(self: &Arc<Self>, news: &mut PubSubStream) -> String {
        let Ok(lines) = self.lines() else { return "it is down".to_owned() };
        let mut pulse = std::pin::pin!(self.feel_pulse(&lines));
        let mut useless = std::pin::pin!(lines.useless());
        loop {
            tokio::select! {
                message = news.next() => match message {
                    Some(message) => self.hear(message.get_channel_name(), message.get_payload_bytes()),
                    None => return "the connection ended".to_owned(),
                },
                why = &mut pulse => return why,
                why = &mut useless => return why,
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

    /// Asks both connections from time to time; returns when one does not answer, or when another Redis is the primary.
    async fn feel_pulse(&self, lines: &Lines) -> String {
        let (mut commands, mut listening) = (lines.commands.clone(), lines.listening.clone());
        loop {
            sleep(PULSE).await;
            let asked = clock::now();
            let ask = async {
                run::still_primary(&mut commands).await?;
                listening.ping::<redis::Value>().await
            };
            if let Err(error) = within(ANSWER, ask).await {
                return error.to_string();
            }
            self.set_answered(asked);
            if let Some(other) = self.moved(lines).await {
                return format!("the primary is at {other} now");
            }
        }
    }

    /// Where the primary is by now, if that is elsewhere. Who cannot be asked knows of nothing else.
    async fn moved(&self, lines: &Lines) -> Option<SocketAddr> {
        if !self.address.is_asked_often() && !lines.refuses() {
            return None;
        }
        let addresses = within(ANSWER, self.address.resolve()).await.ok()?;
        if addresses.contains(&lines.address) { None } else { addresses.first().copied() }
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
        let (epoch, offset, timestamp): (String, u64, String) = self.run(&publish).await?.map_err(Rule::failure)?;
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
        let (epoch, head, entries): (String, u64, Vec<Vec<u8>>) =
            self.run(&read).await?.map_err(|_| Failure::Unread)?;
        match epoch.parse() {
            Ok(epoch) => Ok((epoch, head, entries)),
            Err(_) => Err(self.strange(&format!("the epoch `{epoch}`"))),
        }
    }

    /// What Redis answers, or why it does not; fails when there is no connection.
    async fn run<T: redis::FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<Result<T, Rule>, Failure> {
        let lines = self.lines()?;
        let answer = script.invoke_async(&mut lines.commands.clone()).await;
        Ok(answer.map_err(|error| self.failed(&lines, &error)))
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

async fn within<T>(bound: Duration, answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let late = |_| Err(RedisError::from((ErrorKind::Io, "no answer in time", format!("within {} s", bound.as_secs()))));
    timeout(bound, answer).await.unwrap_or_else(late)
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("up", &self.is_up()).finish_non_exhaustive()
    }
}
