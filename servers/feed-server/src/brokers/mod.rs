//! The boundary behind which notifications are numbered: one file or folder a broker, and the laws that each must keep.
//!
//! 1. `connect` returns when publishing would work, or says in a sentence what to try.
//! 2. `publish` appends and numbers in one step. Whoever publishes, and through whichever server: a topic has one order, its
//!    offsets are contiguous from 1, and the notification is in the log before the publisher is answered. What was published under a
//!    key is published once for as long as it is retained: a repeat gets its cursor, anything else under the key is refused.
//! 3. `follow` brings every appended notification to this server's log, in order, without a hole; when history is lost, the
//!    log goes on under another epoch, so that no reader takes new offsets for old ones.
//!
//! 4. `ready` tells whether publishing works now, and why not.
//!
//! `tests/brokers/` holds every broker to them.

mod choice;
mod failure;
mod memory;
mod redis;

use std::sync::Arc;

use anyhow::Context;
use feed::{After, BrokerStats, Cursor, Payload, TopicName};

pub use self::choice::Choice;
use self::choice::Chosen;
pub(crate) use self::failure::Failure;
use crate::config::Config;
use crate::hub::{Hub, Log, Published};
use crate::keys::Key;

/// The broker in use.
#[derive(Debug)]
pub(crate) enum Broker {
    /// This process.
    Memory(memory::Memory),
    /// A Redis that several servers share.
    Redis(redis::Redis),
}

impl Broker {
    /// The broker that the configuration asks for.
    pub(crate) async fn connect(config: &Config, hub: Arc<Hub>) -> anyhow::Result<Self> {
        Ok(match config.broker.read()? {
            Chosen::Memory => Self::Memory(memory::Memory::connect(hub)),
            Chosen::Redis(address) => {
                Self::Redis(redis::Redis::connect(address, config.history(), hub).await.with_context(|| {
                    format!(
                        "cannot use the broker at {}: start Redis 5 or newer there, or choose another --broker",
                        config.broker
                    )
                })?)
            }
        })
    }

    /// Appends `payload` to `topic`; the cursor is that of the new notification.
    pub(crate) async fn publish(&self, topic: &TopicName, payload: &Payload) -> Result<Cursor, Failure> {
        Ok(self.publish_once(topic, payload, None).await?.cursor)
    }

    /// The same, unless it was published before under this `key`.
    pub(crate) async fn publish_once(
        &self,
        topic: &TopicName,
        payload: &Payload,
        key: Option<&Key>,
    ) -> Result<Published, Failure> {
        match self {
            Self::Memory(memory) => memory.publish(topic, payload, key).await,
            Self::Redis(redis) => redis.publish(topic, payload, key).await,
        }
    }

    /// The log of `topic`, kept up to date from now on; it has come as far as a reader who starts `after` a cursor, if any
    /// server has.
    pub(crate) async fn follow(&self, topic: &TopicName, after: After) -> Result<Arc<Log>, Failure> {
        match self {
            Self::Memory(memory) => memory.follow(topic, after).await,
            Self::Redis(redis) => redis.follow(topic, after).await,
        }
    }

    /// Whether publishing works now, or why not.
    pub(crate) async fn ready(&self) -> Result<(), Failure> {
        match self {
            // Nothing lies between.
            Self::Memory(_) => Ok(()),
            Self::Redis(redis) => redis.ready().await,
        }
    }

    /// How it does.
    pub(crate) fn stats(&self) -> BrokerStats {
        match self {
            Self::Memory(memory) => memory.stats(),
            Self::Redis(redis) => redis.stats(),
        }
    }
}
