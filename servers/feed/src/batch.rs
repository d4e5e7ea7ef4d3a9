//! What surrounds notifications: the first message of a stream, the gap, and the envelope of a poll.

use serde::{Deserialize, Serialize};

use crate::{Cursor, Epoch};

/// The first message of every stream: where reading starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "subscribed")]
pub struct Subscribed {
    /// Topic of the stream.
    pub topic: String,
    /// Current epoch of the topic.
    pub epoch: Epoch,
    /// What follows in the stream comes after this offset.
    pub offset: u64,
    /// False when something between the client's cursor and here is lost; a [`Gap`] follows.
    pub recovered: bool,
}

/// Notifications were lost to this client: they are older than what is retained, or of another epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "gap")]
pub struct Gap {
    /// Topic of the stream.
    pub topic: String,
    /// The oldest cursor that can still be continued from without a loss.
    pub oldest: Cursor,
}

/// A message of a stream that is no notification.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum StreamMessage {
    /// The stream is open.
    Subscribed {
        /// Current epoch of the topic.
        epoch: Epoch,
        /// What follows in the stream comes after this offset.
        offset: u64,
        /// False when something is lost.
        recovered: bool,
    },
    /// Something was lost.
    Gap {
        /// The oldest cursor that can still be continued from.
        oldest: Cursor,
    },
}

/// The envelope of a poll's answer, all but its notifications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "batch")]
pub struct BatchHead {
    /// Topic of the poll.
    pub topic: String,
    /// Current epoch of the topic.
    pub epoch: Epoch,
    /// The cursor's offset after this batch: ask for what comes after it.
    pub offset: u64,
    /// False when something between the client's cursor and this batch is lost.
    pub recovered: bool,
    /// The oldest cursor that can still be continued from; present when `recovered` is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Cursor>,
    /// True when the answer was cut at its size bound and asking again at once brings more.
    pub more: bool,
}

impl BatchHead {
    /// The cursor to ask with next; also the answer's `ETag`.
    pub fn cursor(&self) -> Cursor {
        Cursor { epoch: self.epoch, offset: self.offset }
    }
}
