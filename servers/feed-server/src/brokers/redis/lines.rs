//! The two connections to one Redis, for as long as they are of use, and whether it takes writes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSubSink};
use redis::{RedisError, RedisResult};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::ANSWER;
use super::rules::Rule;
use crate::brokers::Failure;
use crate::clock;

/// How long an answer to whether it takes writes holds: Redis is not asked more often, however many ask.
const READY: Duration = Duration::from_secs(1);
/// The key that is written for it. It is gone when nobody asks any more.
const READY_KEY: &str = "wirelab:ready";
const READY_KEY_SECONDS: u64 = 10;

/// One connection for commands, and one that listens; both to the same Redis.
pub(super) struct Lines {
    /// Where they lead.
    pub(super) address: SocketAddr,
    pub(super) commands: MultiplexedConnection,
    pub(super) listening: PubSubSink,
    /// Set once, when they are of no use any more: why.
    useless: OnceLock<String>,
    left: Notify,
    /// Held while Redis is asked whether it takes writes: of a crowd, one asks.
    asking: tokio::sync::Mutex<()>,
    /// What was known last of that, and when.
    ready: Mutex<Option<(Instant, Result<(), Failure>)>>,
    /// True while it refuses writes of any kind, though it stands.
    refuses: AtomicBool,
}

impl Lines {
    pub(super) fn new(address: SocketAddr, commands: MultiplexedConnection, listening: PubSubSink) -> Self {
        Self {
            address,
            commands,
            listening,
            useless: OnceLock::new(),
            left: Notify::new(),
            asking: tokio::sync::Mutex::default(),
            ready: Mutex::default(),
            refuses: AtomicBool::new(false),
        }
    }

    /// Sees to what follows from an error of a command.
    pub(super) fn failed(&self, error: &RedisError) -> Rule {
        let rule = Rule::of(error);
        if rule.concerns_all() {
            self.know(Err(rule.failure()));
        }
        if rule.reconnects() {
            self.leave(error.to_string());
        }
        rule
    }

    /// Says that they are of no use any more.
    fn leave(&self, why: String) {
        // The first reason is the one to tell.
        let _ = self.useless.set(why);
        self.left.notify_one();
    }

    /// Waits until they are of no use any more; why.
    pub(super) async fn useless(&self) -> String {
        loop {
            if let Some(why) = self.useless.get() {
                return why.clone();
            }
            self.left.notified().await;
        }
    }

    /// True when what is known last is that nothing can be written.
    pub(super) fn refuses(&self) -> bool {
        self.refuses.load(Relaxed)
    }

    /// Whether Redis takes writes: `ROLE` would not tell of memory, disk and replicas.
    pub(super) async fn ready(&self) -> Result<(), Failure> {
        let _turn = self.asking.lock().await;
        if let Some(known) = self.known() {
            return known;
        }
        let mut write = redis::cmd("SET");
        write.arg(READY_KEY).arg(1).arg("EX").arg(READY_KEY_SECONDS);
        let mut commands = self.commands.clone();
        let written: Result<RedisResult<()>, _> = timeout(ANSWER, write.exec_async(&mut commands)).await;
        let answer = match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::debug!(%error, "not ready");
                Err(self.failed(&error).of_no_publication())
            }
            Err(_) => Err(Failure::OutOfReach),
        };
        self.know(answer);
        answer
    }

    fn known(&self) -> Option<Result<(), Failure>> {
        let known = *self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        known.filter(|(at, _)| clock::now() - *at < READY).map(|(_, answer)| answer)
    }

    fn know(&self, answer: Result<(), Failure>) {
        self.refuses.store(answer.is_err(), Relaxed);
        *self.ready.lock().unwrap_or_else(PoisonError::into_inner) = Some((clock::now(), answer));
    }
}
