//! Where things live: paths and topic names.

use std::fmt;
use std::str::FromStr;

use crate::Transport;

/// Longest topic name, bytes: long enough for any naming scheme, short enough for a log line.
pub const MAX_TOPIC_LEN: usize = 128;

/// A topic name that was checked: 1 to 128 ASCII letters, digits, `.`, `_`, `-`, so that it needs no escaping in paths,
/// JSON or metrics.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicName(String);

impl TopicName {
    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A topic name that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bad topic name `{shown}`: expected 1 to {MAX_TOPIC_LEN} letters, digits, dots, underscores or hyphens")]
pub struct TopicError {
    shown: String,
}

impl FromStr for TopicName {
    type Err = TopicError;

    fn from_str(name: &str) -> Result<Self, TopicError> {
        let fits = (1..=MAX_TOPIC_LEN).contains(&name.len());
        if fits && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
            Ok(Self(name.to_owned()))
        } else {
            Err(TopicError { shown: name.chars().take(MAX_TOPIC_LEN).collect() })
        }
    }
}

/// `POST` here to publish.
pub fn publish_path(topic: &TopicName) -> String {
    format!("/topics/{topic}")
}

/// Where Socket.IO lives, all topics together: its clients say what they want in events.
pub const SOCKET_IO_PATH: &str = "/socket.io/";

/// `GET` here to subscribe.
pub fn subscribe_path(topic: &TopicName, transport: Transport) -> String {
    match transport {
        Transport::SocketIo => SOCKET_IO_PATH.to_owned(),
        _ => format!("/topics/{topic}/{transport}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_names_need_no_escaping_anywhere() {
        for good in ["news", "a", "room.42", "user_7-x", &"x".repeat(MAX_TOPIC_LEN)] {
            assert!(good.parse::<TopicName>().is_ok(), "{good}");
        }
        for bad in ["", "a b", "a/b", "ä", "a\"b", "a%20b", &"x".repeat(MAX_TOPIC_LEN + 1)] {
            assert!(bad.parse::<TopicName>().is_err(), "{bad}");
        }
    }
}
