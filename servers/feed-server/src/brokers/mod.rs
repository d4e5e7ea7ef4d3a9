//! The boundary behind which notifications are numbered: one file a broker, and the laws that each must keep.
//!
//! 1. `connect` returns when publishing would work, or says in a sentence what to try.
//! 2. `publish` appends and numbers in one step. Whoever publishes, and through whichever server: a topic has one order, its
//!    offsets are contiguous from 1, and the notification is in the log before the publisher is answered.
//! 3. `follow` brings every appended notification to this server's log, in order, without a hole; when history is lost, the
//!    log goes on under another epoch, so that no reader takes new offsets for old ones.

mod memory;

use std::sync::Arc;

use feed::{Cursor, Payload, TopicName};

use crate::hub::{Hub, Log, TooManyTopics};

/// The broker in use.
#[derive(Debug)]
pub(crate) enum Broker {
    /// This process.
    Memory(memory::Memory),
}

impl Broker {
    /// The broker that the configuration asks for.
    pub(crate) fn connect(hub: Arc<Hub>) -> Self {
        Self::Memory(memory::Memory::connect(hub))
    }

    /// Appends `payload` to `topic`; the cursor is that of the new notification.
    pub(crate) async fn publish(&self, topic: &TopicName, payload: &Payload) -> Result<Cursor, TooManyTopics> {
        match self {
            Self::Memory(memory) => memory.publish(topic, payload).await,
        }
    }

    /// The log of `topic`, kept up to date from now on.
    pub(crate) async fn follow(&self, topic: &TopicName) -> Result<Arc<Log>, TooManyTopics> {
        match self {
            Self::Memory(memory) => memory.follow(topic).await,
        }
    }
}
